import { FLOW_KEY_WORDS, FlowKey } from '../base/flow-key.ts';
import { addTime, type Duration, type Instant, NEVER, seconds } from '../base/time.ts';
import type { Log } from '../ports/log.ts';
import { formatEndpoint, IpAddress } from '../wire/address.ts';

/** Why a response went to nobody. */
export const Cause = {
  /** From a known target, but nobody registered the session in time. */
  neverRegistered: 0,
  /** From an address and port that no tcpcopy has named as a target. */
  foreign: 1,
  /** The tcpcopy that had registered the session was gone, and nobody registered it anew in time. */
  orphaned: 2,
  /** The session had ended a moment before: the last words of the target, which nobody needs. */
  ended: 3,
  /** `--single`: no tcpcopy is connected. */
  nobody: 4,
} as const;
export type Cause = (typeof Cause)[keyof typeof Cause];

export const CAUSES: number = Object.keys(Cause).length;

/** To follow "dropped, " with the number after it, and "12 responses dropped, ". */
export const CAUSE_TEXT: Readonly<Record<Cause, string>> = {
  [Cause.neverRegistered]: 'no tcpcopy has registered their session',
  [Cause.foreign]: 'they come from no target of a tcpcopy',
  [Cause.orphaned]: 'the tcpcopy that had registered their session is gone',
  [Cause.ended]: 'their session had ended',
  [Cause.nobody]: 'no tcpcopy is connected',
};

const NEXT_STEP: Readonly<Record<Cause, string>> = {
  [Cause.neverRegistered]:
    'if it is to be copied, see on its online server whether tcpcopy names this host with -s',
  [Cause.foreign]: 'let -F name the targets only',
  [Cause.orphaned]: 'the log of that tcpcopy says why it went',
  [Cause.ended]: '',
  [Cause.nobody]: 'start tcpcopy, or look for its connection with: ss -tn',
};

/** Between two reports. */
const QUIET: Duration = seconds(60);

/** Responses that went to nobody, by cause, with the latest of each as an example for the log. */
export class Unrouted {
  /** By `Cause`. */
  readonly counts: Float64Array = new Float64Array(CAUSES);
  readonly #reported = new Float64Array(CAUSES);
  readonly #examples: readonly FlowKey[] = Array.from({ length: CAUSES }, () => new FlowKey());
  #hasNews = false;
  #quietUntil = 0 as Instant;

  /** One more. `words[from …]` is the key of its session. */
  note(cause: Cause, words: Int32Array, from = 0): void {
    this.counts[cause] = (this.counts[cause] as number) + 1;
    const example = (this.#examples[cause] as FlowKey).words;
    for (let i = 0; i < FLOW_KEY_WORDS; i++) example[i] = words[from + i] as number;
    // What a session's end leaves behind is no news.
    if (cause !== Cause.ended) this.#hasNews = true;
  }

  /** When `report` is due. */
  get deadline(): Instant {
    return this.#hasNews ? this.#quietUntil : NEVER;
  }

  /** Writes what was not written yet, one line for each cause, at most once a minute. */
  report(now: Instant, log: Log): void {
    if (this.deadline > now) return;
    this.#hasNews = false;
    this.#quietUntil = addTime(now, QUIET);
    for (const cause of Object.values(Cause)) {
      const count = (this.counts[cause] as number) - (this.#reported[cause] as number);
      if (cause === Cause.ended || count === 0) continue;
      this.#reported[cause] = this.counts[cause] as number;
      const responses = count === 1 ? '1 response' : `${count} responses`;
      log.warn(
        `${responses} dropped: ${CAUSE_TEXT[cause]}, as of one ${describe(this.#examples[cause] as FlowKey)}; ${NEXT_STEP[cause]}`,
      );
    }
  }
}

function describe({ words }: FlowKey): string {
  const address = (at: number): IpAddress =>
    new IpAddress(
      words[at] as number,
      words[at + 1] as number,
      words[at + 2] as number,
      words[at + 3] as number,
    );
  const ports = words[8] as number;
  const target = formatEndpoint(address(4), ports & 0xffff);
  return `from ${target} to ${formatEndpoint(address(0), ports >>> 16)}`;
}
