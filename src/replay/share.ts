import { type Duration, elapsed, type Instant } from '../base/time.ts';

/** How -g raises the share: by as much, or by the same factor, in each second. */
export type RampShape = 'linear' | 'exponential';

export interface Ramp {
  readonly time: Duration;
  readonly shape: RampShape;
}

/** What a ramp begins with, of the share that it leads to: 1 %, as in the original. */
const FIRST = 0.01;
const ALL = 100;

/** The share of the connections that is copied, in percent (-r, -g). */
export class Share {
  readonly #full: number;
  readonly #ramp: Ramp | undefined;
  #startedAt: Instant | undefined;

  /** `percentage`: 0 means all. Without `ramp` the share is full from the start. */
  constructor(percentage: number, ramp: Ramp | undefined) {
    this.#full = percentage === 0 ? ALL : Math.min(percentage, ALL);
    this.#ramp = ramp;
  }

  /** For a connection that begins at `now`; the first call starts the ramp. */
  at(now: Instant): number {
    if (this.#ramp === undefined) return this.#full;
    this.#startedAt ??= now;
    const { time, shape } = this.#ramp;
    const passed = Math.min(elapsed(this.#startedAt, now) / time, 1);
    const part = shape === 'linear' ? FIRST + (1 - FIRST) * passed : FIRST ** (1 - passed);
    return this.#full * part;
  }

  /**
   * For a connection that began nobody knows when: a larger share would join those in their middle that were left out when
   * they began.
   */
  get lowest(): number {
    return this.#ramp === undefined ? this.#full : this.#full * FIRST;
  }
}
