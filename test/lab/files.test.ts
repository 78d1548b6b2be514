// Captures of tcpdump, replayed: what the target gets is what the online server got, however fast and by however many processes.
import { gzipSync } from 'node:zlib';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run, sleep } from '../../lab/child.ts';
import { describe as inWords, compare, isIdentical } from '../../lab/compare.ts';
import { startHttpServer, startLoad, type RecordingServer } from '../../lab/http.ts';
import type { LoadPart } from '../../lab/load-plan.ts';
import {
  commandEnvironment,
  launchProgram,
  startProgram,
  tcpcopyArgs,
  interceptArgs,
  typed,
} from '../../lab/programs.ts';
import type { RequestRecord } from '../../lab/records.ts';
import { createLab, type Lab } from '../../lab/topology.ts';
import { openCaptureFiles } from '../../src/linux/capture-files.ts';
import { RecordState } from '../../src/ports/capture-records.ts';
import { TransferTable } from '../../src/replay/transfers.ts';
import { CaptureSieve, Side } from '../../src/runtime/capture-sieve.ts';
import { framesOf, pcapFile } from '../../src/testing/capture-files.ts';
import { address } from '../../src/testing/harness.ts';

/** What was recorded: the file, and what the online server got meanwhile. */
interface Recording {
  readonly file: string;
  readonly online: readonly RequestRecord[];
}

/** Runs a load while tcpdump records it on the online host. */
async function record(lab: Lab, parts: readonly LoadPart[], device = 'eth0'): Promise<Recording> {
  const online = await startHttpServer(lab, 'online');
  const file = join(lab.folder, 'online.pcap');
  const args = [
    '-i',
    device,
    '-U',
    '--immediate-mode',
    '-B',
    '65536',
    '-s',
    '0',
    '-w',
    file,
    'tcp port 80',
  ];
  const tcpdump = lab.spawn('online', 'tcpdump', 'tcpdump', ['-Z', 'root', ...args]);
  await tcpdump.waitFor(/listening on/);
  const result = await startLoad(lab, parts).result;
  expect(result).toMatchObject({ errors: {} });
  await sleep(500);
  await tcpdump.stop('SIGINT');
  expect(tcpdump.output()).not.toMatch(/[1-9]\d* packets dropped/);
  return { file, online: await online.records() };
}

/** Replays with one process for each list of arguments, all at once, to a port of the target; returns what the server there got, and what was said. */
async function replay(
  lab: Lab,
  port: number,
  processes: readonly (readonly string[])[],
  code = 0,
): Promise<{ target: readonly RequestRecord[]; said: string }> {
  const server: RecordingServer = await startHttpServer(lab, 'target', port);
  const x = `80-${lab.ip4('target')}:${port}`;
  const running = processes.map((args) =>
    launchProgram(lab, 'tcpcopy', tcpcopyArgs(lab, { x, tcpcopy: args })),
  );
  const exits = await Promise.all(running.map(({ child }) => child.ended));
  const said = running.map((p) => p.text()).join('\n');
  for (const exit of exits) expect(exit, said).toEqual({ code, signal: null });
  return { target: await server.records(), said };
}

function expectSame(
  online: readonly RequestRecord[],
  { target, said }: { target: readonly RequestRecord[]; said: string },
): void {
  const comparison = compare([...online], [...target]);
  const text = `${inWords(comparison)}\n${said}`;
  expect(comparison.online, text).toBeGreaterThan(0);
  expect(isIdentical(comparison), text).toBe(true);
}

/** A minute of 5,000 connections. */
const MINUTE: readonly LoadPart[] = [
  { name: 'k', kind: 'keep-alive', requests: 3000, rate: 50, connections: 50 },
  { name: 'n', kind: 'new', requests: 4948, rate: 83, connections: 20 },
  { name: 'p', kind: 'keep-alive', requests: 60, rate: 1, connections: 2, body: 60_000 },
];

