import { FlowKey } from '../base/flow-key.ts';
import { FlowTable } from '../base/flow-table.ts';
import { type Seq, seqAfter } from '../base/seq.ts';
import { addTime, type Instant, seconds } from '../base/time.ts';
import type { CopyEndpoints } from '../session/state.ts';
import { setEndsKey } from './ends-key.ts';

/** How long Linux stays in TIME-WAIT (RFC 9293 §3.3.2 asks for 2 MSL, four minutes; nobody waits so long). */
const TIME_WAIT = seconds(60);
/** Those that are over are removed when there are twice as many as after the last time, and no sooner than this. */
const MIN_PURGE = 4096;

interface TimeWait {
  readonly until: Instant;
  /** After everything that the target has received. */
  readonly sndMax: Seq;
}

/** Addresses and ports whose last connection the target may still keep in TIME-WAIT, because it closed first. */
export class TimeWaits {
  readonly #waits: FlowTable<TimeWait>;
  readonly #key = new FlowKey();
  #purgeAt = MIN_PURGE;

  /** `secret`: see `FlowTable`. */
  constructor(secret: number) {
    this.#waits = new FlowTable(secret);
  }

  get size(): number {
    return this.#waits.size;
  }

  /** A connection with these ends is over, which the target had begun to close. */
  add(now: Instant, ends: CopyEndpoints, sndMax: Seq): void {
    if (this.#waits.size >= this.#purgeAt) this.#purge(now);
    const key = setEndsKey(this.#key, ends);
    this.#waits.set(key, { until: addTime(now, TIME_WAIT), sndMax });
  }

  /**
   * Whether the target would take a SYN numbered `iss` between these ends: nothing is left of the connection before, or the
   * number is beyond all that it has seen (RFC 1122 §4.2.2.13).
   */
  allows(now: Instant, ends: CopyEndpoints, iss: Seq): boolean {
    if (this.#waits.size === 0) return true;
    const wait = this.#waits.find(setEndsKey(this.#key, ends));
    return wait === undefined || wait.until <= now || seqAfter(iss, wait.sndMax);
  }

  #purge(now: Instant): void {
    this.#waits.deleteWhere((wait) => wait.until <= now);
    this.#purgeAt = Math.max(MIN_PURGE, 2 * this.#waits.size);
  }
}
