/** Buckets for each doubling: a value is known to a quarter of an octave, some 19 %. */
const STEPS = 4;
const OCTAVES = 40;

/** How often values of which size came, in buckets that grow with the values: quantiles of anything, in 1.3 KB and without garbage. */
export class Histogram {
  readonly #counts = new Float64Array(STEPS * OCTAVES);
  #total = 0;

  get total(): number {
    return this.#total;
  }

  /** Anything below 1 counts as 1. */
  add(value: number): void {
    const bucket = value > 1 ? Math.floor(Math.log2(value) * STEPS) : 0;
    const at = Math.min(bucket, this.#counts.length - 1);
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#total++;
  }

  /** The value that `part` (0 to 1) of all values do not exceed, rounded up to the end of its bucket; 0 when there are none. */
  quantile(part: number): number {
    let left = part * this.#total;
    if (left <= 0) return 0;
    for (let i = 0; i < this.#counts.length; i++) {
      left -= this.#counts[i] as number;
      if (left <= 0) return 2 ** ((i + 1) / STEPS);
    }
    return 2 ** OCTAVES;
  }
}
