import { addTime, type Duration, type Instant, NEVER } from './time.ts';

interface Folded {
  readonly until: Instant;
  said: number;
  quiet: number;
}

/** Stands for all keys beyond those that are told apart. */
export const OTHER_KEYS = '';

/**
 * Decides which of many similar events are worth a line: the first few of a key are, the rest of the interval is counted and
 * told in one sum when it is over. While events go on, each interval has that one line. Bounded in the number of keys.
 */
export class Folding {
  readonly #interval: Duration;
  readonly #burst: number;
  readonly #keys: number;
  /** In the order in which their intervals end. */
  readonly #folded = new Map<string, Folded>();
  /** When the first of them ends. */
  #next: Instant = NEVER;

  /** `burst` events of a key are said in an interval; `keys` are told apart, the others share `OTHER_KEYS`. */
  constructor(interval: Duration, burst: number, keys = 256) {
    this.#interval = interval;
    this.#burst = burst;
    this.#keys = keys;
  }

  /** An event of `key`, which is not empty. Returns whether it is to be said. */
  note(now: Instant, key: string): boolean {
    const folded = this.#folded.get(key) ?? this.#begin(now, key);
    if (folded.said < this.#burst) {
      folded.said++;
      return true;
    }
    folded.quiet++;
    return false;
  }

  /** When `flush` has something to do; `NEVER` when nothing was noted. */
  get deadline(): Instant {
    return this.#next;
  }

  /** Tells of each key whose interval is over how many of its events were not said. */
  flush(now: Instant, tell: (key: string, quiet: number) => void): void {
    this.#next = NEVER;
    for (const [key, { until, quiet }] of this.#folded) {
      if (until > now) {
        this.#next = until;
        return;
      }
      this.#folded.delete(key);
      if (quiet === 0) continue;
      const next = { until: addTime(now, this.#interval), said: this.#burst, quiet: 0 };
      this.#folded.set(key, next);
      tell(key, quiet);
    }
  }

  #begin(now: Instant, key: string): Folded {
    const known = this.#folded.size < this.#keys;
    const name = known ? key : OTHER_KEYS;
    const there = known ? undefined : this.#folded.get(OTHER_KEYS);
    const folded = there ?? { until: addTime(now, this.#interval), said: 0, quiet: 0 };
    this.#folded.set(name, folded);
    if (this.#next === NEVER) this.#next = folded.until;
    return folded;
  }
}
