import { type Instant, NEVER } from '../base/time.ts';

interface Event {
  readonly at: Instant;
  readonly order: number;
  readonly run: () => void;
}

/** What is going to happen in a simulated world: the earliest first, and of two at one instant the one that was said first. */
export class EventQueue {
  readonly #heap: Event[] = [];
  #order = 0;

  get next(): Instant {
    return this.#heap[0]?.at ?? NEVER;
  }

  at(at: Instant, run: () => void): void {
    const heap = this.#heap;
    let i = heap.length;
    const event = { at, order: this.#order++, run };
    heap.push(event);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(event, heap[parent] as Event)) break;
      heap[i] = heap[parent] as Event;
      i = parent;
    }
    heap[i] = event;
  }

  /** Runs the next event. */
  runNext(): void {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined) return;
    if (heap.length > 0) sink(heap, last);
    first.run();
  }
}

const isBefore = (a: Event, b: Event): boolean =>
  a.at < b.at || (a.at === b.at && a.order < b.order);

function sink(heap: Event[], event: Event): void {
  let i = 0;
  for (let child = 1; child < heap.length; child = 2 * i + 1) {
    const right = heap[child + 1];
    if (right !== undefined && isBefore(right, heap[child] as Event)) child++;
    if (!isBefore(heap[child] as Event, event)) break;
    heap[i] = heap[child] as Event;
    i = child;
  }
  heap[i] = event;
}
