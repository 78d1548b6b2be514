import { Memory } from '../base/memory.ts';

/**
 * What is to be sent on one connection, at `memory[0 … length)`. Starts without memory and doubles as it is needed, up to a
 * limit. Only whole messages and frames are ever in it; the last frame may still grow while it is the open one.
 */
export class OutBuffer {
  #memory: Memory = Memory.alloc(0);
  #capacity = 0;
  #length = 0;
  readonly #limit: number;
  readonly #first: number;
  /** Where the frame begins that may still grow; −1 when there is none. */
  openAt = -1;
  /** Which kind of frame that is: 0 for version 6, else a `FrameType`. */
  openType = 0;

  /** Room for `limit` octets at the most, `first` of them when the first are written. */
  constructor(limit: number, first: number) {
    this.#limit = limit;
    this.#first = first;
  }

  get memory(): Memory {
    return this.#memory;
  }

  get length(): number {
    return this.#length;
  }

  /** Makes room for `octets` more. False, and nothing has changed, when they exceed the limit. */
  reserve(octets: number): boolean {
    const needed = this.#length + octets;
    return needed <= this.#capacity || this.#grow(needed);
  }

  /** Where the next `octets` go, for which room was made; no frame is open after. */
  take(octets: number): number {
    const at = this.#length;
    this.#length += octets;
    this.openAt = -1;
    return at;
  }

  /** As `take`, for octets that belong to the open frame. */
  extend(octets: number): number {
    const at = this.#length;
    this.#length += octets;
    return at;
  }

  /** Forgets what is there; the octets stay where they are until the next are written. */
  clear(): void {
    this.#length = 0;
    this.openAt = -1;
  }

  #grow(needed: number): boolean {
    if (needed > this.#limit) return false;
    let size = Math.max(this.#capacity, this.#first);
    while (size < needed) size *= 2;
    size = Math.min(size, this.#limit);
    const memory = Memory.alloc(size);
    memory.bytes.set(this.#memory.bytes.subarray(0, this.#length));
    this.#memory = memory;
    this.#capacity = size;
    return true;
  }
}
