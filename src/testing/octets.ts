import { ahead, plus } from './target/sequence.ts';

/** Which octets of a stream there are, by sequence number; all within 2³¹ of the first. */
export class Octets {
  /** Sequence number that offsets count from. */
  readonly base: number;
  /** First and one-after-last offset of each range, ascending, never touching. */
  readonly #ranges: [number, number][] = [];

  constructor(base: number) {
    this.base = base;
  }

  /** The octets `[seq, seq + length)` are there; returns how many of them were not. */
  add(seq: number, length: number): number {
    if (length <= 0) return 0;
    const before = this.total;
    const ranges = this.#ranges;
    let from = ahead(seq, this.base);
    let to = from + length;
    let first = ranges.findIndex((r) => r[1] >= from);
    if (first < 0) first = ranges.length;
    let last = first;
    for (; last < ranges.length && (ranges[last] as [number, number])[0] <= to; last++) {
      from = Math.min(from, (ranges[last] as [number, number])[0]);
      to = Math.max(to, (ranges[last] as [number, number])[1]);
    }
    ranges.splice(first, last - first, [from, to]);
    return this.total - before;
  }

  /** Whether every octet of `[seq, seq + length)` is there. */
  has(seq: number, length: number): boolean {
    const from = ahead(seq, this.base);
    return length <= 0 || this.#ranges.some((r) => r[0] <= from && from + length <= r[1]);
  }

  /** The sequence number after the run that begins at `seq`, which is `seq` itself where that octet is missing. */
  endOfRun(seq: number): number {
    const from = ahead(seq, this.base);
    const range = this.#ranges.find((r) => r[0] <= from && from < r[1]);
    return range === undefined ? seq >>> 0 : plus(this.base, range[1]);
  }

  get total(): number {
    let sum = 0;
    for (const [from, to] of this.#ranges) sum += to - from;
    return sum;
  }
}
