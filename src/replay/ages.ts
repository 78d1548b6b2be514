import type { Copy } from './copy.ts';

/** Copies that have not ended, in the order in which they began; linked through the copies themselves. */
export class Ages {
  #newest: Copy | null = null;

  get newest(): Copy | null {
    return this.#newest;
  }

  /** `copy` is the newest now. */
  add(copy: Copy): void {
    copy.older = this.#newest;
    if (this.#newest !== null) this.#newest.newer = copy;
    this.#newest = copy;
    copy.isAging = true;
  }

  /** Takes `copy` out, if it is in. */
  remove(copy: Copy): void {
    if (!copy.isAging) return;
    const { older, newer } = copy;
    if (newer === null) this.#newest = older;
    else newer.older = older;
    if (older !== null) older.newer = newer;
    copy.older = copy.newer = null;
    copy.isAging = false;
  }
}
