// Programs that are killed and started again in the middle of a load.
import { expect, test } from 'vitest';
import { sleep } from '../../lab/child.ts';
import { compare, describe as inWords, isIdentical } from '../../lab/compare.ts';
import { compareServers, drained, startHttpServer, startLoad } from '../../lab/http.ts';
import { interceptArgs, startCopying, startProgram, tcpcopyArgs } from '../../lab/programs.ts';
import { createLab } from '../../lab/topology.ts';

const KEEP_ALIVE = { kind: 'keep-alive', rate: 400, requests: 4800, connections: 20 } as const;
const FRESH = { kind: 'new', rate: 50, requests: 600, connections: 20 } as const;

test('intercept is killed and started again: every request arrives all the same', async () => {
  await using lab = await createLab();
  const online = await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  const options = { filter: null };
  const { tcpcopy, intercept } = await startCopying(lab, options);
  const load = startLoad(lab, [
    { name: 'k', ...KEEP_ALIVE },
    { name: 'n', ...FRESH },
  ]);
  await sleep(3000);
  intercept.child.process.kill('SIGKILL');
  await tcpcopy.child.waitFor(/Lost a connection to intercept .*; 0 left, trying again/);
  await sleep(1000);
  const before = await target.count();
  const again = await startProgram(lab, 'intercept', interceptArgs(options));
  await tcpcopy.child.waitFor(/All connections to intercept \S+ are there again/, 3000);
  const { answered } = await load.result;
  expect(answered).toBe(5400);
  await drained(target, answered, 10_000);
  expect(await target.count()).toBeGreaterThan(before);
  await tcpcopy.stop();
  await again.stop();
  const comparison = await compareServers(online, target);
  const said = `${inWords(comparison)}\n${tcpcopy.text()}\n${again.text()}`;
  expect(isIdentical(comparison), said).toBe(true);
  expect(comparison.online).toBe(5400);
});

test('tcpcopy is killed and started again: copying goes on, and no stale route answers', async () => {
  await using lab = await createLab();
  const online = await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  const { tcpcopy, intercept } = await startCopying(lab);
  const early = startLoad(lab, [{ name: 'early', ...KEEP_ALIVE }]);
  await sleep(3000);
  tcpcopy.child.process.kill('SIGKILL');
  await intercept.child.waitFor(/tcpcopy at \S+ disconnected/);
  const copied = await target.count();
  const again = await startProgram(lab, 'tcpcopy', tcpcopyArgs(lab));
  const missed = (await early.progress()).sent - copied;
  const late = startLoad(lab, [{ name: 'late', ...FRESH }]);
  expect((await late.result).answered).toBe(600);
  expect((await early.result).answered).toBe(4800);
  await drained(target, 5400, 10_000);
  await again.stop();
  await intercept.stop();
  // What was under way when it was killed is lost; what began afterwards is not.
  const of = (records: Awaited<ReturnType<typeof online.records>>, name: string) =>
    records.filter(({ path }) => path.startsWith(`/${name}/`));
  const [here, there] = [await online.records(), await target.records()];
  const fresh = compare(of(here, 'late'), of(there, 'late'));
  const said = `${inWords(fresh)}\n${again.text()}\n${intercept.text()}`;
  expect(isIdentical(fresh), said).toBe(true);
  // Connections that were open go on in their middle, in copies of their own.
  const joined = compare(of(here, 'early'), of(there, 'early'));
  expect(joined.altered + joined.duplicated + joined.unexpected, inWords(joined)).toBe(0);
  // A request that was on its way at the start may be taken for the rest of one, on each connection.
  const bound = missed + 2 * KEEP_ALIVE.connections;
  expect(
    joined.lost,
    `${missed} missed, ${inWords(joined)}
${again.text()}`,
  ).toBeLessThanOrEqual(bound);
  expect(again.text()).not.toContain('responses for no copy');
});
