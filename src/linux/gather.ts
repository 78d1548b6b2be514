import { type Duration, elapsed, type Instant, micros, millis } from '../base/time.ts';

/** Rates are taken over spans of at least so long. */
const WINDOW: Duration = millis(10);
/** Packets per delay that make waiting worth its while: below the second it ends. */
const START_AT = 1.5;
const STOP_BELOW = 1;

/**
 * Decides when it pays to let packets gather. A wake-up costs some 20 to 50 µs of CPU on a busy machine, whether for one packet
 * or for fifty, a further packet 1 to 2; so at high rates it is better to sleep a little and take many at once, and at low
 * ones to answer at once. Measured on a shared 2-core virtual machine, CPU µs a packet (kernel included), on veth:
 *
 * | packets/s | woken by each | gathered 200 µs | 500 µs | 1000 µs |
 * |---|---|---|---|---|
 * | 5,000 | 22.0 | 28.9 | 16.7 | 13.5 |
 * | 20,000 | 11.4 | 6.5 | 5.2 | 4.3 |
 * | 50,000 | 3.5 | 3.2 | 2.8 | 1.9 |
 */
export class Gather {
  /** The longest that a packet may wait for others; 0: never. */
  maxDelay: Duration;
  #windowStart: Instant = 0 as Instant;
  #packets = 0;
  #active = false;

  constructor(maxDelay: Duration) {
    this.maxDelay = maxDelay;
  }

  /** Tells of `packets` received at `now`. Returns how long to sleep before the next look; 0: until the next arrival. */
  next(now: Instant, packets: number): Duration {
    this.#packets += packets;
    const span = elapsed(this.#windowStart, now);
    if (span >= WINDOW) {
      const perDelay = (this.#packets * this.maxDelay) / span;
      this.#active = perDelay >= (this.#active ? STOP_BELOW : START_AT);
      this.#windowStart = now;
      this.#packets = 0;
    }
    return this.#active ? this.maxDelay : micros(0);
  }
}
