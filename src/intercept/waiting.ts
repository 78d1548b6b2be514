import { FLOW_KEY_WORDS, FlowKey } from '../base/flow-key.ts';
import { FlowTable } from '../base/flow-table.ts';
import { Memory } from '../base/memory.ts';
import { addTime, type Duration, type Instant, NEVER, seconds } from '../base/time.ts';
import type { CapturedPacket } from '../ports/packet-source.ts';
import { Cause, CAUSES, type Unrouted } from './unrouted.ts';

/** How long the original keeps a response that has no route. */
const PATIENCE: Duration = seconds(30);
/** Responses that wait, all sessions together; a power of two. About 5 MB. */
const DEFAULT_CAPACITY = 16_384;
/** Kept of a response: more than its headers may have, but for those that an IPv6 header can be extended by. */
export const KEPT_LENGTH = 256;
/** One part in so many is for responses that come from no known target, so that a filter too wide harms nobody. */
const FOREIGN_PART = 16;
/** Of one session: more than a target's initial window (RFC 6928 §2: 10 segments) and its retransmissions for half a minute. */
const MAX_PER_FLOW = 64;
const NONE = -1;

export interface WaitingHandler {
  /** A response as it was captured, at `memory[offset … offset+length)` and valid only during the call; see `CapturedPacket`. */
  handleWaiting(
    memory: Memory,
    offset: number,
    length: number,
    wireLength: number,
    receivedAt: number,
  ): void;
}

/**
 * Responses that came before their route: the copy's SYN can reach the target and come back while its registration is still
 * on the way. Bounded in number, octets and time. A ring in the order of arrival, which is also the order of expiry, with the
 * responses of each session linked through it.
 *
 * ```
 *   #begin                        #end
 *     | a1 | b1 | a2 | -- | b2 |          a1 → a2, b1 → b2; -- was delivered
 * ```
 */
export class Waiting {
  readonly #mask: number;
  readonly #unrouted: Unrouted;
  readonly #packets: Memory;
  readonly #lengths: Uint16Array;
  readonly #wireLengths: Int32Array;
  readonly #received: Float64Array;
  /** The cause that is counted if no route comes. */
  readonly #causes: Uint8Array;
  readonly #keys: Int32Array;
  readonly #deadlines: Float64Array;
  /** 1 where a response waits, 0 where it was delivered already. */
  readonly #taken: Uint8Array;
  /** The session's next response; `NONE` after the last. */
  readonly #next: Int32Array;
  /** Of a session's first response: where its last one is, and how many there are. */
  readonly #last: Int32Array;
  readonly #chain: Int32Array;
  readonly #first: FlowTable<number>;
  readonly #key = new FlowKey();
  /** Positions counted from the start; `& #mask` gives the slot. */
  #begin = 0;
  #end = 0;
  #size = 0;
  /** By cause. */
  readonly #sizes = new Int32Array(CAUSES);
  /** Of those that found no route, how many waited to the end of their time; there was no room for the others. */
  expired = 0;

  /** `secret` unpredictable, see `FlowTable`; `unrouted` is told of what finds no route; `capacity` a power of two. */
  constructor(secret: number, unrouted: Unrouted, capacity: number = DEFAULT_CAPACITY) {
    this.#mask = capacity - 1;
    this.#unrouted = unrouted;
    this.#packets = Memory.alloc(capacity * KEPT_LENGTH);
    this.#lengths = new Uint16Array(capacity);
    this.#wireLengths = new Int32Array(capacity);
    this.#received = new Float64Array(capacity);
    this.#causes = new Uint8Array(capacity);
    this.#keys = new Int32Array(capacity * FLOW_KEY_WORDS);
    this.#deadlines = new Float64Array(capacity);
    this.#taken = new Uint8Array(capacity);
    this.#next = new Int32Array(capacity);
    this.#last = new Int32Array(capacity);
    this.#chain = new Int32Array(capacity);
    this.#first = new FlowTable(secret);
  }

  /** Responses that wait. */
  get size(): number {
    return this.#size;
  }

