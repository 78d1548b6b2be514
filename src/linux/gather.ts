import { type Duration, elapsed, type Instant, micros, millis } from '../base/time.ts';

/** Rates are taken over spans of at least so long. */
const WINDOW: Duration = millis(10);
/** Packets per delay that make waiting worth its while: below the second it ends. */
const START_AT = 1.5;
const STOP_BELOW = 1;
/** More than this share of wake-ups in which something waited for packets: each turn depends on the one before, so be quick. */
const WAITING_SHARE = 0.5;

/**
 * Decides when it pays to let packets gather. A wake-up costs some 20 to 50 µs of CPU on a busy machine, whether for one packet
 * or for fifty, a further packet 1 to 2; so at high rates it is better to sleep a little and take many at once, and at low
 * ones to answer at once. Measured on a shared 2-core virtual machine over veth: CPU µs a packet, the kernel's part included, and
 * the median delay from the kernel's time stamp to here, in µs:
 *
 * | packets/s | woken by each | gathered 200 µs | 500 µs | 1000 µs |
 * |---|---|---|---|---|
 * | 1,000 | 60, 65 | the same | the same | the same |
 * | 5,000 | 21.4, 38 | the same | 15.8, 333 | 14.8, 593 |
 * | 20,000 | 10.7, 32 | 7.3, 176 | 5.1, 355 | 4.6, 627 |
 * | 50,000 | 6.0, 24 | 3.6, 185 | 2.8, 350 | 2.5, 651 |
 *
 * A timer of the same period in place of the sleep cost the same, but left each other descriptor its own wake-ups. A second
 * epoll of our own, to stay out of Node's event loop under load, saved less than the noise.
 */
export class Gather {
  /** The longest that a packet may wait for others; 0: never. */
  maxDelay: Duration;
  #windowStart: Instant = 0 as Instant;
  #packets = 0;
  #turns = 0;
  #waiting = 0;
  #active = false;

  constructor(maxDelay: Duration) {
    this.maxDelay = maxDelay;
  }

  /** Tells whether something waited, in a turn just handled, for what packets bring. */
  noteWaiting(waiting: boolean): void {
    this.#turns++;
    if (waiting) this.#waiting++;
  }

  /** Tells of `packets` received at `now`. Returns how long to sleep before the next look; 0: until the next arrival. */
  next(now: Instant, packets: number): Duration {
    this.#packets += packets;
    const span = elapsed(this.#windowStart, now);
    if (span >= WINDOW) {
      const perDelay = (this.#packets * this.maxDelay) / span;
      const isPatient = this.#waiting <= this.#turns * WAITING_SHARE;
      this.#active = isPatient && perDelay >= (this.#active ? STOP_BELOW : START_AT);
      this.#windowStart = now;
      this.#packets = this.#turns = this.#waiting = 0;
    }
    return this.#active ? this.maxDelay : micros(0);
  }
}
