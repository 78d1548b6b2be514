import { addTime, type Instant, seconds } from '../base/time.ts';
import type { Copy } from './copy.ts';

/** How long a connection waits for the copy before it, which is then cut short. */
const PATIENCE = seconds(30);
/** Connections that wait behind one copy at the most. */
const MAX_WAITING = 64;

/**
 * The copies of one client port, one after the other. A client that closes or resets and uses its port again at once is ahead
 * of its copy where the target is slower than the online server: the copy still holds requests. The next one cannot begin
 * before it has ended, since both have the same address and port at the target. So that one waits, and keeps what is captured.
 */
export class Succession {
  /** The one that the target knows. */
  live: Copy;
  /** When `live` is cut short. */
  deadline: Instant;
  /** In the order of their SYNs; some may have ended. */
  readonly #waiting: Copy[] = [];
  /** The one that what is captured belongs to. */
  #newest: Copy;

  constructor(live: Copy, now: Instant) {
    this.live = live;
    this.#newest = live;
    this.deadline = addTime(now, PATIENCE);
    live.succession = this;
  }

  add(copy: Copy): void {
    copy.succession = this;
    this.#waiting.push(copy);
    this.#newest = copy;
  }

  /** The one that came last. */
  get last(): Copy | undefined {
    return this.#waiting.at(-1);
  }

  /** No more may wait. */
  get isFull(): boolean {
    return this.#waiting.length >= MAX_WAITING;
  }

  forget(copy: Copy): void {
    const at = this.#waiting.indexOf(copy);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  /** Commands for every copy that waits. */
  forEachWaiting(visit: (copy: Copy) => void): void {
    for (const copy of this.#waiting) visit(copy);
  }

  /** Whether `live` should make room: it has nothing left to do, or others have waited long enough. */
  mustYield(now: Instant): boolean {
    return now >= this.deadline || isSpent(this.live);
  }

  /** `live` has ended: the next copy is live, if there is one that has not ended too. */
  proceed(now: Instant): Copy | undefined {
    this.live.succession = null;
    let next = this.#waiting.shift();
    while (next?.hasEnded) next = this.#waiting.shift();
    if (next === undefined) return undefined;
    this.live = next;
    this.deadline = addTime(now, PATIENCE);
    if (next === this.#newest) next.succession = null;
    return next;
  }
}

/** The client has neither closed nor reset it, as far as was captured, and all that it sent has been acknowledged: only an idle end is left. */
export const isSpent = (copy: Copy): boolean =>
  !copy.finCaptured && !copy.resetCaptured && copy.queue.segments === 0;