test('a capture of tcpdump replays at its own pace, ten times faster, as fast as it goes, and in three shards', async () => {
  await using lab = await createLab({ clientAddresses: 3 });
  const { file, online } = await record(lab, MINUTE);
  await startProgram(lab, 'intercept', interceptArgs({ filter: null }));
  const paced = await replay(lab, 80, [['--read', file]]);
  expectSame(online, paced);
  expect(paced.said).toMatch(/microseconds late +p50 \d+, p99 \d+, last \d+/);
  expectSame(online, await replay(lab, 81, [['--offline', '-i', file, '-a', '10']]));
  expectSame(online, await replay(lab, 82, [['--read', file, '-a', 'max']]));
  const shards = [0, 1, 2].map((i) => ['--read', file, '-a', '4', '--shard', `${i}/3`]);
  expectSame(online, await replay(lab, 83, shards));
  const twice = await replay(lab, 85, [['--read', file, '-a', 'max', '-T', '2']]);
  expect(twice.target.length, twice.said).toBe(2 * online.length);
}, 600_000);

const SHORT: readonly LoadPart[] = [
  { name: 'n', kind: 'new', requests: 60, rate: 60, connections: 10 },
  { name: 'p', kind: 'keep-alive', requests: 6, rate: 20, connections: 2, body: 30_000 },
];

/** The packets of -x in some files: how long after the first, from which side, and every octet of the IP packet but its checksums. */
async function packetsIn(files: readonly string[], target: string): Promise<string[]> {
  const transfer = { address: undefined, port: 80, target: address(target), targetPort: 80 };
  const table = new TransferTable([{ ...transfer, path: { mtu: 1500 }, loopbackOnly: false }]);
  const sieve = new CaptureSieve(table);
  const records = openCaptureFiles(files);
  const found: string[] = [];
  let first = Number.NaN;
  for (;;) {
    const state = records.next();
    if (state === RecordState.ended) break;
    if (state === RecordState.pending) {
      await new Promise<void>((resolve) => records.onMore(resolve));
      continue;
    }
    const side = sieve.sift(records.record);
    if (side !== Side.client && side !== Side.server) continue;
    const { packet, view } = sieve;
    if (Number.isNaN(first)) first = records.record.time;
    const octets = Buffer.from(packet.memory.bytes.subarray(0, view.packetLength));
    // tcprewrite fills in the checksums that were left to hardware.
    octets.fill(0, 10, 12).fill(0, view.tcpOffset + 16, view.tcpOffset + 18);
    found.push(`${Math.round(records.record.time - first)} ${side} ${octets.toString('base64')}`);
  }
  expect(records.faults).toEqual([]);
  return found;
}

test('rows 61 and 114: what editcap, mergecap and tcprewrite make of a capture, and what mirrors wrap it in, is the same traffic', async () => {
  await using lab = await createLab();
  const { file, online } = await record(lab, SHORT);
  const at = (name: string): string => join(lab.folder, name);
  const wanted = await packetsIn([file], lab.ip4('target'));
  expect(wanted.length).toBeGreaterThan(500);
  const made = new Map<string, readonly string[]>();
  for (const format of ['pcapng', 'nsecpcap', 'modpcap']) {
    await run('editcap', ['-F', format, file, at(format)]);
    made.set(format, [at(format)]);
  }
  await run('editcap', ['-F', 'pcapng', '-c', '200', file, at('part.pcapng')]);
  const parts = readdirSync(lab.folder).filter((name) => name.startsWith('part_'));
  expect(parts.length).toBeGreaterThan(2);
  made.set('several files', parts.map(at).toReversed());
  await run('mergecap', ['-w', at('merged'), ...parts.map(at)]);
  made.set('mergecap', [at('merged')]);
  await run('mergecap', ['-a', '-I', 'none', '-w', at('interfaces'), ...parts.map(at).toSorted()]);
  made.set('an interface for each file', [at('interfaces')]);
  for (const [name, args] of [
    ['VLAN', ['--enet-vlan=add', '--enet-vlan-tag=7', '--enet-vlan-cfi=0', '--enet-vlan-pri=0']],
    ['Cisco HDLC', ['--dlt=hdlc', '--hdlc-control=0', '--hdlc-address=15']],
  ] as const) {
    await run('tcprewrite', [...args, `--infile=${file}`, `--outfile=${at(name)}`]);
    made.set(name, [at(name)]);
  }
  writeFileSync(at('zipped.gz'), gzipSync(readFileSync(at('pcapng'))));
  made.set('gzip', [at('zipped.gz')]);
  const packets = wanted.map((line) => line.split(' '));
  const octetsOf = (base64 = ''): Buffer => Buffer.from(base64, 'base64');
  for (const name of Object.keys(framesOf(octetsOf(packets[0]?.[2])))) {
    let linkType = 0;
    const frames = packets.map(([time, , base64]) => {
      const [type, octets] = framesOf(octetsOf(base64))[name] ?? [0, []];
      linkType = type;
      return { time: 1e15 + Number(time), octets };
    });
    writeFileSync(at(`frames ${name}`), pcapFile(frames, { little: false, linkType }));
    made.set(`frames: ${name}`, [at(`frames ${name}`)]);
  }
  for (const [name, files] of made) {
    const found = await packetsIn(files, lab.ip4('target'));
    expect(found.length, name).toBe(wanted.length);
    expect(
      found.findIndex((line, i) => line !== wanted[i]),
      name,
    ).toBe(-1);
  }
  await startProgram(lab, 'intercept', interceptArgs({ filter: null }));
  const several = parts.map(at).join(',');
  expectSame(online, await replay(lab, 80, [['--read', several, '-a', 'max']]));
  expectSame(online, await replay(lab, 81, [['--read', at('frames ERSPAN II'), '-a', '4']]));
});

