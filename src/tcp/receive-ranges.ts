import { type Seq, seqAfter, seqBefore, seqOf } from '../base/seq.ts';

/** Out-of-order ranges remembered; Linux keeps as many for its SACK blocks. More holes than this wait for retransmission. */
const CAPACITY = 8;

/**
 * Which octets beyond RCV.NXT have arrived, as sorted disjoint ranges. The payload itself is not here (intercept sends
 * headers only), so that is all a receiver must remember.
 */
export class ReceiveRanges {
  readonly #left = new Int32Array(CAPACITY);
  readonly #right = new Int32Array(CAPACITY);
  #count = 0;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Adds `[left, right)`; ranges that touch become one. Beyond the capacity the furthest range is forgotten. */
  add(left: Seq, right: Seq): void {
    let from = left;
    let to = right;
    let kept = 0;
    let at = 0;
    const lefts: Seq[] = [];
    const rights: Seq[] = [];
    for (let i = 0; i < this.#count; i++) {
      const l = this.#left[i] as Seq;
      const r = this.#right[i] as Seq;
      if (seqBefore(r, from) || seqAfter(l, to)) {
        if (seqBefore(r, from)) at = kept + 1;
        lefts.push(l);
        rights.push(r);
        kept++;
      } else {
        if (seqBefore(l, from)) from = l;
        if (seqAfter(r, to)) to = r;
      }
    }
    lefts.splice(at, 0, from);
    rights.splice(at, 0, to);
    this.#count = Math.min(CAPACITY, lefts.length);
    for (let i = 0; i < this.#count; i++) {
      this.#left[i] = lefts[i] as number;
      this.#right[i] = rights[i] as number;
    }
  }

  /** RCV.NXT after everything contiguous with `rcvNxt` has been taken out. */
  advance(rcvNxt: Seq): Seq {
    let nxt = rcvNxt;
    let taken = 0;
    while (taken < this.#count && !seqAfter(seqOf(this.#left[taken] as number), nxt)) {
      const right = this.#right[taken] as Seq;
      if (seqAfter(right, nxt)) nxt = right;
      taken++;
    }
    this.#left.copyWithin(0, taken, this.#count);
    this.#right.copyWithin(0, taken, this.#count);
    this.#count -= taken;
    return nxt;
  }
}
