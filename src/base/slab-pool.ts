import { Memory } from './memory.ts';

/** Octets of one chunk; each serves cells of one size. */
const CHUNK_SIZE = 1 << 20;
/** Cells come in powers of four from 256 octets to 64 KiB, so at most three quarters of one is unused. */
const CELL_SHIFTS = [8, 10, 12, 14, 16] as const;
const MAX_CELL = 1 << 16;
/** Cells of the smallest size in a chunk: what a handle's lower part must count. */
const SLOTS_PER_CHUNK = CHUNK_SIZE >>> CELL_SHIFTS[0];
const NONE = -1;

/**
 * Memory for captured payload in cells of a few sizes, taken and given back without garbage. A cell is named by an integer
 * handle; its octets never move. Chunks are kept once made, so the pool's size is the highest use so far, up to the limit; `trim`
 * lets go of those that are empty.
 */
export class SlabPool {
  /** Null where a chunk has been let go of. */
  readonly #chunks: (Memory | null)[] = [];
  readonly #shifts: number[] = [];
  /** Cells of each chunk that are taken. */
  readonly #taken: number[] = [];
  /** Chunks in which none is. */
  #empty = 0;
  /** Numbers of chunks that have been let go of. */
  readonly #gone: number[] = [];
  /** Free cells of each size, linked through `#next`. */
  readonly #free: Int32Array = new Int32Array(CELL_SHIFTS.length).fill(NONE);
  #next = new Int32Array(0);
  /** Owners of each cell besides the first. */
  #shares = new Uint16Array(0);
  readonly #limit: number;
  #used = 0;

  /** `limit`: octets of payload memory in all, rounded up to whole chunks of 1 MiB. */
  constructor(limit: number) {
    this.#limit = Math.max(limit, CHUNK_SIZE * CELL_SHIFTS.length);
  }

  /** Octets of all chunks. */
  get size(): number {
    return (this.#chunks.length - this.#gone.length) * CHUNK_SIZE;
  }

  /** Octets in cells that are taken. */
  get used(): number {
    return this.#used;
  }

  /** A cell of at least `size` octets, 1 to 65,536; −1 when the limit is reached. */
  take(size: number): number {
    if (size > MAX_CELL) return NONE;
    const sizeClass = size <= 256 ? 0 : (33 - Math.clz32(size - 1) - 8) >> 1;
    let handle = this.#free[sizeClass] as number;
    if (handle === NONE) {
      if (!this.#hasRoom()) return NONE;
      handle = this.#addChunk(sizeClass);
    }
    this.#free[sizeClass] = this.#next[handle] as number;
    this.#used += 1 << (CELL_SHIFTS[sizeClass] as number);
    const chunk = (handle / SLOTS_PER_CHUNK) | 0;
    const taken = this.#taken[chunk] as number;
    if (taken === 0) this.#empty--;
    this.#taken[chunk] = taken + 1;
    return handle;
  }

  /** One owner more, who gives the cell back as the first one does; 65,536 at the most. */
  share(handle: number): void {
    this.#shares[handle] = (this.#shares[handle] as number) + 1;
  }

  /** The cell is free when its last owner has given it back. */
  give(handle: number): void {
    const shares = this.#shares[handle] as number;
    if (shares > 0) {
      this.#shares[handle] = shares - 1;
      return;
    }
    const chunk = (handle / SLOTS_PER_CHUNK) | 0;
    const taken = (this.#taken[chunk] as number) - 1;
    this.#taken[chunk] = taken;
    if (taken === 0) this.#empty++;
    const shift = this.#shifts[chunk] as number;
    const sizeClass = (shift - CELL_SHIFTS[0]) >> 1;
    this.#next[handle] = this.#free[sizeClass] as number;
    this.#free[sizeClass] = handle;
    this.#used -= 1 << shift;
  }

  memoryOf(handle: number): Memory {
    return this.#chunks[(handle / SLOTS_PER_CHUNK) | 0] as Memory;
  }

  /** Where the cell begins in its memory; a multiple of 256. */
  offsetOf(handle: number): number {
    const chunk = (handle / SLOTS_PER_CHUNK) | 0;
    return (handle - chunk * SLOTS_PER_CHUNK) << (this.#shifts[chunk] as number);
  }

  /** Lets go of the chunks in which no cell is taken. Visits every free cell. */
  trim(): void {
    for (let c = 0; c < this.#chunks.length; c++) {
      if (this.#chunks[c] === null || (this.#taken[c] as number) > 0) continue;
      this.#chunks[c] = null;
      this.#gone.push(c);
    }
    this.#empty = 0;
    for (let sizeClass = 0; sizeClass < this.#free.length; sizeClass++) this.#relink(sizeClass);
  }

  /** Takes the cells of chunks that are gone out of the list of free ones. */
  #relink(sizeClass: number): void {
    let first = NONE;
    for (let cell = this.#free[sizeClass] as number; cell !== NONE; ) {
      const next = this.#next[cell] as number;
      if (this.#chunks[(cell / SLOTS_PER_CHUNK) | 0] !== null) {
        this.#next[cell] = first;
        first = cell;
      }
      cell = next;
    }
    this.#free[sizeClass] = first;
  }

  /** Whether one chunk more may be made: where the limit is met, one that is empty, of another size, makes room. */
  #hasRoom(): boolean {
    if (this.size + CHUNK_SIZE > this.#limit && this.#empty > 0) this.trim();
    return this.size + CHUNK_SIZE <= this.#limit;
  }

  #addChunk(sizeClass: number): number {
    const chunk = this.#gone.pop() ?? this.#chunks.length;
    const shift = CELL_SHIFTS[sizeClass] as number;
    this.#chunks[chunk] = Memory.alloc(CHUNK_SIZE);
    this.#shifts[chunk] = shift;
    this.#taken[chunk] = 0;
    this.#empty++;
    const first = chunk * SLOTS_PER_CHUNK;
    if (this.#next.length < first + SLOTS_PER_CHUNK) {
      const next = new Int32Array(Math.max(this.#next.length * 2, first + SLOTS_PER_CHUNK));
      next.set(this.#next);
      this.#next = next;
      const shares = new Uint16Array(next.length);
      shares.set(this.#shares);
      this.#shares = shares;
    }
    const cells = CHUNK_SIZE >>> shift;
    for (let i = 0; i < cells; i++) this.#next[first + i] = i + 1 < cells ? first + i + 1 : NONE;
    return first;
  }
}
