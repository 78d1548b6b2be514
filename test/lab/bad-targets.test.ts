// Real servers on a real kernel that do what targets should not. Clients at one address are treated badly, those at another well:
// these must not notice.
import { describe, expect, test } from 'vitest';
import { sleep } from '../../lab/child.ts';
import { startLoad } from '../../lab/http.ts';
import type { LoadPart } from '../../lab/load-plan.ts';
import type { Manner, ServerPlan } from '../../lab/stream-plan.ts';
import { runScripts, startStreamServer } from '../../lab/stream-records.ts';
import {
  BAD,
  countPackets,
  expectWhole,
  GOOD,
  openScene,
  request,
  setKernel,
  streamsOf,
} from './bad-targets.ts';

const bystanders: LoadPart = {
  name: 'good',
  kind: 'keep-alive',
  rate: 100,
  requests: 200,
  connections: 4,
  addresses: [GOOD],
};

const victims = (part: Partial<LoadPart> = {}): LoadPart => ({
  name: 'bad',
  kind: 'new',
  rate: 10,
  requests: 10,
  connections: 10,
  addresses: [BAD],
  ...part,
});

/** Packets of the bad client that are nothing but an acknowledgement, as zero-window probes are. */
const PURE_ACKS = `ip saddr ${BAD} tcp flags & (fin | syn | rst | psh) == 0 ip length <= 52`;

describe('a target that closes its window', () => {
  const upload = victims({ requests: 1, connections: 1, body: 1_000_000 });

  test('for 10 s: it is probed, and gets all of it afterwards', async () => {
    await using scene = await openScene({ target: { manner: 'pauses', pause: 10_000 } });
    const probes = await countPackets(scene.lab, 'target', PURE_ACKS);
    await scene.load(bystanders, upload);
    const before = await probes();
    await sleep(5000);
    expect(await probes()).toBeGreaterThan(before);
    await scene.settled(4000);
    const ending = await scene.end();
    expectWhole(ending, GOOD, 4);
    expectWhole(ending, BAD, 1);
    expect(ending.account, ending.said).toEqual({ 'connections seen': 5, completed: 5 });
    expect(await scene.kernelCount('TcpExtTCPZeroWindowDrop')).toBe(0);
    expect(await scene.kernelCount('TcpExtBeyondWindow')).toBe(0);
    expect(await scene.kernelCount('TcpExtTCPToZeroWindowAdv')).toBeGreaterThan(0);
  });

  test('for good: it is given up after -t', async () => {
    const options = { target: { manner: 'never reads' }, tcpcopy: ['-t', '3'] } as const;
    await using scene = await openScene(options);
    await scene.load(bystanders, upload);
    await sleep(5000);
    const ending = await scene.end();
    expectWhole(ending, GOOD, 4);
    expect(ending.account, ending.said).toEqual({
      'connections seen': 5,
      completed: 4,
      'timed out: no response': 1,
    });
    expect(await scene.kernelCount('TcpExtTCPZeroWindowDrop')).toBe(0);
    expect(await scene.kernelCount('TcpExtBeyondWindow')).toBe(0);
  });
});

describe('a target that resets', () => {
  interface Case {
    readonly manner: Manner;
    readonly plan?: ServerPlan;
    readonly body?: number;
    readonly isWhole: boolean;
  }
  const cases: readonly Case[] = [
    { manner: 'resets at once', isWhole: false },
    { manner: 'resets in the request', plan: { after: 30_000 }, body: 300_000, isWhole: false },
    { manner: 'resets after the FIN', isWhole: true },
  ];
  for (const { manner, plan, body, isWhole } of cases) {
    test(manner, async () => {
      await using scene = await openScene({ target: { manner, ...plan } });
      await scene.load(bystanders, victims({ body: body ?? 0 }));
      await scene.settled();
      const ending = await scene.end();
      expectWhole(ending, GOOD, 4);
      if (isWhole) expectWhole(ending, BAD, 10);
      for (const s of streamsOf(ending, BAD)) {
        expect(s.isPrefix).toBe(true);
        expect(s.target < s.online).toBe(!isWhole);
      }
      expect(ending.account, ending.said).toEqual({
        'connections seen': 14,
        completed: 4,
        'reset by target': 10,
      });
    });
  }

  for (const manner of ['resets after the answer', 'closes, then resets'] as const) {
    test(`${manner}, while the client is silent: its next request gets a new connection`, async () => {
      await using scene = await openScene({ target: { manner, pause: 50 } });
      const part = { kind: 'keep-alive', connections: 4, rate: 20, requests: 40 } as const;
      await scene.load(bystanders, victims(part));
      await scene.settled();
      const ending = await scene.end();
      expectWhole(ending, GOOD, 4);
      for (const s of streamsOf(ending, BAD)) {
        expect(s, ending.said).toMatchObject({ connections: 10, target: s.online, inOrder: true });
      }
      // Each request but the last of a connection was followed by a reset, and by a copy that joined it later, or by a
      // reconnection where it came before the reset; behind the last one the client's own end may have come first.
      const { account, said } = ending;
      const { completed = 0, 'reset by target': reset = 0 } = account;
      expect(completed + reset, said).toBe(account['connections seen']);
      expect(reset, said).toBeGreaterThan(0);
    });
  }

  test('because its port is closed: refused', async () => {
    await using scene = await openScene();
    await scene.target.child.stop('SIGKILL');
    await scene.load(victims());
    await sleep(500);
    const ending = await scene.end();
    expect(ending.account, ending.said).toEqual({
      'connections seen': 10,
      'refused by target': 10,
    });
    expect(streamsOf(ending, BAD).every(({ target }) => target === 0)).toBe(true);
  });
});

