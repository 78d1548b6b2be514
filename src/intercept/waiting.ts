import { FLOW_KEY_WORDS, FlowKey, FlowTable } from '../base/flow-table.ts';
import { Memory } from '../base/memory.ts';
import { addTime, type Duration, type Instant, NEVER, seconds } from '../base/time.ts';
import { MESSAGE_LENGTH, writeResponse } from '../control/response-message.ts';
import type { PacketView } from '../wire/packet-view.ts';

/** How long the original keeps a response that has no route. */
const PATIENCE: Duration = seconds(30);
/** Responses that wait, all sessions together; a power of two. About 2 MB. */
const DEFAULT_CAPACITY = 16_384;
/** Of one session: more than a target's initial window (RFC 6928 §2: 10 segments) and its retransmissions for half a minute. */
const MAX_PER_FLOW = 64;
const NONE = -1;

export interface WaitingHandler {
  /** A response message of 64 octets, valid only during the call. */
  handleWaiting(memory: Memory, offset: number): void;
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
  readonly #messages: Memory;
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
  /** Responses dropped because no route came in time. */
  expired = 0;
  /** Responses dropped, the oldest first, because the room was full. */
  displaced = 0;
  /** Responses not taken, because their session had enough of them waiting. */
  refused = 0;

  /** `secret` unpredictable, see `FlowTable`; `capacity` a power of two. */
  constructor(secret: number, capacity: number = DEFAULT_CAPACITY) {
    this.#mask = capacity - 1;
    this.#messages = Memory.alloc(capacity * MESSAGE_LENGTH);
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
   * Keeps the headers of the IPv4 response in `view` until the route of `key` comes. Of a response so long that it needs
   * several messages only the first is kept: the target sends the rest again when it is not acknowledged.
   */
  add(now: Instant, key: FlowKey, view: PacketView): void {
    let first = this.#first.find(key) ?? NONE;
    if (first !== NONE && (this.#chain[first] as number) >= MAX_PER_FLOW) {
      this.refused++;
      return;
    }
    if (this.#end - this.#begin > this.#mask) {
      if (this.#dropOldest()) this.displaced++;
      // It may have been this session's.
      first = this.#first.find(key) ?? NONE;
    }
    const slot = this.#end++ & this.#mask;
    writeResponse(view, 0, this.#messages, slot * MESSAGE_LENGTH);
    this.#deadlines[slot] = addTime(now, PATIENCE);
    this.#taken[slot] = 1;
    this.#next[slot] = NONE;
    const { words } = key;
    for (let i = 0; i < FLOW_KEY_WORDS; i++) {
      this.#keys[slot * FLOW_KEY_WORDS + i] = words[i] as number;
    }
    this.#link(key, first, slot);
    this.#size++;
  }

  /** Hands over what waits for `key`, in the order of arrival, and forgets it. */
  deliver(key: FlowKey, handler: WaitingHandler): void {
    const first = this.#first.find(key);
    if (first === undefined) return;
    this.#first.delete(key);
    for (let slot = first; slot !== NONE; slot = this.#next[slot] as number) {
      this.#taken[slot] = 0;
      this.#size--;
      handler.handleWaiting(this.#messages, slot * MESSAGE_LENGTH);
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
    this.#taken[slot] = 0;
    this.#size--;
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
