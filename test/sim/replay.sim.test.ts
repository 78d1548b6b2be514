import { describe, expect, it } from 'vitest';
import { OUTCOME_NAMES, Outcome } from '../../src/session/outcome.ts';
import { randomWorld, Simulation } from '../../src/testing/simulation.ts';

/** First seed of a run; another one with SIM_SEED=n. */
const SEED = Number(process.env.SIM_SEED ?? 1);
/** Worlds of each kind; more with SIM_RUNS=n, as `npm run test:sim` does. */
const RUNS = Number(process.env.SIM_RUNS ?? 600);
/** Milliseconds for each kind: a bound, far above what is needed. */
const TIMEOUT = 120_000 + 100 * RUNS;

function simulate(seed: number, isKind: boolean): Simulation {
  const simulation = new Simulation(randomWorld(seed, { isKind }));
  try {
    simulation.run();
    return simulation;
  } catch (cause) {
    const how = `SIM_SEED=${seed} SIM_RUNS=1 npx vitest run --project unit test/sim/replay.sim`;
    throw new Error(`seed ${seed} (${isKind ? 'kind' : 'unkind'}): ${String(cause)}\n${how}`, {
      cause,
    });
  }
}

/** What the target received of each client: the number of octets, and of how many. */
const shares = ({ clients, target }: Simulation) =>
  clients.map((c) => [target.received.get(c.script.client.port) ?? 0, c.total] as const);

const outcomes = ({ replayer }: Simulation): string =>
  OUTCOME_NAMES.flatMap((name, i) => {
    const n = replayer.ledger.outcomes[i] as number;
    return n > 0 ? [`${n} ${name}`] : [];
  }).join(', ');

describe('simulated worlds', () => {
  it(
    'kind ones: every stream arrives whole, and every connection is completed',
    () => {
      for (let seed = SEED; seed < SEED + RUNS; seed++) {
        const simulation = simulate(seed, true);
        const { harness, clients } = simulation;
        for (const [received, total] of shares(simulation)) {
          const story = `seed ${seed}: ${outcomes(simulation)}\n`;
          if (received !== total)
            throw new Error(`${received} of ${total} octets; ${story}${harness.transcript}`);
        }
        const { context, ledger } = simulation.replayer;
        const isPushed = clients.some(({ script }) => script.exchanges.some((e) => e.pushed));
        // Whatever the target answers, nobody's patience is tried unless the online server spoke unasked.
        if (!isPushed && context.counters.releasedUnanswered > 0) {
          throw new Error(`seed ${seed}: a request left unanswered\n${harness.transcript}`);
        }
        if (ledger.outcomes[Outcome.completed] !== clients.length) {
          throw new Error(`seed ${seed}: ${outcomes(simulation)}\n${harness.transcript}`);
        }
      }
    },
    TIMEOUT,
  );

  it(
    'unkind ones: what arrives is a beginning of what was captured, and everything ends',
    () => {
      const seen = new Set<number>();
      for (let seed = SEED; seed < SEED + RUNS; seed++) {
        const simulation = simulate(seed, false);
        for (const [received, total] of shares(simulation)) {
          if (received > total) throw new Error(`seed ${seed}: ${received} of ${total} octets`);
        }
        simulation.replayer.ledger.outcomes.forEach((n, outcome) => {
          if (n > 0) seen.add(outcome);
        });
      }
      // The worlds are as bad as they are meant to be.
      if (RUNS < 300) return;
      for (const outcome of [
        Outcome.completed,
        Outcome.resetByClient,
        Outcome.refused,
        Outcome.resetByTarget,
        Outcome.closedByTarget,
        Outcome.handshakeTimeout,
        Outcome.idleTimeout,
        Outcome.captureGap,
      ]) {
        expect(seen, OUTCOME_NAMES[outcome]).toContain(outcome);
      }
    },
    TIMEOUT,
  );
});
