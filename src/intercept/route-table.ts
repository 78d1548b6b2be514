import { type FlowKey, FlowTable } from '../base/flow-table.ts';

/** Whom a route leads to. */
export interface RouteOwner {
  /** Gone for good; its routes lead nowhere from then on. */
  readonly closed: boolean;
  /** Routes that lead to it. Kept by the table. */
  routes: number;
}

/** Routes of one generation: a million connections at once are never forgotten. A route takes about 100 octets. */
const DEFAULT_GENERATION = 1 << 20;

/**
 * Which control connection wants the responses of which session. Keys are whole addresses and ports, so no two sessions
 * are ever confused.
 *
 * A peer that speaks the original protocol never says that a session has ended, so memory is bounded by use, in two
 * generations: new and used routes are in the young one; when it is full it becomes the old one, and what was
 * in the old one and not used since is forgotten and counted. So a route is lost only after at least a generation of others
 * was registered or used since it was used last.
 */
export class RouteTable<Owner extends RouteOwner> {
  readonly #secret: number;
  readonly #generation: number;
  #young: FlowTable<Owner>;
  #old: FlowTable<Owner>;
  /** Routes in the tables whose owner is gone. */
  #dead = 0;
  /** Routes to living owners that were given up for want of room. */
  forgotten = 0;

  /** `secret` unpredictable, see `FlowTable`; `generation` in routes, 1 at least. */
  constructor(secret: number, generation: number = DEFAULT_GENERATION) {
    this.#secret = secret;
    this.#generation = generation;
    this.#young = new FlowTable(secret);
    this.#old = new FlowTable(secret);
  }

  /** Routes to living owners. */
  get size(): number {
    return this.#young.size + this.#old.size - this.#dead;
  }

  find(key: FlowKey): Owner | undefined {
    const owner = this.#young.find(key) ?? this.#rescue(key);
    return owner === undefined || owner.closed ? undefined : owner;
  }

  /** Adds a route, or moves it when its session was registered before: the newest word counts. */
  set(key: FlowKey, owner: Owner): void {
    const former = this.#young.find(key);
    if (former !== undefined) this.#release(former);
    else if (this.#young.size >= this.#generation) this.#turn();
    const elder = this.#old.find(key);
    if (elder !== undefined) {
      this.#old.delete(key);
      this.#release(elder);
    }
    this.#young.set(key, owner);
    owner.routes++;
  }

  /** Removes a route if it leads to `owner`; says whether it did. */
  delete(key: FlowKey, owner: Owner): boolean {
    if (this.#young.find(key) === owner) this.#young.delete(key);
    else if (this.#old.find(key) === owner) this.#old.delete(key);
    else return false;
    this.#release(owner);
    return true;
  }

  /** Every route to an owner that has just closed is dead. They are swept when they are the greater part: a constant cost for each. */
  releaseOwner(owner: Owner): void {
    this.#dead += owner.routes;
    owner.routes = 0;
    const total = this.#young.size + this.#old.size;
    if (this.#dead === total) {
      this.#young = new FlowTable(this.#secret);
      this.#old = new FlowTable(this.#secret);
    } else if (this.#dead * 2 > total) {
      this.#young.deleteWhere(isClosed);
      this.#old.deleteWhere(isClosed);
    } else {
      return;
    }
    this.#dead = 0;
  }

  /** A route found among the old has been used: it is young again. */
  #rescue(key: FlowKey): Owner | undefined {
    const owner = this.#old.find(key);
    if (owner === undefined) return undefined;
    this.#old.delete(key);
    if (this.#young.size >= this.#generation) this.#turn();
    this.#young.set(key, owner);
    return owner;
  }

  #turn(): void {
    this.#old.forEach((owner) => {
      if (!owner.closed) this.forgotten++;
      this.#release(owner);
    });
    this.#old = this.#young;
    this.#young = new FlowTable(this.#secret);
  }

  #release(owner: Owner): void {
    if (owner.closed) this.#dead--;
    else owner.routes--;
  }
}

const isClosed = (owner: RouteOwner): boolean => owner.closed;
