import { elapsed, type Duration, type Instant, seconds } from '../base/time.ts';
import type { Clock } from '../ports/reactor.ts';
import type { Replayer } from '../replay/replayer.ts';

/**
 * Captured pieces that may wait for the targets while a file is replayed as fast as it goes: as many as keep a target busy, few
 * enough not to fill its queue of new connections. They wait for nothing but targets and limits of time, so there is always room again.
 */
const PIECES_WITHOUT_PACE = 1024;
/** Of the limits, what a file with a pace of its own may take before it has to wait. */
const PART_WITH_PACE = 0.8;
/** The targets have said nothing for so long: what they began to say is said. */
const QUIET: Duration = seconds(1);

export interface GaugeLimits {
  readonly maxConnections: number;
  readonly maxSegments: number;
  readonly maxOctets: number;
  readonly isPaced: boolean;
  /** After the end of the files nobody is waited for any longer. */
  readonly patience: Duration;
}

/** Tells whoever feeds a replayer from files whether it can take more, and when it is done with what it was given. */
export class ReplayGauge {
  readonly #replayer: Replayer;
  readonly #clock: Clock;
  readonly #limits: GaugeLimits;
  readonly #maxSegments: number;
  #received = -1;
  #receivedAt = 0 as Instant;

  constructor(replayer: Replayer, clock: Clock, limits: GaugeLimits) {
    this.#replayer = replayer;
    this.#clock = clock;
    this.#limits = limits;
    const most = PART_WITH_PACE * limits.maxSegments;
    this.#maxSegments = limits.isPaced ? most : Math.min(PIECES_WITHOUT_PACE, most);
  }

  hasRoom(): boolean {
    const { context, size } = this.#replayer;
    // A file can wait, so that no connection of it meets a limit on what begins or is sent in a second.
    if (this.#replayer.isThrottled(this.#clock.now())) return false;
    if (this.#replayer.isMemoryTight && context.store.used > 0) return false;
    const { maxOctets, maxConnections } = this.#limits;
    // Idle connections make no room by themselves: a file that has more of them at once meets the limit.
    return (
      context.store.used < this.#maxSegments &&
      context.pool.used < PART_WITH_PACE * maxOctets &&
      (size < maxConnections || context.store.used === 0)
    );
  }

  /** Whether nothing is left to be done `since` the files ended, but to let go of connections that nobody closed. */
  isDone(since: Instant): boolean {
    const { ledger, context, isBusy } = this.#replayer;
    if (ledger.open === 0) return true;
    const now = this.#clock.now();
    if (elapsed(since, now) > this.#limits.patience) return true;
    const { received } = context.counters;
    if (isBusy || received !== this.#received) {
      this.#received = received;
      this.#receivedAt = now;
      return false;
    }
    return elapsed(this.#receivedAt, now) > QUIET;
  }
}
