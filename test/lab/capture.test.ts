// What is captured: on which interfaces, how much of each packet, and the loopback interface.
import { expect, test } from 'vitest';
import { startLoad } from '../../lab/http.ts';
import type { LoadPart } from '../../lab/load-plan.ts';
import { createLab } from '../../lab/topology.ts';
import { addExit, counted } from './exit.ts';
import { copyLoad, expectIdentical, peerOf } from './support.ts';

const part = (name: string, more: Partial<LoadPart> = {}): LoadPart => ({
  name,
  kind: 'new',
  requests: 60,
  rate: 120,
  connections: 10,
  ...more,
});

test.each<{ list: string; copied: readonly string[] }>([
  { list: 'eth0', copied: ['first'] },
  { list: 'eth1', copied: ['second'] },
  { list: 'eth0,eth1', copied: ['first', 'second'] },
  { list: 'any', copied: ['first', 'second'] },
])('-i $list', async ({ list, copied }) => {
  await using lab = await createLab();
  await addExit(lab);
  await lab.exec('client', 'ip', ['route', 'add', '10.67.0.0/24', 'dev', 'eth0']);
  const wanted = 60 * copied.length;
  let second: Promise<unknown> = Promise.resolve();
  const outcome = await copyLoad(lab, [part('first')], {
    c: '10.88.0.0/24',
    tcpcopy: ['-i', list],
    wanted,
    quiet: 1500,
    beforeStop: async () => {
      await second;
    },
    begin: () => {
      second = startLoad(lab, [part('second')], { host: '10.67.0.1' }).result;
    },
  });
  const got = outcome.target.map(({ path }) => path.split('/')[1]);
  for (const name of ['first', 'second']) {
    const count = got.filter((other) => other === name).length;
    expect(count, outcome.said).toBe(copied.includes(name) ? 60 : 0);
  }
  expect(counted(outcome.said, 'same packet seen twice')).toBe(0);
});

test('row 14: connections from a loopback address, with -H', async () => {
  await using lab = await createLab();
  const outcome = await copyLoad(lab, [part('own'), part('kept', { kind: 'keep-alive' })], {
    tcpcopy: ['-H', '10.88.0.7'],
    to: { host: '127.0.0.1', from: 'online' },
  });
  expectIdentical(outcome, 120);
  expect(new Set(outcome.target.map((record) => peerOf(record).address))).toEqual(
    new Set(['10.88.0.7']),
  );
  expect(counted(outcome.said, 'same packet seen twice')).toBe(0);
});

test.each([
  { title: 'the filter made from -x', filter: [] },
  { title: '-F', filter: ['-F', 'tcp dst port 80'] },
])('-S cuts what is longer, which is counted and not copied, with $title', async ({ filter }) => {
  await using lab = await createLab();
  const parts = [part('short'), part('long', { body: 1000 })];
  const outcome = await copyLoad(lab, parts, {
    c: '10.88.0.0/24',
    tcpcopy: ['-S', '400', '--gap-timeout', '1', ...filter],
    wanted: 60,
    quiet: 1500,
  });
  expect(outcome.said).toMatch(/warn -S 400: longer packets cannot be copied/);
  const got = outcome.target.map(({ path }) => path.split('/')[1]);
  expect(
    got.filter((name) => name === 'short'),
    outcome.said,
  ).toHaveLength(60);
  expect(got.filter((name) => name === 'long')).toEqual([]);
  expect(counted(outcome.said, 'not usable: cut by the capture'), outcome.said).toBeGreaterThan(59);
});
