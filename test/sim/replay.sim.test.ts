import { describe, expect, it } from 'vitest';
import { OUTCOME_NAMES, Outcome } from '../../src/session/outcome.ts';
import { VERDICT_NAMES, Verdict } from '../../src/session/verdict.ts';
import { isCalm, randomWorld, type WorldKind } from '../../src/testing/random-world.ts';
import { Simulation } from '../../src/testing/simulation.ts';
import { PacketError } from '../../src/wire/packet-view.ts';
import { failure } from './failing-world.ts';

/** SIM_SEED=n: that one world of each kind. Else worlds from 1 on. */
const SEED = Number(process.env.SIM_SEED ?? 1);
/** Worlds of each kind in the gate, and with `npm run test:sim`; any number with SIM_RUNS=n. */
const SHORT = 500;
const LONG = 10_000;
const usual = process.env.SIM_LONG === undefined ? SHORT : LONG;
const RUNS = Number(process.env.SIM_RUNS ?? (process.env.SIM_SEED === undefined ? usual : 1));
/** Milliseconds for each kind: a bound, far above what is needed. */
const TIMEOUT = 120_000 + 100 * RUNS;

const KIND: WorldKind = { isKind: true };
const UNKIND: WorldKind = { isKind: false };

function simulate(seed: number, kind: WorldKind, check: (simulation: Simulation) => string): void {
  const simulation = new Simulation(randomWorld(seed, kind));
  try {
    simulation.run();
  } catch (error) {
    throw failure(seed, kind, String(error));
  }
  const complaint = check(simulation);
  if (complaint === '') return;
  throw failure(seed, kind, `${complaint}\n${simulation.harness.transcript}`);
}

/** What is wrong where nothing should be. */
function judgeKind(simulation: Simulation): string {
  const { clients, target, replayer } = simulation;
  const { context, ledger } = replayer;
  for (const [i, { total }] of clients.entries()) {
    const received = target.received(i);
    if (received !== total) return `${received} of ${total} octets; ${outcomes(simulation)}`;
  }
  const isPushed = clients.some(({ script }) => script.exchanges.some((e) => e.pushed));
  // Whatever the target answers, nobody's patience is tried unless the online server spoke unasked.
  if (!isPushed && context.counters.releasedUnanswered > 0) return 'a request left unanswered';
  const { captured, answered, overtaken, cutOff } = context.requests;
  // A client that asks and closes at once may find the target closing without an answer.
  const unread = cutOff[Outcome.completed] as number;
  if (!isPushed && captured !== answered + overtaken + unread) return 'a request was not answered';
  if (ledger.outcomes[Outcome.completed] !== clients.length) return outcomes(simulation);
  return isCalm(simulation.world) ? judgeCalm(simulation) : '';
}

/** Nothing was lost, nothing took long: nobody had reason to say anything twice. */
function judgeCalm({ target, replayer }: Simulation): string {
  const { retransmitted } = replayer.context.counters;
  if (retransmitted > 0) return `${retransmitted} segments sent again for nothing`;
  return target.timeouts > 0 ? `${target.timeouts} times the target was not acknowledged` : '';
}

/** What the target received is the beginning of a stream: more than there is can be only a fault of the simulator. */
function judgeUnkind({ clients, target, replayer }: Simulation): string {
  for (const [i, { total }] of clients.entries()) {
    if (target.received(i) > total) return `${target.received(i)} of ${total} octets`;
  }
  // With back-off so many time-outs in a row take longer than a target may be silent.
  const limited = replayer.ledger.outcomes[Outcome.retransmissionLimit] as number;
  if (limited > 0) return OUTCOME_NAMES[Outcome.retransmissionLimit] as string;
  return '';
}

const outcomes = ({ replayer }: Simulation): string =>
  OUTCOME_NAMES.flatMap((name, i) => {
    const n = replayer.ledger.outcomes[i] as number;
    return n > 0 ? [`${n} ${name}`] : [];
  }).join(', ');

/** What befell a world, in words. */
function happenings({ replayer, toTarget, fromTarget }: Simulation): string[] {
  const { ledger, context } = replayer;
  const named = (names: readonly string[], counts: Float64Array): [string, number][] =>
    names.map((name, i) => [name, counts[i] as number]);
  const all = [
    ...named(OUTCOME_NAMES, ledger.outcomes),
    ...named(VERDICT_NAMES, ledger.verdicts),
    ...Object.entries(toTarget.counters).map(([name, n]): [string, number] => [`there ${name}`, n]),
    ...Object.entries(fromTarget.counters).map(([name, n]): [string, number] => [
      `back ${name}`,
      n,
    ]),
    ...Object.entries(context.counters),
    ['cut by the capture', ledger.packetErrors[PacketError.cutByCapture] as number] as const,
  ];
  return all.flatMap(([name, n]) => (n > 0 ? [name] : []));
}

/** What must befall some world of those that the gate runs. */
const EXPECTED: ReadonlySet<string> = new Set([
  ...[
    Outcome.completed,
    Outcome.resetByClient,
    Outcome.refused,
    Outcome.resetByTarget,
    Outcome.closedByTarget,
    Outcome.handshakeTimeout,
    Outcome.responseTimeout,
    Outcome.idleTimeout,
    Outcome.captureGap,
    Outcome.replaced,
    Outcome.segmentLimit,
    Outcome.stopped,
    Outcome.shed,
  ].map((outcome) => OUTCOME_NAMES[outcome] as string),
  ...[
    Verdict.seenTwice,
    Verdict.retransmission,
    Verdict.badChecksum,
    Verdict.stray,
    Verdict.afterEnd,
    Verdict.overMemory,
  ].map((verdict) => VERDICT_NAMES[verdict] as string),
  ...['lost', 'corrupted', 'duplicated', 'overflowed', 'fragmented'].map((n) => `there ${n}`),
  ...['lost', 'duplicated', 'overflowed', 'tooLong'].map((n) => `back ${n}`),
  'cut by the capture',
  'retransmitted',
  'reconnects',
  'receivedOutOfOrder',
  'unsentOctets',
]);

describe('simulated worlds', () => {
  it(
    'kind ones: every stream arrives whole, and every connection is completed',
    () => {
      for (let seed = SEED; seed < SEED + RUNS; seed++) simulate(seed, KIND, judgeKind);
    },
    TIMEOUT,
  );

  it(
    'unkind ones: what arrives is a beginning of what was captured, and everything ends',
    () => {
      const seen = new Set<string>();
      for (let seed = SEED; seed < SEED + RUNS; seed++) {
        simulate(seed, UNKIND, (simulation) => {
          for (const happening of happenings(simulation)) seen.add(happening);
          return judgeUnkind(simulation);
        });
      }
      // The worlds are as bad as they are meant to be.
      if (RUNS >= SHORT) expect([...EXPECTED].filter((name) => !seen.has(name))).toEqual([]);
    },
    TIMEOUT,
  );
});