describe('a target that closes early', () => {
  test('after each answer: each request gets a connection of its own', async () => {
    await using scene = await openScene({ target: { manner: 'closes after the answer' } });
    const part = { kind: 'keep-alive', connections: 4, rate: 20, requests: 40 } as const;
    await scene.load(bystanders, victims(part));
    await scene.settled();
    const ending = await scene.end();
    expectWhole(ending, GOOD, 4);
    for (const s of streamsOf(ending, BAD)) {
      expect(s, ending.said).toMatchObject({ connections: 10, target: s.online, inOrder: true });
    }
    expect(ending.account, ending.said).toEqual({ 'connections seen': 8, completed: 8 });
  });

  test('before the first request', async () => {
    await using scene = await openScene({ target: { manner: 'closes at once' } });
    const scripts = [0, 1, 2, 3].map((i) => [
      { connect: { localAddress: BAD, localPort: 20_000 + i } },
      { sleep: 300 },
      { send: request(`/late/${i}`) },
      { receive: 64 },
      'end' as const,
    ]);
    await Promise.all([scene.load(bystanders), runScripts(scene.lab, scripts)]);
    await scene.settled();
    const ending = await scene.end();
    expectWhole(ending, GOOD, 4);
    for (const s of streamsOf(ending, BAD)) {
      expect(s, ending.said).toMatchObject({ connections: 2, isPrefix: true });
    }
    const { completed = 0, 'closed by target': closed = 0 } = ending.account;
    expect(completed + closed, ending.said).toBe(8);
  });

  test('in the middle of a request', async () => {
    const target = { manner: 'closes in the request', after: 30_000 } as const;
    await using scene = await openScene({ target });
    await scene.load(bystanders, victims({ body: 300_000 }));
    await scene.settled();
    const ending = await scene.end();
    expectWhole(ending, GOOD, 4);
    for (const s of streamsOf(ending, BAD)) {
      expect(s, ending.said).toMatchObject({ connections: 1, isPrefix: true });
    }
    const { 'reset by target': reset = 0, 'closed by target': closed = 0 } = ending.account;
    expect(reset + closed, ending.said).toBe(10);
    expect(ending.account, ending.said).toMatchObject({ 'connections seen': 14, completed: 4 });
  });
});

test('a target that is killed in the middle of a load, and started again', async () => {
  await using scene = await openScene();
  const part = victims({ kind: 'keep-alive', connections: 20, rate: 200, requests: 1000 });
  const short = victims({ name: 'short', rate: 20, requests: 100 });
  const load = startLoad(scene.lab, [part, short]);
  await sleep(1500);
  await scene.target.child.stop('SIGKILL');
  await sleep(1000);
  scene.target = await startStreamServer(scene.lab, 'target');
  expect(await load.result).toMatchObject({ answered: 1100, errors: {} });
  await scene.settled();
  const ending = await scene.end();
  const streams = streamsOf(ending, BAD);
  expect(streams.every(({ inOrder }) => inOrder)).toBe(true);
  // Those that lived on at the client are copied again, and miss nothing from then on.
  const long = streams.filter(({ online }) => online > 1000);
  expect(long.length).toBe(20);
  for (const s of long) {
    expect(s.connections, JSON.stringify(s)).toBe(2);
    expect(s.reachesEnd, JSON.stringify(s)).toBe(true);
  }
  expect(ending.account['refused by target'], ending.said).toBeGreaterThan(0);
  expect(ending.account['open'], ending.said).toBe(undefined);
});

test('a backlog of one under a burst of 200 connections', async () => {
  await using scene = await openScene({
    target: { backlog: 1, stall: 300 },
    prepare: (lab) => setKernel(lab, 'target', 'net/ipv4/tcp_syncookies', 0),
  });
  await scene.load(victims({ rate: 0, requests: 200, connections: 200, addresses: [GOOD, BAD] }));
  await sleep(16_000); // Longer than a SYN is repeated.
  const ending = await scene.end();
  expect(await scene.kernelCount('TcpExtListenDrops')).toBeGreaterThan(0);
  const { completed = 0, 'timed out: no SYN-ACK': unheard = 0 } = ending.account;
  expect(completed + unheard, ending.said).toBe(200);
  expect(completed, ending.said).toBeGreaterThan(0);
  const whole = ending.streams.filter((s) => s.target === s.online && s.connections === 1);
  expect(whole.length, ending.said).toBe(completed);
  expect(ending.streams.filter((s) => s.target > 0).length, ending.said).toBe(completed);
});

describe('a target that answers every SYN with a cookie', () => {
  const knobs = ['tcp_timestamps', 'tcp_window_scaling', 'tcp_sack'];
  for (const off of [[], ['tcp_timestamps'], ['tcp_window_scaling'], ['tcp_sack'], knobs]) {
    test(`to clients with ${off.length === 0 ? 'all options' : `no ${off.join(', ')}`}`, async () => {
      await using scene = await openScene({
        prepare: async (lab) => {
          await setKernel(lab, 'target', 'net/ipv4/tcp_syncookies', 2);
          for (const knob of off) await setKernel(lab, 'client', `net/ipv4/${knob}`, 0);
        },
      });
      await scene.load(bystanders, victims({ body: 50_000, response: 50_000 }));
      await scene.settled();
      const ending = await scene.end();
      expect(await scene.kernelCount('TcpExtSyncookiesRecv')).toBe(14);
      expectWhole(ending, GOOD, 4);
      expectWhole(ending, BAD, 10);
      expect(ending.account, ending.said).toEqual({ 'connections seen': 14, completed: 14 });
    });
  }
});
