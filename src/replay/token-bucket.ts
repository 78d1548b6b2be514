import { elapsed, type Instant, NEVER } from '../base/time.ts';

/**
 * A limit on how much may happen in a second. It fills at its rate, up to what may come at once, and may be overdrawn by what
 * cannot be divided: whoever comes next waits for that too, so the rate holds in the long run.
 */
export class TokenBucket {
  /** A microsecond; 0: no limit. */
  #rate = 0;
  #most = 0;
  #tokens = 0;
  #filledAt = 0 as Instant;

  /** Allows `rate` a second from `now` on, of these `most` at once; a rate of 0 lifts the limit. */
  set(now: Instant, rate: number, most: number): void {
    this.#rate = rate / 1e6;
    this.#most = most;
    this.#tokens = most;
    this.#filledAt = now;
  }

  get isLimiting(): boolean {
    return this.#rate > 0;
  }

  /** Whether something may happen now. */
  has(now: Instant): boolean {
    if (this.#rate === 0) return true;
    if (now > this.#filledAt) {
      const gained = elapsed(this.#filledAt, now) * this.#rate;
      this.#tokens = Math.min(this.#tokens + gained, this.#most);
      this.#filledAt = now;
    }
    return this.#tokens > 0;
  }

  spend(amount: number): void {
    if (this.#rate > 0) this.#tokens -= amount;
  }

  /** When something may happen next, by what is known since `has` was asked. */
  get readyAt(): Instant {
    if (this.#rate === 0 || this.#tokens > 0) return this.#filledAt;
    // A little more than nothing is enough.
    const wait = Math.floor(-this.#tokens / this.#rate) + 1;
    return Number.isFinite(wait) ? ((this.#filledAt + wait) as Instant) : NEVER;
  }
}
