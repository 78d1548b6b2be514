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
 * handle; its octets never move. Chunks are kept once made: the pool's size is the highest use so far, up to the limit.
 */
export class SlabPool {
  readonly #chunks: Memory[] = [];
  readonly #shifts: number[] = [];
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
      if ((this.#chunks.length + 1) * CHUNK_SIZE > this.#limit) return NONE;
      handle = this.#addChunk(sizeClass);
    }
    this.#free[sizeClass] = this.#next[handle] as number;
    this.#used += 1 << (CELL_SHIFTS[sizeClass] as number);
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
    const shift = this.#shifts[(handle / SLOTS_PER_CHUNK) | 0] as number;
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

  #addChunk(sizeClass: number): number {
    const chunk = this.#chunks.length;
    const shift = CELL_SHIFTS[sizeClass] as number;
    this.#chunks.push(Memory.alloc(CHUNK_SIZE));
    this.#shifts.push(shift);
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
