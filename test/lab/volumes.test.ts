// At the target exactly what was online, byte for byte, nothing lost, nothing twice.
import { describe, expect, test } from 'vitest';
import { sleep } from '../../lab/child.ts';
import type { LoadPart } from '../../lab/load-plan.ts';
import { startCopying } from '../../lab/programs.ts';
import { redisContent, startRedis } from '../../lab/redis.ts';
import { createLab, type HostName, type Lab } from '../../lab/topology.ts';
import { copyLoad, expectIdentical } from './support.ts';

const LOADS: ReadonlyArray<{ what: string; parts: readonly LoadPart[] }> = [
  {
    what: '50,000 keep-alive requests over 32 connections at 5,000 a second',
    parts: [{ name: 'k', kind: 'keep-alive', requests: 50_000, rate: 5000, connections: 32 }],
  },
  {
    what: '10,000 new connections at 1,500 a second',
    parts: [{ name: 'n', kind: 'new', requests: 10_000, rate: 1500, connections: 500 }],
  },
  {
    what: 'POST bodies of 24 KB',
    parts: [
      { name: 'p', kind: 'keep-alive', requests: 800, rate: 200, connections: 8, body: 24 * 1024 },
    ],
  },
  {
    what: 'POST bodies of 200 KB',
    parts: [
      { name: 'q', kind: 'keep-alive', requests: 80, rate: 20, connections: 4, body: 200 * 1024 },
      { name: 'r', kind: 'new', requests: 40, rate: 10, connections: 10, body: 200 * 1024 },
    ],
  },
  {
    what: 'POST bodies of 5 MB',
    parts: [{ name: 'u', kind: 'new', requests: 6, rate: 2, connections: 3, body: 5 << 20 }],
  },
  {
    what: 'responses of 10 MB, requests after them on the same connection',
    parts: [
      { name: 'd', kind: 'keep-alive', requests: 8, rate: 2, connections: 2, response: 10 << 20 },
    ],
  },
  {
    what: 'HTTP pipelining, 10 deep',
    parts: [
      { name: 'l', kind: 'keep-alive', requests: 4000, rate: 1000, connections: 8, depth: 10 },
    ],
  },
  {
    what: 'HTTP pipelining of bodies, 3 deep',
    parts: [
      {
        name: 'm',
        kind: 'keep-alive',
        requests: 300,
        rate: 100,
        connections: 4,
        depth: 3,
        body: 10_000,
        response: 20_000,
      },
    ],
  },
];

describe('HTTP', () => {
  test.each(LOADS)('$what', async ({ parts }) => {
    await using lab = await createLab();
    const outcome = await copyLoad(lab, parts);
    expectIdentical(
      outcome,
      parts.reduce((sum, part) => sum + part.requests, 0),
    );
  });

  test('everything at once, from many clients, under one copied address', async () => {
    await using lab = await createLab({ clientAddresses: 4 });
    const addresses = lab.clientAddresses();
    const parts: LoadPart[] = [
      { name: 'k', kind: 'keep-alive', requests: 2000, rate: 500, connections: 16 },
      // Their own ports: two clients behind one copied address must not share one.
      ...addresses.map((address, i): LoadPart => {
        const new_ = { kind: 'new', requests: 200, rate: 50, connections: 50 } as const;
        return { ...new_, name: `n${i}`, addresses: [address], firstPort: 2000 + 1000 * i };
      }),
    ];
    expectIdentical(await copyLoad(lab, parts, { c: '10.88.0.1' }), 2800);
  });
});

describe('Redis', () => {
  test('redis-benchmark ends with equal keys and equal counts of commands', async () => {
    await using lab = await createLab();
    await startRedis(lab, 'online');
    await startRedis(lab, 'target');
    const x = `6379-${lab.ip4('target')}:6379`;
    const copying = await startCopying(lab, { x, filter: 'tcp and src port 6379' });
    const counts = ['-r', '100000', '-n', '20000', '-c', '20'];
    await lab.exec('client', 'redis-benchmark', ['-h', lab.ip4('online'), '-t', 'set', ...counts]);
    expect(await commandsSet(lab, 'online')).toBe(20_000);
    for (let i = 0; i < 200 && (await commandsSet(lab, 'target')) < 20_000; i++) await sleep(50);
    await copying.tcpcopy.stop();
    const said = copying.tcpcopy.text();
    expect(await commandsSet(lab, 'target'), said).toBe(20_000);
    expect(await redisContent(lab, 'target'), said).toEqual(await redisContent(lab, 'online'));
  });
});

/** How many SET commands a host's Redis has executed. */
async function commandsSet(lab: Lab, host: HostName): Promise<number> {
  const { stdout } = await lab.exec(host, 'redis-cli', ['info', 'commandstats']);
  return Number(/cmdstat_set:calls=(\d+)/.exec(stdout)?.[1] ?? 0);
}
