import { FlowKey } from '../base/flow-key.ts';
import { FlowTable } from '../base/flow-table.ts';
import { addTime, type Duration, type Instant, NEVER, seconds } from '../base/time.ts';
import { formatEndpoint, IpAddress } from '../wire/address.ts';

/** Where responses come from. */
export interface ResponseSource {
  /** Absent for any address of either family. */
  readonly address?: IpAddress;
  /** Absent for every port. */
  readonly port?: number;
}

/** Targets told apart by address. */
const DEFAULT_LIMIT = 256;
/** A target that no peer names any more is kept so long: a peer that comes back at once must find nothing changed. */
const KEPT: Duration = seconds(60);

interface Target extends ResponseSource {
  readonly key: FlowKey;
  readonly peers: Set<object>;
  /** When it lapses; `NEVER` while a peer names it. */
  until: Instant;
}

/**
 * The targets of all peers, from what they have declared and, where a peer declares nothing, from the sessions it
 * registers: what the capture has to listen for. Bounded: beyond `limit` targets further ones stand for their port at any
 * address, beyond as many ports for everything.
 */
export class TargetSet {
  readonly #limit: number;
  readonly #targets: FlowTable<Target>;
  readonly #all = new Set<Target>();
  readonly #key = new FlowKey();
  /** With an address, without one, and everything. */
  readonly #counts: [number, number, number] = [0, 0, 0];
  #deadline: Instant = NEVER;
  /** Changes with every change of `list`. */
  version = 0;

  /** `secret` unpredictable, see `FlowTable`. */
  constructor(secret: number, limit: number = DEFAULT_LIMIT) {
    this.#targets = new FlowTable(secret);
    this.#limit = limit;
  }

  /** A peer has registered a session, whose target is the far end of `key`. */
  note(key: FlowKey, peer: object): void {
    const port = portOf(key);
    const same = this.#findFarEnd(key);
    if (same?.peers.has(peer)) return;
    if (this.#find(0, 0, 0, 0, port)?.peers.has(peer)) return;
    if (this.#find(0, 0, 0, 0, 0)?.peers.has(peer)) return;
    const { words } = key;
    const address = new IpAddress(
      words[4] as number,
      words[5] as number,
      words[6] as number,
      words[7] as number,
    );
    this.#name(same, isAny(address) ? ANY : address, port, peer);
  }

  /** A peer has said what its targets are: replaces what it has said before. */
  declare(now: Instant, targets: readonly ResponseSource[], peer: object): void {
    const before = [...this.#all].filter((target) => target.peers.delete(peer));
    for (const { address, port } of targets) {
      const at = address === undefined || isAny(address) ? ANY : address;
      this.#name(this.#find(at.w0, at.w1, at.w2, at.w3, port ?? 0), at, port ?? 0, peer);
    }
    for (const target of before) this.#orphan(now, target);
  }

  /** A peer is gone. */
  release(now: Instant, peer: object): void {
    for (const target of this.#all) {
      if (target.peers.delete(peer)) this.#orphan(now, target);
    }
  }

  /** When `expire` is due. */
  get deadline(): Instant {
    return this.#deadline;
  }

  /** Forgets targets that no peer has named for a minute. */
  expire(now: Instant): void {
    if (this.#deadline > now) return;
    this.#deadline = NEVER;
    for (const target of this.#all) {
      if (target.until <= now) this.#forget(target);
      else this.#deadline = Math.min(this.#deadline, target.until) as Instant;
    }
  }

  /** Whether the far end of `key` is a target. */
  knows(key: FlowKey): boolean {
    return (
      this.#findFarEnd(key) !== undefined ||
      (this.#counts[1] > 0 && this.#find(0, 0, 0, 0, portOf(key)) !== undefined) ||
      this.#counts[2] > 0
    );
  }

  /** All of them; one without address and port when everything is to be listened for, none when nothing is. */
  list(): readonly ResponseSource[] {
    if (this.#counts[2] > 0) return [{}];
    const list: ResponseSource[] = [];
    for (const { address, port } of this.#all) {
      if (port === undefined) continue;
      list.push(address === undefined ? { port } : { address, port });
    }
    return list;
  }

  /** Whether there were too many targets to tell all of them apart. */
  get isCoarse(): boolean {
    return this.#counts[0] >= this.#limit;
  }

  #findFarEnd(key: FlowKey): Target | undefined {
    const { words } = key;
    return this.#find(
      words[4] as number,
      words[5] as number,
      words[6] as number,
      words[7] as number,
      portOf(key),
    );
  }

  #find(w0: number, w1: number, w2: number, w3: number, port: number): Target | undefined {
    this.#key.setAddress(4, w0, w1, w2, w3);
    this.#key.setPorts(0, port);
    return this.#targets.find(this.#key);
  }

  #name(found: Target | undefined, address: IpAddress, port: number, peer: object): void {
    const target = found ?? this.#add(address, port);
    target.peers.add(peer);
    target.until = NEVER;
  }

  #add(address: IpAddress, port: number): Target {
    const kind = port === 0 ? 2 : isAny(address) ? 1 : 0;
    if (kind < 2 && this.#counts[kind] >= this.#limit) {
      const coarser = kind === 0 ? port : 0;
      return this.#find(0, 0, 0, 0, coarser) ?? this.#add(ANY, coarser);
    }
    const key = new FlowKey();
    key.setAddress(4, address.w0, address.w1, address.w2, address.w3);
    key.setPorts(0, port);
    const peers = new Set<object>();
    const target: Target = {
      key,
      peers,
      until: NEVER,
      ...(kind === 0 && { address }),
      ...(kind < 2 && { port }),
    };
    this.#targets.set(key, target);
    this.#all.add(target);
    this.#counts[kind]++;
    this.version++;
    return target;
  }

  #orphan(now: Instant, target: Target): void {
    if (target.peers.size > 0) return;
    target.until = addTime(now, KEPT);
    this.#deadline = Math.min(this.#deadline, target.until) as Instant;
  }

  #forget(target: Target): void {
    this.#targets.delete(target.key);
    this.#all.delete(target);
    this.#counts[target.port === undefined ? 2 : target.address === undefined ? 1 : 0]--;
    this.version++;
  }
}

/** As many are named in a message. */
const NAMED = 8;

/** For people: "10.0.0.2:80, port 81 and 3 more". */
export function describeSources(sources: readonly ResponseSource[]): string {
  if (sources.length === 0) return 'nobody: no tcpcopy has named a target';
  const named = sources.slice(0, NAMED).map(({ address, port }) => {
    if (port === undefined) return 'everything';
    return address === undefined ? `port ${port}` : formatEndpoint(address, port);
  });
  const more = sources.length - named.length;
  return named.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

const portOf = ({ words }: FlowKey): number => (words[8] as number) & 0xffff;

/** :: and 0.0.0.0 stand for any address. */
const ANY = new IpAddress(0, 0, 0, 0);
const isAny = (a: IpAddress): boolean => a.equals(ANY) || (a.family === 4 && a.w3 === 0);
