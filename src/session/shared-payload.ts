import type { SlabPool } from '../base/slab-pool.ts';
import { NONE } from '../tcp/send-queue.ts';

/**
 * The payload of the captured packet in hand, when several copies get it: the first that keeps it whole puts it into a cell
 * and sums it, the others have a share in that cell. Between `open` and `close` it holds a share of its own, so that the cell
 * lives although the first copy may end meanwhile.
 */
export class SharedPayload {
  readonly #pool: SlabPool;
  #isOpen = false;
  #handle = NONE;
  #offset = 0;
  #length = 0;
  /** One's-complement sum of what `take` found. */
  sum = 0;

  constructor(pool: SlabPool) {
    this.#pool = pool;
  }

  open(): void {
    this.#isOpen = true;
  }

  close(): void {
    this.#isOpen = false;
    if (this.#handle !== NONE) this.#pool.give(this.#handle);
    this.#handle = NONE;
  }

  /** A share in the cell that holds the `length` octets at `offset` of the captured packet, or `NONE`. */
  take(offset: number, length: number): number {
    if (this.#handle === NONE || this.#offset !== offset || this.#length !== length) return NONE;
    this.#pool.share(this.#handle);
    return this.#handle;
  }

  /** Those octets, whose sum is `sum`, are in the cell `handle`. */
  offer(offset: number, length: number, handle: number, sum: number): void {
    if (!this.#isOpen || this.#handle !== NONE) return;
    this.#pool.share(handle);
    this.#handle = handle;
    this.#offset = offset;
    this.#length = length;
    this.sum = sum;
  }
}
