import { Folding, OTHER_KEYS } from '../base/folding.ts';
import { type Instant, seconds } from '../base/time.ts';
import type { Log } from '../ports/log.ts';

/** Of each kind and address in a minute: as many as connections that one tcpcopy makes at once. */
const SAID_A_MINUTE = 11;
const SEPARATOR = '\n';

/** What a line may be about: how its sum begins, and its level. */
export interface Topic {
  readonly level: 'info' | 'warn';
  /** As in "connections refused: 812 more from 10.0.0.9 in the last minute". */
  readonly sum: string;
}

/**
 * A log that nobody outside can flood: of each topic and address a few lines are written, the rest of a minute becomes one
 * line with their number.
 */
export class FoldedLog {
  readonly #log: Log;
  readonly #folding = new Folding(seconds(60), SAID_A_MINUTE);
  readonly #topics = new Map<string, Topic>();

  constructor(log: Log) {
    this.#log = log;
  }

  say(now: Instant, topic: Topic, address: string, message: string): void {
    this.#topics.set(topic.sum, topic);
    if (this.#folding.note(now, topic.sum + SEPARATOR + address)) this.#log[topic.level](message);
  }

  /** When `flush` is due. */
  get deadline(): Instant {
    return this.#folding.deadline;
  }

  flush(now: Instant): void {
    if (this.deadline <= now) this.#folding.flush(now, (key, count) => this.#sum(key, count));
  }

  #sum(key: string, count: number): void {
    if (key === OTHER_KEYS) {
      this.#log.warn(
        `messages about more addresses than are told apart: ${count} more in the last minute`,
      );
      return;
    }
    const [sum = '', address = ''] = key.split(SEPARATOR);
    const { level } = this.#topics.get(sum) as Topic;
    this.#log[level](`${sum}: ${count} more from ${address} in the last minute`);
  }
}
