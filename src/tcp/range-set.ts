import { type Seq, seqAfter, seqBefore, seqDiff } from '../base/seq.ts';

/**
 * Ranges of sequence numbers, sorted, disjoint and never touching: which octets beyond RCV.NXT have come, or which beyond
 * SND.UNA the target says that it has (the scoreboard of RFC 6675 §3). Nothing is allocated after the construction.
 */
export class RangeSet {
  readonly #left: Int32Array;
  readonly #right: Int32Array;
  /** When each range was added to last, by a count of additions. */
  readonly #touched: Int32Array;
  #additions = 0;
  #count = 0;

  /** Beyond `capacity` ranges the furthest is forgotten. */
  constructor(capacity: number) {
    this.#left = new Int32Array(capacity);
    this.#right = new Int32Array(capacity);
    this.#touched = new Int32Array(capacity);
  }

  get count(): number {
    return this.#count;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Of range `i`, 0 being the nearest. */
  left(i: number): Seq {
    return this.#left[i] as Seq;
  }

  /** One after the last sequence number of range `i`. */
  right(i: number): Seq {
    return this.#right[i] as Seq;
  }

  /** Adds `[left, right)`; ranges that touch become one. Returns whether anything of it was new. */
  add(left: Seq, right: Seq): boolean {
    const lefts = this.#left;
    const rights = this.#right;
    let i = 0;
    while (i < this.#count && seqBefore(rights[i] as Seq, left)) i++;
    let end = i;
    while (end < this.#count && !seqAfter(lefts[end] as Seq, right)) end++;
    if (end === i) return this.#insert(i, left, right);
    this.#touched[i] = ++this.#additions;
    const last = rights[end - 1] as Seq;
    const isKnown = end === i + 1 && !seqBefore(left, lefts[i] as Seq) && !seqAfter(right, last);
    if (seqBefore(left, lefts[i] as Seq)) lefts[i] = left;
    rights[i] = seqAfter(right, last) ? right : last;
    this.#remove(i + 1, end);
    return !isKnown;
  }

  /** `nxt` moved over what is contiguous with it, which is taken out, as is everything before. */
  advance(nxt: Seq): Seq {
    let to = nxt;
    let taken = 0;
    while (taken < this.#count && !seqAfter(this.#left[taken] as Seq, to)) {
      const right = this.#right[taken] as Seq;
      if (seqAfter(right, to)) to = right;
      taken++;
    }
    this.#remove(0, taken);
    return to;
  }

  clear(): void {
    this.#count = 0;
  }

  /** The index of the range that holds `seq`, or −1. */
  indexOf(seq: Seq): number {
    for (let i = 0; i < this.#count && !seqAfter(this.#left[i] as Seq, seq); i++) {
      if (seqBefore(seq, this.#right[i] as Seq)) return i;
    }
    return -1;
  }

  /** Where the first range after `seq` begins; `otherwise` when there is none before it. */
  nextLeft(seq: Seq, otherwise: Seq): Seq {
    for (let i = 0; i < this.#count; i++) {
      const left = this.#left[i] as Seq;
      if (seqAfter(left, seq)) return seqBefore(left, otherwise) ? left : otherwise;
    }
    return otherwise;
  }

  /** How many octets of `[from, to)` are in the set. */
  octets(from: Seq, to: Seq): number {
    let sum = 0;
    for (let i = 0; i < this.#count; i++) {
      const left = this.#left[i] as Seq;
      const right = this.#right[i] as Seq;
      const start = seqAfter(left, from) ? left : from;
      const end = seqBefore(right, to) ? right : to;
      if (seqAfter(end, start)) sum += seqDiff(end, start);
    }
    return sum;
  }

  /**
   * The index of the range that was added to last among those added to before range `after` (−1: of all); −1 when there is
   * none. So the ranges can be named as RFC 2018 §4 wants them, the latest first.
   */
  latest(after: number): number {
    const limit = after < 0 ? this.#additions + 1 : (this.#touched[after] as number);
    let found = -1;
    for (let i = 0; i < this.#count; i++) {
      const touched = this.#touched[i] as number;
      if (touched < limit && (found < 0 || touched > (this.#touched[found] as number))) found = i;
    }
    return found;
  }

  #insert(at: number, left: Seq, right: Seq): boolean {
    const capacity = this.#left.length;
    if (at === capacity) return false;
    const kept = Math.min(this.#count, capacity - 1);
    this.#left.copyWithin(at + 1, at, kept);
    this.#right.copyWithin(at + 1, at, kept);
    this.#touched.copyWithin(at + 1, at, kept);
    this.#left[at] = left;
    this.#right[at] = right;
    this.#touched[at] = ++this.#additions;
    this.#count = kept + 1;
    return true;
  }

  #remove(from: number, to: number): void {
    if (from === to) return;
    this.#left.copyWithin(from, to, this.#count);
    this.#right.copyWithin(from, to, this.#count);
    this.#touched.copyWithin(from, to, this.#count);
    this.#count -= to - from;
  }
}
