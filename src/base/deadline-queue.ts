import { type Instant, NEVER } from './time.ts';

/** What a deadline queue orders. The queue alone writes the two fields. */
export interface Scheduled {
  /** Position in the queue, or −1. */
  queueIndex: number;
  /** When the item is due. */
  queuedAt: Instant;
}

/**
 * Items by deadline: a binary heap that knows where each item is. One entry per item, however many timers it has inside,
 * and moving a deadline allocates nothing.
 */
export class DeadlineQueue<T extends Scheduled> {
  readonly #heap: T[] = [];

  get size(): number {
    return this.#heap.length;
  }

  /** The earliest deadline, or `NEVER`. */
  get next(): Instant {
    const first = this.#heap[0];
    return first === undefined ? NEVER : first.queuedAt;
  }

  /** Sets or moves the deadline of `item`; `NEVER` takes it out. */
  schedule(item: T, at: Instant): void {
    if (at === NEVER) {
      this.remove(item);
      return;
    }
    const before = item.queuedAt;
    item.queuedAt = at;
    if (item.queueIndex < 0) {
      item.queueIndex = this.#heap.length;
      this.#heap.push(item);
      this.#up(item.queueIndex);
    } else if (at < before) {
      this.#up(item.queueIndex);
    } else if (at > before) {
      this.#down(item.queueIndex);
    }
  }

  remove(item: T): void {
    const at = item.queueIndex;
    if (at < 0) return;
    const last = this.#heap.pop() as T;
    item.queueIndex = -1;
    item.queuedAt = NEVER;
    if (last === item) return;
    this.#heap[at] = last;
    last.queueIndex = at;
    this.#up(at);
    this.#down(last.queueIndex);
  }

  /** Takes out and returns an item that is due at `now`, the earliest first; undefined when none is. */
  popDue(now: Instant): T | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.queuedAt > now) return undefined;
    this.remove(first);
    return first;
  }

  #up(start: number): void {
    const heap = this.#heap;
    const item = heap[start] as T;
    let at = start;
    while (at > 0) {
      const parent = heap[(at - 1) >> 1] as T;
      if (parent.queuedAt <= item.queuedAt) break;
      heap[at] = parent;
      parent.queueIndex = at;
      at = (at - 1) >> 1;
    }
    heap[at] = item;
    item.queueIndex = at;
  }

  #down(start: number): void {
    const heap = this.#heap;
    const item = heap[start] as T;
    let at = start;
    for (let child = 2 * at + 1; child < heap.length; child = 2 * at + 1) {
      const right = heap[child + 1];
      if (right !== undefined && right.queuedAt < (heap[child] as T).queuedAt) child++;
      const least = heap[child] as T;
      if (least.queuedAt >= item.queuedAt) break;
      heap[at] = least;
      least.queueIndex = at;
      at = child;
    }
    heap[at] = item;
    item.queueIndex = at;
  }
}
