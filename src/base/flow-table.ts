/** Words of a flow key: two addresses of four, and both ports in one. */
export const FLOW_KEY_WORDS = 9;

/** A connection's identity: near address and port, far address and port. One is made and re-used for look-ups. */
export class FlowKey {
  readonly words: Int32Array = new Int32Array(FLOW_KEY_WORDS);

  /** Sets the address at words `at … at+3`; 0 is the near one, 4 the far one. */
  setAddress(at: 0 | 4, w0: number, w1: number, w2: number, w3: number): void {
    const { words } = this;
    words[at] = w0;
    words[at + 1] = w1;
    words[at + 2] = w2;
    words[at + 3] = w3;
  }

  setPorts(near: number, far: number): void {
    this.words[8] = (near << 16) | far;
  }
}

const EMPTY = 0;
const MIN_CAPACITY = 64;

/**
 * An exact map from connections to values: open addressing with linear probing, whole keys compared, nothing evicted.
 * Grows by doubling at three quarters full; a look-up or an insertion allocates nothing otherwise.
 */
export class FlowTable<V> {
  #capacity = MIN_CAPACITY;
  #hashes = new Int32Array(MIN_CAPACITY);
  #keys = new Int32Array(MIN_CAPACITY * FLOW_KEY_WORDS);
  #values: (V | undefined)[] = new Array<V | undefined>(MIN_CAPACITY).fill(undefined);
  #size = 0;
  readonly #secret: number;

  /** `secret`: an unpredictable integer, so that nobody outside can choose connections that collide. */
  constructor(secret: number) {
    this.#secret = secret | 0;
  }

  get size(): number {
    return this.#size;
  }

  /** Octets that the table itself holds. */
  get bytes(): number {
    return this.#capacity * (4 + 4 * FLOW_KEY_WORDS + 8);
  }

  /** Entries that a look-up of a key that is there passes on average, its own included; 0 for an empty table. Visits every slot. */
  get meanProbes(): number {
    const mask = this.#capacity - 1;
    let probes = 0;
    for (let slot = 0; slot < this.#capacity; slot++) {
      const hash = this.#hashes[slot] as number;
      if (hash !== EMPTY) probes += ((slot - hash) & mask) + 1;
    }
    return this.#size === 0 ? 0 : probes / this.#size;
  }

  find(key: FlowKey): V | undefined {
    const slot = this.#slotOf(key.words, this.#hash(key.words));
    return slot < 0 ? undefined : this.#values[slot];
  }

  /** Puts or replaces. */
  set(key: FlowKey, value: V): void {
    const hash = this.#hash(key.words);
    const found = this.#slotOf(key.words, hash);
    if (found >= 0) {
      this.#values[found] = value;
      return;
    }
    if ((this.#size + 1) * 4 > this.#capacity * 3) this.#grow();
    this.#place(hash, key.words, 0, value);
    this.#size++;
  }

  /** Whether it was there. */
  delete(key: FlowKey): boolean {
    const slot = this.#slotOf(key.words, this.#hash(key.words));
    if (slot < 0) return false;
    this.#closeGap(slot);
    this.#size--;
    return true;
  }

  /** Visits every value; the table must not change meanwhile. */
  forEach(visit: (value: V) => void): void {
    for (let slot = 0; slot < this.#capacity; slot++) {
      if (this.#hashes[slot] !== EMPTY) visit(this.#values[slot] as V);
    }
  }

  /** Removes every value for which `doomed` says yes, and returns how many there were. */
  deleteWhere(doomed: (value: V) => boolean): number {
    const before = this.#size;
    for (let slot = 0; slot < this.#capacity; slot++) {
      // Closing a gap may bring a later entry into this slot, so the slot is looked at again.
      while (this.#hashes[slot] !== EMPTY && doomed(this.#values[slot] as V)) {
        this.#closeGap(slot);
        this.#size--;
      }
    }
    return before - this.#size;
  }

  /** A multiply-and-rotate hash over the nine words; never `EMPTY`. */
  #hash(words: Int32Array): number {
    let h = this.#secret;
    for (let i = 0; i < FLOW_KEY_WORDS; i++) {
      h = Math.imul(h ^ (words[i] as number), 0x9e3779b1);
      h = (h << 13) | (h >>> 19);
    }
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h ^= h >>> 13;
    return h === EMPTY ? 1 : h;
  }

  #slotOf(words: Int32Array, hash: number): number {
    const mask = this.#capacity - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const there = this.#hashes[slot];
      if (there === EMPTY) return -1;
      if (there === hash && this.#matches(slot, words)) return slot;
    }
  }

  #matches(slot: number, words: Int32Array): boolean {
    const at = slot * FLOW_KEY_WORDS;
    for (let i = 0; i < FLOW_KEY_WORDS; i++) {
      if (this.#keys[at + i] !== words[i]) return false;
    }
    return true;
  }

  #place(hash: number, words: Int32Array, from: number, value: V): void {
    const mask = this.#capacity - 1;
    let slot = hash & mask;
    while (this.#hashes[slot] !== EMPTY) slot = (slot + 1) & mask;
    this.#hashes[slot] = hash;
    for (let i = 0; i < FLOW_KEY_WORDS; i++) {
      this.#keys[slot * FLOW_KEY_WORDS + i] = words[from + i] as number;
    }
    this.#values[slot] = value;
  }

  /** Moves back every later entry of the run that may fill the gap, so that no tombstones are needed. */
  #closeGap(gap: number): void {
    const mask = this.#capacity - 1;
    let hole = gap;
    for (let slot = (hole + 1) & mask; this.#hashes[slot] !== EMPTY; slot = (slot + 1) & mask) {
      const home = (this.#hashes[slot] as number) & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      this.#hashes[hole] = this.#hashes[slot] as number;
      this.#values[hole] = this.#values[slot];
      const at = slot * FLOW_KEY_WORDS;
      this.#keys.copyWithin(hole * FLOW_KEY_WORDS, at, at + FLOW_KEY_WORDS);
      hole = slot;
    }
    this.#hashes[hole] = EMPTY;
    this.#values[hole] = undefined;
  }

  #grow(): void {
    const { length } = this.#values;
    const [hashes, keys, values] = [this.#hashes, this.#keys, this.#values];
    this.#capacity = length * 2;
    this.#hashes = new Int32Array(this.#capacity);
    this.#keys = new Int32Array(this.#capacity * FLOW_KEY_WORDS);
    this.#values = new Array<V | undefined>(this.#capacity).fill(undefined);
    for (let slot = 0; slot < length; slot++) {
      if (hashes[slot] === EMPTY) continue;
      this.#place(hashes[slot] as number, keys, slot * FLOW_KEY_WORDS, values[slot] as V);
    }
  }
}
