// A limit on the memory of tcpcopy under a load that needs more: it stays within the limit, says what it sheds, and recovers.
import { expect, test } from 'vitest';
import { inconsistencies, readAccount } from '../../lab/account.ts';
import { sleep } from '../../lab/child.ts';
import { startHttpServer, startLoad } from '../../lab/http.ts';
import type { LoadPart } from '../../lab/load-plan.ts';
import { startCopying } from '../../lab/programs.ts';
import { startStreamServer } from '../../lab/stream-records.ts';
import { createLab } from '../../lab/topology.ts';
import { BAD, GOOD } from './bad-targets.ts';
import { readSection } from './support.ts';

const LIMIT_MB = 200;
/** Of the limit, in kilooctets, with the tenth that it may be exceeded by. */
const MOST = LIMIT_MB * 1024 * 1.1;
const TIMEOUT_S = 8;

const part = (name: string, rest: Partial<LoadPart>): LoadPart => ({
  name,
  kind: 'new',
  requests: 200,
  connections: 20,
  rate: 200,
  addresses: [GOOD],
  ...rest,
});

test('row 119: -m 200 under a load that needs more: within a tenth of it, what is shed is counted, and it recovers', async () => {
  await using lab = await createLab({ clientAddresses: 2 });
  await startHttpServer(lab, 'online');
  const target = await startStreamServer(lab, 'target', { to: BAD, manner: 'never reads' });
  const tcpcopy = ['-m', String(LIMIT_MB), '-t', String(TIMEOUT_S)];
  const programs = await startCopying(lab, { tcpcopy });
  // Older than the load, and at work all through it.
  const steady = startLoad(lab, [
    part('steady', { kind: 'keep-alive', connections: 4, rate: 50, requests: 400 }),
  ]).result;
  await sleep(1000);
  // What the target does not read is held: 300 MB.
  const heavy = part('heavy', { requests: 300, rate: 0, body: 1_000_000, addresses: [BAD] });
  expect(await startLoad(lab, [heavy]).result).toMatchObject({ answered: 300, errors: {} });
  await steady;
  await sleep((TIMEOUT_S + 4) * 1000);
  expect(await startLoad(lab, [part('after', {})]).result).toMatchObject({ answered: 200 });
  await sleep(2000);
  const { peak } = programs.tcpcopy.usage();
  const ends = [await programs.tcpcopy.stop(), await programs.intercept.stop()];
  const said = programs.tcpcopy.text();
  expect(ends, said).toEqual(Array(2).fill({ code: 0, signal: null }));
  expect(peak, said).toBeLessThanOrEqual(MOST);
  const { parts } = readSection(said, 'connections seen');
  const missed = (parts['shed (-m)'] ?? 0) + (parts['not begun: -m'] ?? 0);
  expect(missed, said).toBeGreaterThan(100);
  expect(parts, said).not.toHaveProperty(['evicted (--max-held-octets-total)']);
  expect(inconsistencies(readAccount(said))).toEqual([]);
  const got = target
    .records()
    .filter(({ peer }) => peer.startsWith(`${GOOD}:`))
    .reduce((sum, { octets }) => sum + (octets.match(/GET /g)?.length ?? 0), 0);
  expect(got, said).toBe(600);
});
