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

/** A multiply-and-rotate hash over the nine words of a key, which begin at `from`. `secret`: an unpredictable 32-bit integer. */
export function hashFlow(words: Int32Array, secret: number, from = 0): number {
  let h = secret;
  for (let i = 0; i < FLOW_KEY_WORDS; i++) {
    h = Math.imul(h ^ (words[from + i] as number), 0x9e3779b1);
    h = (h << 13) | (h >>> 19);
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  return h ^ (h >>> 13);
}

const EMPTY = -1;
const MIN_CAPACITY = 64;

/**
 * An exact map from connections to values: open addressing with linear probing, whole keys compared, nothing evicted. A slot
 * is only two words; keys and values lie close together, so that the slots that must stay free
 * cost little: about 70 octets an entry in all, 40 fewer than with a key in every slot. A look-up or an insertion allocates
 * nothing, but for growing.
 *
 * ```
 *   slots     | 2 | – | 0 | – | – | 1 | – | – |    hash & mask says where to begin
 *   entries   | a | b | c |                        the last one fills the place of one that leaves
 * ```
 */
export class FlowTable<V> {
  /** Slots: a power of two, of which three quarters may be taken. */
  #capacity = MIN_CAPACITY;
  /** Of each slot: the entry that it leads to, or `EMPTY`, and its hash. */
  #entries = new Int32Array(MIN_CAPACITY).fill(EMPTY);
  #hashes = new Int32Array(MIN_CAPACITY);
  #keys = new Int32Array(MIN_CAPACITY * FLOW_KEY_WORDS);
  readonly #values: V[] = [];
  readonly #secret: number;

  /** `secret`: an unpredictable integer, so that nobody outside can choose connections that collide. */
  constructor(secret: number) {
    this.#secret = secret | 0;
  }

  get size(): number {
    return this.#values.length;
  }

  /** Octets that the table itself holds. */
  get bytes(): number {
    return this.#capacity * 8 + this.#keys.byteLength + this.#values.length * 8;
  }

  /** Entries that a look-up of a key that is there passes on average, its own included; 0 for an empty table. Visits every slot. */
  get meanProbes(): number {
    const mask = this.#capacity - 1;
    let probes = 0;
    for (let slot = 0; slot < this.#capacity; slot++) {
      if (this.#entries[slot] === EMPTY) continue;
      probes += ((slot - (this.#hashes[slot] as number)) & mask) + 1;
    }
    return this.size === 0 ? 0 : probes / this.size;
  }

  find(key: FlowKey): V | undefined {
    const slot = this.#slotOf(key.words, hashFlow(key.words, this.#secret));
    return slot < 0 ? undefined : this.#values[this.#entries[slot] as number];
  }

  /** Puts or replaces. */
  set(key: FlowKey, value: V): void {
    const hash = hashFlow(key.words, this.#secret);
    const found = this.#slotOf(key.words, hash);
    if (found >= 0) {
      this.#values[this.#entries[found] as number] = value;
      return;
    }
    const entry = this.#values.length;
    if ((entry + 1) * 4 > this.#capacity * 3) this.#growSlots();
    if ((entry + 1) * FLOW_KEY_WORDS > this.#keys.length) this.#growKeys();
    for (let i = 0; i < FLOW_KEY_WORDS; i++) {
      this.#keys[entry * FLOW_KEY_WORDS + i] = key.words[i] as number;
    }
    this.#values.push(value);
    this.#place(hash, entry);
  }

  /** Whether it was there. */
  delete(key: FlowKey): boolean {
    const slot = this.#slotOf(key.words, hashFlow(key.words, this.#secret));
    if (slot < 0) return false;
    this.#remove(slot);
    return true;
  }

  /** Visits every value; the table must not change meanwhile. */
  forEach(visit: (value: V) => void): void {
    for (let entry = 0; entry < this.#values.length; entry++) visit(this.#values[entry] as V);
  }

  /** Removes every value for which `doomed` says yes, and returns how many there were. */
  deleteWhere(doomed: (value: V) => boolean): number {
    const before = this.size;
    // Backwards: the entry that comes into a freed place has been looked at.
    for (let entry = before - 1; entry >= 0; entry--) {
      if (doomed(this.#values[entry] as V)) this.#remove(this.#slotOfEntry(entry));
    }
    return before - this.size;
  }

  #slotOf(words: Int32Array, hash: number): number {
    const mask = this.#capacity - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#entries[slot] as number;
      if (entry === EMPTY) return -1;
      if (this.#hashes[slot] === hash && this.#matches(entry, words)) return slot;
    }
  }

  #slotOfEntry(entry: number): number {
    const mask = this.#capacity - 1;
    let slot = hashFlow(this.#keys, this.#secret, entry * FLOW_KEY_WORDS) & mask;
    while (this.#entries[slot] !== entry) slot = (slot + 1) & mask;
    return slot;
  }

  #matches(entry: number, words: Int32Array): boolean {
    const at = entry * FLOW_KEY_WORDS;
    for (let i = 0; i < FLOW_KEY_WORDS; i++) {
      if (this.#keys[at + i] !== words[i]) return false;
    }
    return true;
  }

  #place(hash: number, entry: number): void {
    const mask = this.#capacity - 1;
    let slot = hash & mask;
    while (this.#entries[slot] !== EMPTY) slot = (slot + 1) & mask;
    this.#hashes[slot] = hash;
    this.#entries[slot] = entry;
  }

  /** Takes out the entry of `slot`; the last entry moves into its place. */
  #remove(slot: number): void {
    const entry = this.#entries[slot] as number;
    const last = this.#values.length - 1;
    if (entry !== last) {
      this.#entries[this.#slotOfEntry(last)] = entry;
      const at = last * FLOW_KEY_WORDS;
      this.#keys.copyWithin(entry * FLOW_KEY_WORDS, at, at + FLOW_KEY_WORDS);
      this.#values[entry] = this.#values[last] as V;
    }
    this.#values.pop();
    this.#closeGap(slot);
  }

  /** Moves back every later slot of the run that may fill the gap, so that no tombstones are needed. */
  #closeGap(gap: number): void {
    const mask = this.#capacity - 1;
    let hole = gap;
    for (let slot = (hole + 1) & mask; this.#entries[slot] !== EMPTY; slot = (slot + 1) & mask) {
      const home = (this.#hashes[slot] as number) & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      this.#hashes[hole] = this.#hashes[slot] as number;
      this.#entries[hole] = this.#entries[slot] as number;
      hole = slot;
    }
    this.#entries[hole] = EMPTY;
  }

  #growSlots(): void {
    const [entries, hashes] = [this.#entries, this.#hashes];
    this.#capacity *= 2;
    this.#entries = new Int32Array(this.#capacity).fill(EMPTY);
    this.#hashes = new Int32Array(this.#capacity);
    for (let slot = 0; slot < entries.length; slot++) {
      const entry = entries[slot] as number;
      if (entry !== EMPTY) this.#place(hashes[slot] as number, entry);
    }
  }

  /** By half, and not twice the size: this is most of what the table holds. */
  #growKeys(): void {
    const keys = this.#keys;
    this.#keys = new Int32Array((keys.length >>> 1) * 3);
    this.#keys.set(keys);
  }
}
