// --udp: what clients ask a name server over UDP and TCP arrives at the target, in datagrams of any size, as often as -n says.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sleep } from '../../lab/child.ts';
import { inconsistencies, readAccount } from '../../lab/account.ts';
import {
  type DatagramServer,
  dig,
  exchangeDatagrams,
  startDatagramServer,
} from '../../lab/datagrams.ts';
import {
  type CopyOptions,
  interceptArgs,
  launchProgram,
  startCopying,
  startProgram,
  tcpcopyArgs,
} from '../../lab/programs.ts';
import { createLab, type Lab, type LabOptions } from '../../lab/topology.ts';
import type { DatagramRecord } from '../../lab/udp-plan.ts';
import { selector } from './support.ts';

/** What both servers got, and what the programs said. */
interface Outcome {
  readonly online: readonly DatagramRecord[];
  readonly target: readonly DatagramRecord[];
  readonly queries: { readonly online: number; readonly target: number };
  readonly said: string;
  /** What stands under "packets captured". */
  readonly packets: ReadonlyMap<string, number>;
}

interface Servers {
  readonly online: DatagramServer;
  readonly target: DatagramServer;
}

const names = (count: number, prefix: string): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}.example`);

/** Sizes around the borders of one, two and three packets, and the longest of all. */
const SIZES = [
  600, 1232, 1452, 1453, 1472, 1473, 1480, 2411, 2952, 2953, 4096, 7777, 9000, 31_331, 65_507,
];

/** Waits until the target has as many datagrams as it is to get; a little longer, so that any too many are seen. */
async function drained(servers: Servers, times: number): Promise<void> {
  const wanted = times * (await servers.online.records()).length;
  for (let i = 0; i < 100 && (await servers.target.records()).length < wanted; i++) await sleep(50);
  await sleep(500);
}

/** Has what `load` asks of the online server copied with --udp. */
async function copied(
  options: CopyOptions & { readonly lab?: LabOptions; readonly times?: number },
  load: (lab: Lab) => Promise<void>,
): Promise<Outcome> {
  await using lab = await createLab(options.lab);
  const servers = {
    online: await startDatagramServer(lab, 'online'),
    target: await startDatagramServer(lab, 'target'),
  };
  const { tcpcopy, intercept } = await startCopying(lab, {
    x: `53-${lab.ip4('target')}:53,53-[${lab.ip6('target')}]:53`,
    filter: null,
    ...options,
    tcpcopy: ['--udp', ...(options.tcpcopy ?? [])],
  });
  await load(lab);
  await drained(servers, options.times ?? 1);
  expect(await tcpcopy.stop(), tcpcopy.text()).toEqual({ code: 0, signal: null });
  await intercept.stop();
  return await outcomeOf(servers, tcpcopy.text(), intercept.text());
}

async function outcomeOf({ online, target }: Servers, said: string, more = ''): Promise<Outcome> {
  const account = readAccount(said);
  expect(inconsistencies(account), said).toEqual([]);
  return {
    online: await online.records(),
    target: await target.records(),
    queries: { online: await online.queries(), target: await target.queries() },
    said: `${said}\n${more}`,
    packets: account.get('packets captured')?.parts ?? new Map(),
  };
}

const digests = (records: readonly DatagramRecord[]): string[] =>
  records.map(({ digest }) => digest).toSorted();

/** The target got what the online server got, each `times`. */
function expectSame({ online, target, said }: Outcome, times = 1): void {
  expect(online.length).toBeGreaterThan(0);
  const expected = online.flatMap((record) => Array.from({ length: times }, () => record));
  expect(digests(target), said).toEqual(digests(expected));
}

test('dig over UDP and TCP: every question arrives at the target', async () => {
  const outcome = await copied({ c: '10.88.0.x,fd00:88::/112' }, async (lab) => {
    const server = lab.ip4('online');
    const answers = await dig(lab, server, names(40, 'u'));
    expect(answers).toEqual(Array.from({ length: 40 }, () => '192.0.2.1'));
    expect((await dig(lab, server, names(10, 't'), '+tcp')).length).toBe(10);
    expect((await dig(lab, server, names(20, 'v'))).length).toBe(20);
  });
  expect(outcome.online.length).toBe(60);
  expectSame(outcome);
  for (const { address } of outcome.target) expect(address).toMatch(/^10\.88\.0\./);
  const ports = (records: readonly DatagramRecord[]): number[] => records.map(({ port }) => port);
  expect(ports(outcome.target)).toEqual(ports(outcome.online));
  expect(outcome.queries).toEqual({ online: 10, target: 10 });
  expect(outcome.packets.get('UDP: copied'), outcome.said).toBe(60);
  expect(outcome.said).toMatch(/udp captured:60,udp sent:60/);
});

test.each([
  ['IPv4', false, undefined],
  ['IPv6', true, undefined],
  ['IPv4, a short path to the target', false, { targetMtu: 1300 }],
  ['IPv6, a short path to the target', true, { targetMtu: 1280 }],
  ['IPv4, checksums in software', false, { offloads: false }],
] as const)('datagrams of up to 65,507 octets arrive whole: %s', async (_, six, lab) => {
  // The MSS of the target tells connections what its way carries; for datagrams only -M does.
  const narrow = lab !== undefined && 'targetMtu' in lab ? ['-M', String(lab.targetMtu)] : [];
  const outcome = await copied({ ...(lab && { lab }), tcpcopy: narrow }, async (l) => {
    const host = six ? l.ip6('online') : l.ip4('online');
    // Of IPv6 the longest is 65,527 octets, which no socket of Linux sends either.
    await exchangeDatagrams(l, { host, port: 53, sizes: SIZES });
  });
  expectSame(outcome);
  expect(outcome.target.map(({ length }) => length)).toEqual(SIZES);
  // The kernel of the online host counts only datagrams; each of them came in many fragments.
  expect(outcome.packets.get('UDP: copied'), outcome.said).toBeGreaterThan(60);
  expect([...outcome.packets.keys()].filter((name) => name.startsWith('UDP')).length).toBe(1);
});

test.each([
  ['IPv4', false],
  ['IPv6', true],
] as const)(
  '-n 3 triples questions and long datagrams, each from a port of its own: %s',
  async (_, six) => {
    const outcome = await copied({ times: 3, tcpcopy: ['-n', '3'] }, async (lab) => {
      const host = six ? lab.ip6('online') : lab.ip4('online');
      await dig(lab, host, names(20, 'n'));
      await exchangeDatagrams(lab, { host, port: 53, sizes: [4096, 700, 5000] });
    });
    expect(outcome.online.length).toBe(23);
    expectSame(outcome, 3);
    for (const { digest, address, port } of outcome.online) {
      const copies = outcome.target.filter((record) => record.digest === digest);
      expect(copies.map((copy) => copy.address)).toEqual([address, address, address]);
      expect(new Set(copies.map((copy) => copy.port)).size).toBe(3);
      expect(copies.map((copy) => copy.port)).toContain(port);
    }
  },
);

test('-r leaves flows out, and -n 1.5 gives half of the flows one copy more', async () => {
  const outcome = await copied({ tcpcopy: ['-r', '50', '-n', '1.5'] }, async (lab) => {
    await exchangeDatagrams(lab, {
      host: lab.ip4('online'),
      port: 53,
      sizes: Array.from({ length: 200 }, () => 800),
    });
  });
  expect(outcome.online.length).toBe(200);
  const chosen = outcome.online.filter(({ address, port }) => selector(address, port) < 50);
  const taken = chosen.length;
  expect(outcome.packets.get('UDP: copied'), outcome.said).toBe(taken);
  expect(outcome.packets.get('UDP: not sampled'), outcome.said).toBe(200 - taken);
  const times = new Map<string, number>();
  for (const { digest } of outcome.target) times.set(digest, (times.get(digest) ?? 0) + 1);
  expect([...times.keys()].toSorted(), outcome.said).toEqual(digests(chosen));
  expect(new Set(times.values())).toEqual(new Set([1, 2]));
});

test('copies to another port of the online host are not copied again, though the capture sees their fragments', async () => {
  await using lab = await createLab();
  const host = lab.ip4('online');
  const servers = {
    online: await startDatagramServer(lab, 'online'),
    target: await startDatagramServer(lab, 'online', 5353),
  };
  const { tcpcopy, intercept } = await startCopying(lab, {
    x: `53-${host}:5353`,
    filter: null,
    tcpcopy: ['--udp'],
  });
  await exchangeDatagrams(lab, { host, port: 53, sizes: [700, 4096, 9000] });
  await dig(lab, host, names(5, 'u'));
  await drained(servers, 1);
  await tcpcopy.stop();
  await intercept.stop();
  const outcome = await outcomeOf(servers, tcpcopy.text());
  expectSame(outcome);
  expect(outcome.said).toMatch(/^ {2}UDP datagrams +8$/m);
  expect(outcome.packets.get('UDP: fragment, others did not come'), outcome.said).toBeGreaterThan(
    0,
  );
});

test('without --udp no datagram is copied', async () => {
  await using lab = await createLab();
  const online = await startDatagramServer(lab, 'online');
  const target = await startDatagramServer(lab, 'target');
  const { tcpcopy, intercept } = await startCopying(lab, {
    x: `53-${lab.ip4('target')}:53`,
    filter: null,
  });
  await dig(lab, lab.ip4('online'), names(5, 'u'));
  await dig(lab, lab.ip4('online'), names(5, 't'), '+tcp');
  for (let i = 0; i < 100 && (await target.queries()) < 5; i++) await sleep(50);
  await tcpcopy.stop();
  await intercept.stop();
  expect([(await online.records()).length, await target.queries()]).toEqual([5, 5]);
  expect(await target.records()).toEqual([]);
  expect(tcpcopy.text()).not.toContain('UDP');
});

test('a capture of tcpdump with questions, connections and fragments is replayed, as fast as it goes and in two shards', async () => {
  await using lab = await createLab();
  const online = await startDatagramServer(lab, 'online');
  const file = join(lab.folder, 'dns.pcap');
  const args = ['-Z', 'root', '-i', 'eth0', '-U', '--immediate-mode', '-s', '0', '-w', file];
  const tcpdump = lab.spawn('online', 'tcpdump', 'tcpdump', [...args, 'ip and not port 36524']);
  await tcpdump.waitFor(/listening on/);
  const host = lab.ip4('online');
  await dig(lab, host, names(30, 'u'));
  await dig(lab, host, names(5, 't'), '+tcp');
  await exchangeDatagrams(lab, { host, port: 53, sizes: [700, 4096, 9000, 3000, 3001, 3002] });
  await sleep(500);
  await tcpdump.stop('SIGINT');
  await startProgram(lab, 'intercept', interceptArgs({ filter: null }));
  for (const [port, shards] of [
    [53, [[]]],
    [
      54,
      [
        ['--shard', '0/2'],
        ['--shard', '1/2'],
      ],
    ],
  ] as const) {
    const target = await startDatagramServer(lab, 'target', port);
    const x = `53-${lab.ip4('target')}:${port}`;
    const running = shards.map((shard) =>
      launchProgram(
        lab,
        'tcpcopy',
        tcpcopyArgs(lab, { x, tcpcopy: ['--udp', '--read', file, '-a', 'max', ...shard] }),
      ),
    );
    const exits = await Promise.all(running.map(({ child }) => child.ended));
    const said = running.map((program) => program.text()).join('\n');
    for (const exit of exits) expect(exit, said).toEqual({ code: 0, signal: null });
    const outcome = await outcomeOf({ online, target }, said);
    expect(outcome.online.length).toBe(36);
    expectSame(outcome);
    expect(outcome.queries, said).toEqual({ online: 5, target: 5 });
    expect(said).toMatch(/\(\d+ of them UDP\)/);
  }
});
