import { type Seq, seqAfter, seqBefore } from '../base/seq.ts';
import type { SlabPool } from '../base/slab-pool.ts';
import type { SegmentStore } from './segment-store.ts';

/** No row. */
export const NONE = -1;

/**
 * The client's octets that the target has not acknowledged yet, as the pieces in which they were captured: sorted by
 * sequence number, never overlapping, perhaps with holes where the capture lost a packet.
 *
 * ```
 *        acknowledged │ sent          │ not sent           hole        captured early
 *   ──────────────────┼───────────────┼──────────────────┬·········┬──────────────────▶ sequence
 *                   SND.UNA         SND.NXT           tail of the run             end
 * ```
 */
export class SendQueue {
  readonly #store: SegmentStore;
  readonly #pool: SlabPool;
  head: number = NONE;
  /** The first piece that has octets never sent, or (after a timeout) to be sent again; `NONE` when all has been sent. */
  cursor: number = NONE;
  #tail: number = NONE;
  /** Payload octets in the queue. */
  octets = 0;
  segments = 0;
  /** The end of the run without holes that begins at SND.UNA. */
  #inOrderEnd: Seq;
  /** The sequence number after the last piece; with an empty queue, after everything captured so far. */
  end: Seq;

  constructor(store: SegmentStore, pool: SlabPool, start: Seq) {
    this.#store = store;
    this.#pool = pool;
    this.end = start;
    this.#inOrderEnd = start;
  }

  /** The last piece. */
  get tail(): number {
    return this.#tail;
  }

  /** Puts `row` behind all others; its sequence number must not be before `end`. */
  append(row: number): void {
    if (this.#tail === NONE) this.head = row;
    else this.#store.setNext(this.#tail, row);
    this.#tail = row;
    if (this.cursor === NONE) this.cursor = row;
    this.end = this.#store.end(row);
    this.#account(row);
  }

  /** Puts `row`, whose octets lie in a hole, behind `previous` (`NONE`: in front of all). */
  insertAfter(previous: number, row: number): void {
    const store = this.#store;
    const next = previous === NONE ? this.head : store.next(previous);
    store.setNext(row, next);
    if (previous === NONE) this.head = row;
    else store.setNext(previous, row);
    if (next === NONE) {
      this.#tail = row;
      this.end = store.end(row);
    }
    if (this.cursor === NONE || this.cursor === next) this.cursor = row;
    this.#account(row);
  }

  /** Gives up every piece that `una` covers entirely. A piece covered in part stays whole: it may have to be sent again from its middle. */
  acknowledge(una: Seq): void {
    const store = this.#store;
    while (this.head !== NONE && !seqAfter(store.end(this.head), una)) {
      if (this.cursor === this.head) this.cursor = store.next(this.head);
      this.#dropHead();
    }
  }

  /** Lets sending start again at the first unacknowledged piece (after a retransmission timeout). */
  rewind(): void {
    this.cursor = this.head;
  }

  /** Moves the cursor behind every piece that ends at or before `nxt`. */
  advance(nxt: Seq): void {
    const store = this.#store;
    while (this.cursor !== NONE && !seqAfter(store.end(this.cursor), nxt)) {
      this.cursor = store.next(this.cursor);
    }
  }

  /** Where the first hole begins, if there is one. */
  get inOrderEnd(): Seq {
    return this.#inOrderEnd;
  }

  /** Whether something that the capture missed keeps octets behind it from being sent. */
  get hasGap(): boolean {
    return this.#inOrderEnd !== this.end;
  }

  /** The last row that begins before `seq`, or `NONE`. */
  lastBefore(seq: Seq): number {
    const store = this.#store;
    let found = NONE;
    for (let row = this.head; row !== NONE; row = store.next(row)) {
      if (!seqBefore(store.seq(row), seq)) break;
      found = row;
    }
    return found;
  }

  /** Gives up every piece behind the first hole; none of them can have been sent. */
  truncate(): void {
    const store = this.#store;
    let last = NONE;
    let row = this.head;
    for (; row !== NONE && seqBefore(store.seq(row), this.#inOrderEnd); row = store.next(row)) {
      last = row;
    }
    if (this.cursor !== NONE && !seqBefore(store.seq(this.cursor), this.#inOrderEnd)) {
      this.cursor = NONE;
    }
    if (last === NONE) this.head = NONE;
    else store.setNext(last, NONE);
    this.#tail = last;
    this.end = this.#inOrderEnd;
    while (row !== NONE) {
      const next = store.next(row);
      this.#give(row);
      row = next;
    }
  }

  /** Empties the queue. */
  clear(): void {
    while (this.head !== NONE) this.#dropHead();
    this.cursor = NONE;
  }

  #account(row: number): void {
    const store = this.#store;
    this.octets += store.length(row);
    this.segments++;
    for (let at = row; at !== NONE && store.seq(at) === this.#inOrderEnd; at = store.next(at)) {
      this.#inOrderEnd = store.end(at);
    }
  }

  #dropHead(): void {
    const store = this.#store;
    const row = this.head;
    this.head = store.next(row);
    if (this.head === NONE) this.#tail = NONE;
    this.#give(row);
  }

  #give(row: number): void {
    const store = this.#store;
    this.octets -= store.length(row);
    this.segments--;
    const handle = store.handle(row);
    if (handle !== NONE) this.#pool.give(handle);
    store.give(row);
  }
}
