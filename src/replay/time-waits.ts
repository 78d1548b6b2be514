import { FlowKey } from '../base/flow-key.ts';
import { FlowTable } from '../base/flow-table.ts';
import { type Seq, seqAfter } from '../base/seq.ts';
import { addTime, type Instant, seconds } from '../base/time.ts';
import type { CopyEndpoints } from '../session/state.ts';
import { setEndsKey } from './ends-key.ts';

/** How long Linux stays in TIME-WAIT (RFC 9293 §3.3.2 asks for 2 MSL, four minutes; nobody waits so long). */
const TIME_WAIT = seconds(60);
/** How long a place is left alone that another tcpcopy had when we asked; most connections are over by then. */
const HELD = seconds(60);
/** Those that are over are removed when there are twice as many as after the last time, and no sooner than this. */
const MIN_PURGE = 4096;

interface TimeWait {
  readonly until: Instant;
  /** After everything that the target has received; absent where another tcpcopy's connection is not over. */
  readonly sndMax?: Seq;
}

/**
 * Addresses and ports that are not free though no copy of ours has them: the target may still keep their last connection in
 * TIME-WAIT, because it closed first, or another tcpcopy has them.
 */
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
    this.#set(now, ends, { until: addTime(now, TIME_WAIT), sndMax });
  }

  /** Another tcpcopy has a connection with these ends. */
  addHeld(now: Instant, ends: CopyEndpoints): void {
    this.#set(now, ends, { until: addTime(now, HELD) });
  }

  /**
   * Whether the target would take a SYN numbered `iss` between these ends: nothing is left of the connection before, or the
   * number is beyond all that it has seen (RFC 1122 §4.2.2.13).
   */
  allows(now: Instant, ends: CopyEndpoints, iss: Seq): boolean {
    if (this.#waits.size === 0) return true;
    const wait = this.#waits.find(setEndsKey(this.#key, ends));
    if (wait === undefined || wait.until <= now) return true;
    return wait.sndMax !== undefined && seqAfter(iss, wait.sndMax);
  }

  #set(now: Instant, ends: CopyEndpoints, wait: TimeWait): void {
    if (this.#waits.size >= this.#purgeAt) this.#purge(now);
    this.#waits.set(setEndsKey(this.#key, ends), wait);
  }

  #purge(now: Instant): void {
    this.#waits.deleteWhere((wait) => wait.until <= now);
    this.#purgeAt = Math.max(MIN_PURGE, 2 * this.#waits.size);
  }
}
