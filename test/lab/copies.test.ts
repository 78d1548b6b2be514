// Several copies of each connection: each request arrives as often as -n says, and what cannot be copied is counted.
import { expect, test } from 'vitest';
import type { LoadPart } from '../../lab/load-plan.ts';
import { createLab } from '../../lab/topology.ts';
import { copyLoad, type CopyLoadOptions, type Outcome } from './support.ts';

/** One connection each, `atOnce` of them at the same time at most, as fast as they go or `rate` a second. */
const connections = (requests: number, atOnce: number, rate = 0): LoadPart => ({
  name: 'n',
  kind: 'new',
  requests,
  connections: atOnce,
  rate,
});

async function copied(part: LoadPart, options: CopyLoadOptions): Promise<Outcome> {
  await using lab = await createLab();
  const outcome = await copyLoad(lab, [part], { quiet: 20_000, ...options });
  expect(outcome.result, JSON.stringify(outcome.result)).toMatchObject({
    answered: part.requests,
    errors: {},
  });
  return outcome;
}

/** How often the target got each request. */
function timesEach({ target }: Outcome): Map<string, number> {
  const times = new Map<string, number>();
  for (const { path } of target) times.set(path, (times.get(path) ?? 0) + 1);
  return times;
}

/** A number of the account at the end. */
function counted({ said }: Outcome, label: string): number {
  const lines = said.split('\n').filter((line) => line.trim().startsWith(`${label}  `));
  return Number(lines.at(-1)?.match(/(\d+)$/)?.[1] ?? 0);
}

/** Each of `requests` connections arrived `n` times, and every copy came to a good end. */
function expectEach(outcome: Outcome, requests: number, n: number): void {
  const times = timesEach(outcome);
  const wrong = [...times].filter(([, count]) => count !== n);
  expect(wrong, outcome.said).toEqual([]);
  expect(times.size, outcome.said).toBe(requests);
  expect(outcome.target.length).toBe(requests * n);
  expect(counted(outcome, 'connections seen')).toBe(requests);
  expect(counted(outcome, 'copies of these (-n)'), outcome.said).toBe(requests * n);
}

test('-n 100: 100 connections, 20 at a time: 10,000 requests of 10,000', async () => {
  const outcome = await copied(connections(100, 20), {
    wanted: 10_000,
    tcpcopy: ['-n', '100'],
  });
  expectEach(outcome, 100, 100);
});

test('-n 1000: 20 connections: 20,000 requests of 20,000', async () => {
  // All 20 at once: as many copies in a second as the server of a small machine accepts.
  const tcpcopy = ['-n', '1000', '--spread', '12000'];
  const outcome = await copied(connections(20, 20), {
    c: '10.88.4.x',
    wanted: 20_000,
    tcpcopy,
  });
  expectEach(outcome, 20, 1000);
  const sources = new Set(outcome.target.map(({ peer }) => peer.slice(0, peer.lastIndexOf(':'))));
  expect(sources.size).toBe(254);
});

test('with too few addresses what is not copied is counted, and said with the remedy', async () => {
  const tcpcopy = ['-n', '1000', '-f', '1'];
  const outcome = await copied(connections(5, 5), {
    c: '10.88.5.1',
    tcpcopy,
    wanted: 5000,
    quiet: 10_000,
  });
  const missing = counted(outcome, 'not begun: no free port (-c)');
  expect(counted(outcome, 'copies of these (-n)'), outcome.said).toBe(5000);
  expect(missing, outcome.said).toBeGreaterThan(0);
  expect(outcome.target.length, outcome.said).toBe(5000 - missing);
  expect(outcome.said).toMatch(/\d+ copies were not made.*more addresses with -c/);
});

test('-n 1.5: 2000 connections: 3000 requests within one percent', async () => {
  const outcome = await copied(connections(2000, 20, 400), {
    wanted: 3000,
    quiet: 5000,
    tcpcopy: ['-n', '1.5'],
  });
  const times = timesEach(outcome);
  expect(times.size, outcome.said).toBe(2000);
  expect(new Set(times.values())).toEqual(new Set([1, 2]));
  expect(Math.abs(outcome.target.length - 3000), outcome.said).toBeLessThanOrEqual(30);
  expect(outcome.target.length).toBe(counted(outcome, 'copies of these (-n)'));
});
