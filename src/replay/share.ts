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

/** 0 means all, as in the original. */
const whole = (percentage: number): number => (percentage === 0 ? ALL : Math.min(percentage, ALL));

/** The share of the connections that is copied, in percent (-r, -g); it may be changed at any time. */
export class Share {
  /** Where the ramp begins and where it ends; the same where there is none. */
  #from: number;
  #to: number;
  #ramp: Ramp | undefined;
  #startedAt: Instant | undefined;
  #lowest: number;
  #isFixed: boolean;

  /** `percentage`: 0 means all. Without `ramp` the share is whole from the start. */
  constructor(percentage: number, ramp: Ramp | undefined) {
    this.#to = whole(percentage);
    this.#from = ramp === undefined ? this.#to : this.#to * FIRST;
    this.#ramp = ramp;
    this.#lowest = this.#from;
    this.#isFixed = ramp === undefined;
  }

  /** It has been the same from the start, so what it does not choose now has no copies from before. */
  get isFixed(): boolean {
    return this.#isFixed;
  }

  /** For a connection that begins at `now`; the first call starts the ramp. */
  at(now: Instant): number {
    this.#startedAt ??= now;
    return this.#valueAt(now);
  }

  /** From `now` on, another share, at once or by a ramp that begins with the present one. */
  change(now: Instant, percentage: number, ramp: Ramp | undefined): void {
    const to = whole(percentage);
    this.#isFixed = false;
    this.#from = ramp === undefined ? to : this.#valueAt(now);
    this.#to = to;
    this.#ramp = ramp;
    this.#startedAt = now;
    this.#lowest = Math.min(this.#lowest, this.#from, to);
  }

  /**
   * The lowest share that ever was, for a connection that began nobody knows when: a larger one would join those in their middle
   * that were left out when they began.
   */
  get lowest(): number {
    return this.#lowest;
  }

  #valueAt(now: Instant): number {
    if (this.#ramp === undefined) return this.#to;
    if (this.#startedAt === undefined) return this.#from;
    const { time, shape } = this.#ramp;
    const passed = Math.min(elapsed(this.#startedAt, now) / time, 1);
    if (shape === 'linear') return this.#from + (this.#to - this.#from) * passed;
    return this.#from * (this.#to / this.#from) ** passed;
  }
}
