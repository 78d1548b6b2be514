import { Folding, OTHER_KEYS } from '../base/folding.ts';
import { addTime, type Duration, NEVER, seconds } from '../base/time.ts';
import type { Log } from '../ports/log.ts';
import type { Clock } from '../ports/reactor.ts';
import type { LogLevel } from './log-level.ts';

const INTERVAL: Duration = seconds(60);
/** As many as connections that one tcpcopy makes at once to an intercept. */
const SAID_IN_INTERVAL = 11;
/** How often intervals are looked at that may be over. */
const LOOK_MS = 5000;
/** As many as `Folding` tells apart. */
const MAX_KINDS = 256;
/** Of a key, in characters: what differs further behind is taken for the same. */
const KEY_LENGTH = 120;
/** An address, which tells messages apart, or another number, which does not. */
const NUMBER = /(\d+\.\d+\.\d+\.\d+|\[[\da-f:.]+\])|\d+/g;

/**
 * A log that what happens again and again does not flood: of messages that are alike but for their numbers, addresses apart, a few are written in a
 * minute, the others become one line, with their number and the last of them.
 */
export class FoldingLog implements Log {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #folding: Folding = new Folding(INTERVAL, SAID_IN_INTERVAL);
  /** The last of each kind that was not written. */
  readonly #last = new Map<string, { readonly level: LogLevel; readonly message: string }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  debug(message: string): void {
    this.#say('debug', message);
  }

  info(message: string): void {
    this.#say('info', message);
  }

  warn(message: string): void {
    this.#say('warn', message);
  }

  error(message: string): void {
    this.#say('error', message);
  }

  /** Writes the sums of intervals that are over. */
  flush(): void {
    this.#flush(0 as Duration);
  }

  /** Writes the sums that are left. */
  close(): void {
    this.#flush(INTERVAL);
    clearInterval(this.#timer);
  }

  #say(level: LogLevel, message: string): void {
    const start = message.slice(0, KEY_LENGTH);
    const key = level + start.replaceAll(NUMBER, (_, address?: string) => address ?? '0');
    if (this.#folding.note(this.#clock.now(), key)) {
      this.#log[level](message);
      return;
    }
    const known = this.#last.has(key) || this.#last.size < MAX_KINDS;
    if (known) this.#last.set(key, { level, message });
    this.#timer ??= setInterval(() => this.flush(), LOOK_MS).unref();
  }

  #flush(ahead: Duration): void {
    this.#folding.flush(addTime(this.#clock.now(), ahead), (key, quiet) => {
      const last = this.#last.get(key);
      if (key === OTHER_KEYS || last === undefined) {
        this.#log.warn(`${quiet} more messages of many kinds in the last minute`);
      } else {
        this.#log[last.level](`${quiet} more like this in the last minute: ${last.message}`);
        this.#last.delete(key);
      }
    });
    if (this.#folding.deadline !== NEVER) return;
    this.#last.clear();
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
