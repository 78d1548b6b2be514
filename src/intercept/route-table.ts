import type { FlowKey } from '../base/flow-key.ts';
import { FlowRows } from '../base/flow-rows.ts';
import { longer, RowLinks, RowList } from '../base/row-lists.ts';
import { addTime, type Duration, elapsed, type Instant, NEVER, seconds } from '../base/time.ts';

/** Routes at once, unless configured otherwise. At this number a route takes 69 octets. */
export const DEFAULT_MAX_ROUTES = 1_048_576;
/** What the target may still say to a session that has ended: longer than its retransmissions of a FIN mostly last. */
export const LINGER: Duration = seconds(30);
/** An original tcpcopy ends a session itself after being idle for so long (its -t and -k by default: 600 s and 120 s). */
const IDLE_LIFE: Duration = seconds(720);
/** The same once the target has sent FIN or RST. */
const CLOSED_LIFE: Duration = seconds(60);
/** Routes looked at to make room for one. */
const RECLAIM_STEPS = 64;
/** Routes freed in one `expire`. */
const EXPIRE_STEPS = 4096;
const NONE = -1;
/** In the column of states: alive, but the target has sent FIN or RST. */
const CLOSING = 0x80;

/** What has become of a registration. */
export const Registered = {
  added: 0,
  /** It was there already, from the same connection. */
  repeated: 1,
  /** Another connection had registered the session: the newest word counts. */
  moved: 2,
  /** The table is full, or the peer has as many routes as it may. */
  refused: 3,
  /** Another tcpcopy has the session on lease, and keeps it. */
  taken: 4,
} as const;
export type Registered = (typeof Registered)[keyof typeof Registered];

/** What a row of the table says. */
export const RouteState = {
  live: 0,
  /** The session has ended; the row stays for `LINGER`, so that what the target says late is told apart from strangers. */
  ended: 1,
  /** The connection that made it is gone. */
  orphaned: 2,
} as const;
export type RouteState = (typeof RouteState)[keyof typeof RouteState];

/** Routes that several owners may have together. */
export class RouteQuota {
  readonly limit: number;
  /** Kept by the table. */
  routes = 0;

  constructor(limit: number) {
    this.limit = limit;
  }
}

/** Whom routes lead to: a control connection. The table alone writes the fields, but for `tellsEnds`. */
export class RouteOwner {
  readonly quota: RouteQuota;
  readonly list: RowList = new RowList();
  /** Living routes. */
  routes = 0;
  /** Whether it says when sessions end. Of an owner that does not, idle routes are given up when there is no room. */
  tellsEnds = false;
  /** Which tcpcopy it is a connection of; empty when it has not said, as originals do not: its sessions are no leases. */
  instance = '';
  slot: number = NONE;
  gone = false;

  constructor(quota: RouteQuota) {
    this.quota = quota;
  }
}

/**
 * Which control connection wants the responses of which session. Keys are whole addresses and ports, so no two sessions are
 * ever confused. A route lives until its session is said to have ended or its owner is gone; nothing is evicted but, when
 * there is no room, what an owner that never says that a session has ended has not used for as long as it would keep the
 * session itself. Nothing here takes longer the more routes there are: what an owner leaves behind is freed in portions.
 */
export class RouteTable<Owner extends RouteOwner> {
  readonly #limit: number;
  readonly #rows: FlowRows;
  readonly #owners: (Owner | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  #ownerOf = new Int32Array(0);
  /** A `RouteState`, and `CLOSING` where the target has sent FIN or RST. */
  #states = new Uint8Array(0);
  /** Whole seconds: of the last use, or of the end. */
  #times = new Int32Array(0);
  readonly #links = new RowLinks();
  /** Of ended sessions, in the order of their ends. */
  readonly #lingering = new RowList();
  /** Owners that are gone and still have rows. */
  readonly #leaving: Owner[] = [];
  #live = 0;
  #ended = 0;
  /** Sessions registered since the start, each as often as it was begun. */
  added = 0;
  /** Most living routes that there were at once. */
  peak = 0;
  /** Sessions that another connection has registered anew while they were alive. */
  moved = 0;
  /** Registrations that found no room. */
  refused = 0;
  /** Registrations of sessions that another tcpcopy has on lease. */
  taken = 0;
  /** Routes given up for want of room: their owner does not say when sessions end, and they had long been idle. */
  reclaimed = 0;

