import type { FlowKey } from './flow-key.ts';
import { FlowRows } from './flow-rows.ts';

/**
 * An exact map from connections to values, nothing evicted: `FlowRows` with a column of values. A look-up or an insertion
 * allocates nothing, but for growing.
 */
export class FlowTable<V extends NonNullable<unknown>> {
  readonly #rows: FlowRows;
  /** By row; undefined where the row is free. */
  readonly #values: (V | undefined)[] = [];

  /** `secret`: an unpredictable integer, so that nobody outside can choose connections that collide. */
  constructor(secret: number) {
    this.#rows = new FlowRows(secret);
  }

  get size(): number {
    return this.#rows.size;
  }

  /** See `FlowRows`. */
  get meanProbes(): number {
    return this.#rows.meanProbes;
  }

  find(key: FlowKey): V | undefined {
    const row = this.#rows.find(key);
    return row < 0 ? undefined : this.#values[row];
  }

  /** Puts or replaces. */
  set(key: FlowKey, value: V): void {
    const found = this.#rows.find(key);
    const row = found < 0 ? this.#rows.insert(key) : found;
    if (row < this.#values.length) this.#values[row] = value;
    else this.#values.push(value); // Rows are numbered without gaps, so this is the next.
  }

  /** Whether it was there. */
  delete(key: FlowKey): boolean {
    const row = this.#rows.find(key);
    if (row < 0) return false;
    this.#remove(row);
    return true;
  }

  /** Visits every value; the table must not change meanwhile. */
  forEach(visit: (value: V) => void): void {
    for (const value of this.#values) if (value !== undefined) visit(value);
  }

  /** Removes every value for which `doomed` says yes, and returns how many there were. */
  deleteWhere(doomed: (value: V) => boolean): number {
    const before = this.size;
    for (let row = 0; row < this.#values.length; row++) {
      const value = this.#values[row];
      if (value !== undefined && doomed(value)) this.#remove(row);
    }
    return before - this.size;
  }

  #remove(row: number): void {
    this.#rows.remove(row);
    this.#values[row] = undefined;
  }
}
