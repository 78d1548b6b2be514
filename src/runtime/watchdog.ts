import { type Duration, elapsed, type Instant, seconds } from '../base/time.ts';
import type { CaptureStatistics } from '../ports/packet-source.ts';
import type { Replayer } from '../replay/replayer.ts';
import type { SessionConfig } from '../session/context.ts';
import { Outcome } from '../session/outcome.ts';
import { Verdict } from '../session/verdict.ts';
import { formatEndpoint } from '../wire/address.ts';
import { Refusals } from './refusals.ts';

/** How often the watchdog looks. */
export const WATCH_INTERVAL: Duration = seconds(10);
/** The same complaint is not made again sooner. */
const PATIENCE: Duration = seconds(60);

type Complaint = 'unanswered' | 'refused' | 'lost' | 'ports' | 'memory' | 'silence';

/** Totals at the last look. */
interface Totals {
  readonly timedOut: number;
  readonly refused: number;
  readonly connected: number;
  readonly lost: number;
  readonly portless: number;
  readonly memoryless: number;
}

/**
 * Says in words, while tcpcopy runs, what its counters mean when nothing or too little is copied: the set-up is at fault far
 * more often than the program, and silence is what users complain of most. Totals in, sentences out.
 */
export class Watchdog {
  readonly #replayer: Replayer;
  readonly #capture: () => CaptureStatistics;
  readonly #saidAt = new Map<Complaint, Instant>();
  readonly #refusals: Refusals;
  readonly #startedAt: Instant;
  #before: Totals;

  /** `refused`: packets that could not be sent, by the name of the error. */
  constructor(
    replayer: Replayer,
    capture: () => CaptureStatistics,
    now: Instant,
    refused: () => ReadonlyMap<string, number> = () => new Map(),
  ) {
    this.#replayer = replayer;
    this.#capture = capture;
    this.#refusals = new Refusals(refused, PATIENCE);
    this.#startedAt = now;
    this.#before = this.#totals();
  }

  /** What is wrong at `now`, one sentence each; nothing that was said within the last minute. */
  look(now: Instant): string[] {
    const before = this.#before;
    const after = this.#totals();
    this.#before = after;
    const lines: string[] = [];
    const complain = (about: Complaint, isTrue: boolean, text: () => string): void => {
      const said = this.#saidAt.get(about);
      if (!isTrue || (said !== undefined && elapsed(said, now) < PATIENCE)) return;
      this.#saidAt.set(about, now);
      lines.push(text());
    };
    const timedOut = after.timedOut - before.timedOut;
    complain('unanswered', timedOut > 0, () => this.#describeUnanswered(timedOut, after.connected));
    const refused = after.refused - before.refused;
    complain('refused', refused > 0, () => describeRefused(refused, this.#targets()));
    const lost = after.lost - before.lost;
    complain('lost', lost > 0, () => describeLost(lost, this.#config.gapTimeout));
    const portless = after.portless - before.portless;
    complain('ports', portless > 0, () => describePortless(portless));
    const memoryless = after.memoryless - before.memoryless;
    complain('memory', memoryless > 0, () => describeMemoryless(memoryless));
    const silent =
      this.#replayer.ledger.captured === 0 && elapsed(this.#startedAt, now) >= PATIENCE;
    if (!this.#saidAt.has('silence')) complain('silence', silent, () => SILENCE);
    lines.push(...this.#refusals.look(now));
    return lines;
  }

  #totals(): Totals {
    const { ledger, context } = this.#replayer;
    return {
      timedOut: ledger.outcomes[Outcome.handshakeTimeout] as number,
      refused: ledger.outcomes[Outcome.refused] as number,
      connected: context.counters.connected,
      lost: this.#capture().dropped,
      portless:
        (ledger.refused[Verdict.noFreePort] as number) +
        (ledger.outcomes[Outcome.noFreePort] as number),
      memoryless:
        (ledger.refused[Verdict.overMemory] as number) + (ledger.outcomes[Outcome.shed] as number),
    };
  }

  get #config(): SessionConfig {
    return this.#replayer.context.config;
  }

  #describeUnanswered(count: number, connected: number): string {
    const limit = this.#config.handshakeTimeout / 1e6;
    const what = `${count} copied connections got no SYN-ACK within ${limit} s`;
    if (connected > 0)
      return `${what}; others did: the target's backlog may be full, or packets are lost`;
    return (
      `${what}, and none ever did: responses do not come back. Check on the target that the copies arrive and that its route for ` +
      "their addresses leads to the assistant server, and there that intercept's -F and -i fit (docs/operating.md, When it does not work)"
    );
  }

  #targets(): string {
    const targets = this.#replayer.transfers.all.map((t) => formatEndpoint(t.target, t.targetPort));
    return [...new Set(targets)].join(', ');
  }
}

const describeRefused = (count: number, targets: string): string =>
  `The target refused ${count} connections with RST: does a server listen at ${targets}? If it does, the responses reach a host that is not a black hole`;

const describeLost = (count: number, gapTimeout: Duration): string =>
  `${count} packets were lost before capture, because tcpcopy was not given enough CPU time: copies with a gap end after ${gapTimeout / 1e6} s. Copy fewer connections with -r`;

const describePortless = (count: number): string =>
  `${count} copies were not made, because no address and port was free for them: give more addresses with -c, or make fewer copies with -n or -r`;

const describeMemoryless = (count: number): string =>
  `${count} copies were not begun or were let go of, because -m leaves no memory for them: copy fewer connections with -r or -n, or allow more with -m`;

const SILENCE =
  'No packet has been captured for a minute: does traffic arrive at the ports of -x on this host and on the interfaces of -i, and does -F let it through?';
