import { FLOW_KEY_WORDS, type FlowKey, hashFlow } from './flow-key.ts';

const MIN_ROWS = 64;
/** Words of a row: the hash, then the key; a free row has the next free one behind the hash. */
const STRIDE = FLOW_KEY_WORDS + 1;
const NONE = -1;

/**
 * An exact map from connections to row numbers: a row keeps its number until it is removed, so that columns and lists of the
 * owner's can be built over it. Rows are numbered from 0 and re-used, the last one freed first. 48 octets a row at the most
 * crowded, twice as much right after doubling; a look-up allocates nothing.
 *
 * ```
 *   index   | -- | 2 | -- | 0 | …        open addressing, half full at the most
 *   rows    | hash, key | hash, key | …
 * ```
 */
export class FlowRows {
  readonly #secret: number;
  #capacity = MIN_ROWS;
  /** Row number + 1; 0 where there is none. */
  #index = new Int32Array(2 * MIN_ROWS);
  #rows = new Int32Array(MIN_ROWS * STRIDE);
  #size = 0;
  /** Rows below this number have been in use. */
  #used = 0;
  #free = NONE;

  /** `secret`: an unpredictable integer, so that nobody outside can choose connections that collide. */
  constructor(secret: number) {
    this.#secret = secret | 0;
  }

  get size(): number {
    return this.#size;
  }

  /** Every row number is below this one; grows by doubling. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Octets that the map itself holds. */
  get bytes(): number {
    return this.#index.byteLength + this.#rows.byteLength;
  }

  /** Rows that a look-up of a key that is there passes on average, its own included; 0 for an empty map. Visits every slot. */
  get meanProbes(): number {
    const mask = this.#index.length - 1;
    let probes = 0;
    for (let slot = 0; slot <= mask; slot++) {
      const row = (this.#index[slot] as number) - 1;
      if (row >= 0) probes += ((slot - (this.#rows[row * STRIDE] as number)) & mask) + 1;
    }
    return this.#size === 0 ? 0 : probes / this.#size;
  }

  /** The row of `key`, or −1. */
  find(key: FlowKey): number {
    const { words } = key;
    const hash = hashFlow(words, this.#secret);
    const index = this.#index;
    const mask = index.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const row = (index[slot] as number) - 1;
      if (row < 0) return NONE;
      if (this.#rows[row * STRIDE] === hash && this.#matches(row, words)) return row;
    }
  }

  /** Gives `key`, which must not be there yet, a row. */
  insert(key: FlowKey): number {
    const row = this.#takeRow();
    const { words } = key;
    const hash = hashFlow(words, this.#secret);
    const at = row * STRIDE;
    this.#rows[at] = hash;
    for (let i = 0; i < FLOW_KEY_WORDS; i++) this.#rows[at + 1 + i] = words[i] as number;
    this.#place(row, hash);
    this.#size++;
    return row;
  }

  /** Frees a row that is in use. */
  remove(row: number): void {
    const mask = this.#index.length - 1;
    let slot = (this.#rows[row * STRIDE] as number) & mask;
    while (this.#index[slot] !== row + 1) slot = (slot + 1) & mask;
    this.#closeGap(slot);
    this.#rows[row * STRIDE + 1] = this.#free;
    this.#free = row;
    this.#size--;
  }

  /** Copies the key of a row that is in use into `key`. */
  readKey(row: number, key: FlowKey): void {
    const at = row * STRIDE + 1;
    for (let i = 0; i < FLOW_KEY_WORDS; i++) key.words[i] = this.#rows[at + i] as number;
  }

  #matches(row: number, words: Int32Array): boolean {
    const at = row * STRIDE + 1;
    for (let i = 0; i < FLOW_KEY_WORDS; i++) {
      if (this.#rows[at + i] !== words[i]) return false;
    }
    return true;
  }

  #place(row: number, hash: number): void {
    const mask = this.#index.length - 1;
    let slot = hash & mask;
    while (this.#index[slot] !== 0) slot = (slot + 1) & mask;
    this.#index[slot] = row + 1;
  }

  /** Moves back every later entry of the run that may fill the gap, so that no tombstones are needed. */
  #closeGap(gap: number): void {
    const index = this.#index;
    const mask = index.length - 1;
    let hole = gap;
    for (let slot = (hole + 1) & mask; index[slot] !== 0; slot = (slot + 1) & mask) {
      const row = (index[slot] as number) - 1;
      const home = (this.#rows[row * STRIDE] as number) & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      index[hole] = row + 1;
      hole = slot;
    }
    index[hole] = 0;
  }

  #takeRow(): number {
    const row = this.#free;
    if (row === NONE) {
      if (this.#used === this.#capacity) this.#grow();
      return this.#used++;
    }
    this.#free = this.#rows[row * STRIDE + 1] as number;
    return row;
  }

  /** Called with every row in use. */
  #grow(): void {
    const rows = this.#capacity;
    this.#capacity = rows * 2;
    const larger = new Int32Array(this.#capacity * STRIDE);
    larger.set(this.#rows);
    this.#rows = larger;
    this.#index = new Int32Array(this.#capacity * 2);
    for (let row = 0; row < rows; row++) this.#place(row, larger[row * STRIDE] as number);
  }
}