  /** `secret` unpredictable, see `FlowTable`; `limit` in routes. */
  constructor(secret: number, limit: number = DEFAULT_MAX_ROUTES) {
    this.#rows = new FlowRows(secret);
    this.#limit = limit;
  }

  /** Living routes. */
  get size(): number {
    return this.#live;
  }

  /** Routes of sessions that ended a moment ago. */
  get lingering(): number {
    return this.#ended;
  }

  /** Octets that the table holds. */
  get bytes(): number {
    return this.#rows.bytes + this.#links.bytes + this.#ownerOf.length * 9;
  }

  /** When `expire` has something to do: at once, within a second, or `NEVER`. */
  get deadline(): Instant {
    if (this.#leaving.length > 0) return 0 as Instant;
    const { first } = this.#lingering;
    if (first === NONE) return NEVER;
    // A second later than need be, so that sessions end in portions.
    return addTime(instantOf(this.#times[first] as number), (LINGER + 1e6) as Duration);
  }

  /** The row of a session in whatever state, or −1. */
  find(key: FlowKey): number {
    return this.#rows.find(key);
  }

  stateOf(row: number): RouteState {
    if (this.#states[row] === RouteState.ended) return RouteState.ended;
    return this.#owner(row).gone ? RouteState.orphaned : RouteState.live;
  }

  /** Whom a living route leads to. */
  ownerOf(row: number): Owner {
    return this.#owner(row);
  }

  /** A living route has been used; `closing` when the target has sent FIN or RST on it. */
  use(now: Instant, row: number, closing: boolean): void {
    if (closing) this.#states[row] = CLOSING;
    // A shorter life is a use longer ago.
    const early = this.#states[row] === CLOSING ? IDLE_LIFE - CLOSED_LIFE : 0;
    this.#times[row] = secondOf(now) - early / 1e6;
  }

  /**
   * Adds a route, or moves it when its session was registered by another owner. A session that lives is a lease where its owner and
   * the new one have both said which tcpcopy they are: then it moves between connections of one tcpcopy only.
   */
  add(now: Instant, key: FlowKey, owner: Owner): Registered {
    let row = this.#rows.find(key);
    let result: Registered = Registered.added;
    if (row !== NONE) {
      const state = this.stateOf(row);
      if (state === RouteState.live) {
        if (this.#owner(row) === owner) {
          this.use(now, row, false);
          return Registered.repeated;
        }
        if (isLeased(this.#owner(row), owner)) {
          this.taken++;
          return Registered.taken;
        }
        result = Registered.moved;
      }
    }
    if (owner.quota.routes >= owner.quota.limit && !this.#movesWithin(row, result, owner)) {
      if (!this.#reclaim(now, owner)) return this.#refuse();
    }
    if (row === NONE) {
      if (this.#rows.size >= this.#limit && !this.#makeRoom(now, owner)) return this.#refuse();
      row = this.#rows.insert(key);
      this.#fit();
    } else {
      this.#leave(row);
    }
    if (result === Registered.moved) this.moved++;
    else this.added++;
    this.#enter(now, row, owner);
    return result;
  }

  /** The session has ended, if its route leads to `owner`; says whether it did. */
  end(now: Instant, key: FlowKey, owner: Owner): boolean {
    const row = this.#rows.find(key);
    if (row === NONE || this.stateOf(row) !== RouteState.live) return false;
    if (this.#owner(row) !== owner) return false;
    this.#leave(row);
    this.#states[row] = RouteState.ended;
    this.#times[row] = secondOf(now);
    this.#links.append(this.#lingering, row);
    this.#ended++;
    return true;
  }

  /** Forgets a session that is not alive. */
  forget(row: number): void {
    this.#leave(row);
    this.#rows.remove(row);
  }

  /** The owner is gone for good: its routes lead nowhere from now on. */
  release(owner: Owner): void {
    if (owner.gone) return;
    owner.gone = true;
    this.#live -= owner.routes;
    owner.quota.routes -= owner.routes;
    owner.routes = 0;
    if (owner.list.first !== NONE) this.#leaving.push(owner);
    else this.#freeSlot(owner);
  }

  /** Frees what has lingered long enough and, in portions, what owners that are gone left behind. */
  expire(now: Instant): void {
    for (let step = 0; step < EXPIRE_STEPS; step++) {
      const { first } = this.#lingering;
      const isDue =
        first !== NONE && elapsed(instantOf(this.#times[first] as number), now) >= LINGER;
      if (isDue) this.forget(first);
      else if (!this.#freeLeftBehind()) return;
    }
  }

  /** A session that moves between two connections of one peer takes no more room. */
  #movesWithin(row: number, result: Registered, owner: Owner): boolean {
    return result === Registered.moved && this.#owner(row).quota === owner.quota;
  }

  #refuse(): Registered {
    this.refused++;
    return Registered.refused;
  }

  #makeRoom(now: Instant, owner: Owner): boolean {
    if (this.#freeLeftBehind()) return true;
    if (this.#lingering.first === NONE) return this.#reclaim(now, owner);
    this.forget(this.#lingering.first);
    return true;
  }

  /** Frees one row of an owner that is gone. */
  #freeLeftBehind(): boolean {
    const owner = this.#leaving[0];
    if (owner === undefined) return false;
    this.forget(owner.list.first);
    return true;
  }

  /** Frees the first of some of the owner's oldest routes that has been idle for as long as a session may be. */
  #reclaim(now: Instant, owner: Owner): boolean {
    if (owner.tellsEnds) return false;
    for (let step = 0; step < RECLAIM_STEPS; step++) {
      const row = owner.list.first;
      if (row === NONE) return false;
      if (elapsed(instantOf(this.#times[row] as number), now) >= IDLE_LIFE) {
        this.forget(row);
        this.reclaimed++;
        return true;
      }
      this.#links.detach(owner.list, row);
      this.#links.append(owner.list, row);
    }
    return false;
  }

  #enter(now: Instant, row: number, owner: Owner): void {
    if (owner.slot === NONE) {
      owner.slot = this.#freeSlots.pop() ?? this.#owners.length;
      this.#owners[owner.slot] = owner;
    }
    this.#ownerOf[row] = owner.slot;
    this.#states[row] = RouteState.live;
    this.use(now, row, false);
    this.#links.append(owner.list, row);
    owner.routes++;
    owner.quota.routes++;
    this.#live++;
    this.peak = Math.max(this.peak, this.#live);
  }

  /** Takes a row off the list it is on. */
  #leave(row: number): void {
    if (this.#states[row] === RouteState.ended) {
      this.#links.detach(this.#lingering, row);
      this.#ended--;
      return;
    }
    const owner = this.#owner(row);
    this.#links.detach(owner.list, row);
    if (!owner.gone) {
      owner.routes--;
      owner.quota.routes--;
      this.#live--;
    } else if (owner.list.first === NONE) {
      this.#leaving.splice(this.#leaving.indexOf(owner), 1);
      this.#freeSlot(owner);
    }
  }

  #freeSlot(owner: Owner): void {
    if (owner.slot === NONE) return;
    this.#owners[owner.slot] = undefined;
    this.#freeSlots.push(owner.slot);
    owner.slot = NONE;
  }

  #owner(row: number): Owner {
    return this.#owners[this.#ownerOf[row] as number] as Owner;
  }

  /** The columns are as long as the rows. */
  #fit(): void {
    const { capacity } = this.#rows;
    if (this.#ownerOf.length >= capacity) return;
    this.#ownerOf = longer(this.#ownerOf, capacity);
    this.#times = longer(this.#times, capacity);
    this.#links.grow(capacity);
    const states = new Uint8Array(capacity);
    states.set(this.#states);
    this.#states = states;
  }
}

const secondOf = (now: Instant): number => Math.floor(now / 1e6);
const instantOf = (second: number): Instant => (second * 1e6) as Instant;

/** Whether what `holder` has is kept from `other`. */
const isLeased = (holder: RouteOwner, other: RouteOwner): boolean =>
  holder.instance !== '' && other.instance !== '' && holder.instance !== other.instance;