  /**
   * Keeps what was captured of a response, `KEPT_LENGTH` octets at the most, until the route of `key` comes. If none does, it
   * is counted as `cause`. `headers`: octets that it must have to be of use.
   */
  add(now: Instant, key: FlowKey, packet: CapturedPacket, headers: number, cause: Cause): void {
    let first = this.#first.find(key) ?? NONE;
    if (headers > KEPT_LENGTH || this.#hasEnough(first, cause)) {
      this.#unrouted.note(cause, key.words);
      return;
    }
    if (this.#end - this.#begin > this.#mask) {
      this.#dropOldest();
      // It may have been this session's.
      first = this.#first.find(key) ?? NONE;
    }
    const slot = this.#end++ & this.#mask;
    this.#keep(packet, slot);
    this.#deadlines[slot] = addTime(now, PATIENCE);
    this.#taken[slot] = 1;
    this.#next[slot] = NONE;
    this.#causes[slot] = cause;
    const { words } = key;
    for (let i = 0; i < FLOW_KEY_WORDS; i++) {
      this.#keys[slot * FLOW_KEY_WORDS + i] = words[i] as number;
    }
    this.#link(key, first, slot);
    this.#size++;
    this.#sizes[cause] = (this.#sizes[cause] as number) + 1;
  }

  /** Hands over what waits for `key`, in the order of arrival, and forgets it. */
  deliver(key: FlowKey, handler: WaitingHandler): void {
    const first = this.#first.find(key);
    if (first === undefined) return;
    this.#first.delete(key);
    for (let slot = first; slot !== NONE; slot = this.#next[slot] as number) {
      this.#leave(slot);
      handler.handleWaiting(
        this.#packets,
        slot * KEPT_LENGTH,
        this.#lengths[slot] as number,
        this.#wireLengths[slot] as number,
        this.#received[slot] as number,
      );
    }
  }

  /** Drops what has waited too long. */
  expire(now: Instant): void {
    while (this.deadline <= now) {
      if (this.#dropOldest()) this.expired++;
    }
  }

  /** When the next response expires; `NEVER` when none waits. */
  get deadline(): Instant {
    while (this.#begin < this.#end && this.#taken[this.#begin & this.#mask] === 0) this.#begin++;
    return this.#begin < this.#end ? (this.#deadlines[this.#begin & this.#mask] as Instant) : NEVER;
  }

  #hasEnough(first: number, cause: Cause): boolean {
    if (first !== NONE && (this.#chain[first] as number) >= MAX_PER_FLOW) return true;
    const part = (this.#mask + 1) / FOREIGN_PART;
    return cause === Cause.foreign && (this.#sizes[cause] as number) >= part;
  }

  #keep(packet: CapturedPacket, slot: number): void {
    const { bytes } = this.#packets;
    const from = packet.memory.bytes;
    const length = Math.min(packet.length, KEPT_LENGTH);
    const at = slot * KEPT_LENGTH;
    for (let i = 0; i < length; i++) bytes[at + i] = from[packet.offset + i] as number;
    this.#lengths[slot] = length;
    this.#wireLengths[slot] = packet.wireLength;
    this.#received[slot] = packet.receivedAt;
  }

  #leave(slot: number): void {
    this.#taken[slot] = 0;
    this.#size--;
    const cause = this.#causes[slot] as number;
    this.#sizes[cause] = (this.#sizes[cause] as number) - 1;
  }

  #link(key: FlowKey, first: number, slot: number): void {
    if (first === NONE) {
      this.#first.set(key, slot);
      this.#last[slot] = slot;
      this.#chain[slot] = 1;
      return;
    }
    this.#next[this.#last[first] as number] = slot;
    this.#last[first] = slot;
    this.#chain[first] = (this.#chain[first] as number) + 1;
  }

  /** The oldest of all is the oldest of its session, too: the first of its chain. Says whether it still waited. */
  #dropOldest(): boolean {
    const slot = this.#begin++ & this.#mask;
    if (this.#taken[slot] === 0) return false;
    this.#leave(slot);
    this.#unrouted.note(this.#causes[slot] as Cause, this.#keys, slot * FLOW_KEY_WORDS);
    const { words } = this.#key;
    for (let i = 0; i < FLOW_KEY_WORDS; i++) {
      words[i] = this.#keys[slot * FLOW_KEY_WORDS + i] as number;
    }
    const next = this.#next[slot] as number;
    if (next === NONE) {
      this.#first.delete(this.#key);
      return true;
    }
    this.#last[next] = this.#last[slot] as number;
    this.#chain[next] = (this.#chain[slot] as number) - 1;
    this.#first.set(this.#key, next);
    return true;
  }
}