test('row 115: recorded on all interfaces, damaged, without anything to copy, or missing', async () => {
  await using lab = await createLab();
  const { file, online } = await record(lab, SHORT, 'any');
  await startProgram(lab, 'intercept', interceptArgs({ filter: null }));
  expectSame(online, await replay(lab, 80, [['--read', file, '-a', 'max']]));
  const cut = join(lab.folder, 'cut.pcap');
  writeFileSync(cut, readFileSync(file).subarray(0, -5));
  const { said } = await replay(lab, 81, [['--read', cut, '-a', 'max']], 1);
  expect(said).toMatch(/cut\.pcap' is damaged at octet \d+: it ends within a packet/);
  const nothing = ['-x', `81-${lab.ip4('target')}:80`, '-s', lab.ip4('assistant'), '--read', file];
  const refused = launchProgram(lab, 'tcpcopy', nothing);
  expect(await refused.child.ended, refused.text()).toMatchObject({ code: 78 });
  expect(refused.text()).toMatch(/Nothing in the capture fits -x: among its \d+ packets/);
  const missing = launchProgram(lab, 'tcpcopy', [...nothing.slice(0, -1), '/nowhere.pcap']);
  expect(await missing.child.ended, missing.text()).toMatchObject({ code: 78 });
  expect(missing.text()).toMatch(/'\/nowhere\.pcap': there is no such file/);
});

test('several copies of what was recorded, and again in a second round', async () => {
  await using lab = await createLab();
  const { file, online } = await record(lab, SHORT);
  await startProgram(lab, 'intercept', interceptArgs({ filter: null }));
  const args = ['-c', '10.88.0.0/24', '--read', file, '-a', 'max', '-n', '3', '-T', '2'];
  const { target, said } = await replay(lab, 80, [args]);
  expect(target.length, said).toBe(6 * online.length);
});

test('from standard input', async () => {
  await using lab = await createLab();
  const { file, online } = await record(lab, SHORT);
  await startProgram(lab, 'intercept', interceptArgs({ filter: null }));
  const target = await startHttpServer(lab, 'target');
  const command = typed('tcpcopy', tcpcopyArgs(lab, { tcpcopy: ['--read', '-', '-a', '10'] }));
  const child = lab.spawn('online', 'pipe', 'sh', ['-c', `gzip -c ${file} | ${command}`], {
    env: commandEnvironment(lab),
  });
  expect(await child.ended, child.output()).toEqual({ code: 0, signal: null });
  expectSame(online, { target: await target.records(), said: child.output() });
});
