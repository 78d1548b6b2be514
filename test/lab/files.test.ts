// Captures of tcpdump, replayed: what the target gets is what the online server got, however fast and by however many processes.
import { gzipSync } from 'node:zlib';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sleep } from '../../lab/child.ts';
import { describe as inWords, compare, isIdentical } from '../../lab/compare.ts';
import { startHttpServer, startLoad, type RecordingServer } from '../../lab/http.ts';
import type { LoadPart } from '../../lab/load-plan.ts';
import { launchProgram, startProgram, tcpcopyArgs, interceptArgs } from '../../lab/programs.ts';
import type { RequestRecord } from '../../lab/records.ts';
import { createLab, type Lab } from '../../lab/topology.ts';

/** What was recorded: the file, and what the online server got meanwhile. */
interface Recording {
  readonly file: string;
  readonly online: readonly RequestRecord[];
}

/** Runs a load while tcpdump records it on the online host. */
async function record(
  lab: Lab,
  parts: readonly LoadPart[],
  more: string[] = [],
): Promise<Recording> {
  const online = await startHttpServer(lab, 'online');
  const file = join(lab.folder, 'online.pcap');
  const args = [
    '-i',
    'eth0',
    '-U',
    '--immediate-mode',
    '-B',
    '65536',
    '-s',
    '0',
    '-w',
    file,
    ...more,
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

const PARTS: readonly LoadPart[] = [
  { name: 'k', kind: 'keep-alive', requests: 150, rate: 50, connections: 5 },
  { name: 'n', kind: 'new', requests: 200, rate: 60, connections: 20 },
  { name: 'p', kind: 'keep-alive', requests: 20, rate: 20, connections: 2, body: 60_000 },
];

test('a capture of tcpdump replays at its own pace, ten times faster, as fast as it goes, and in three shards', async () => {
  await using lab = await createLab({ clientAddresses: 3 });
  const { file, online } = await record(lab, PARTS);
  await startProgram(lab, 'intercept', interceptArgs({ filter: null }));
  const paced = await replay(lab, 80, [['--read', file]]);
  expectSame(online, paced);
  expectSame(online, await replay(lab, 81, [['--offline', '-i', file, '-a', '10']]));
  const fast = await replay(lab, 82, [['--read', file, '-a', 'max']]);
  expectSame(online, fast);
  const shards = [0, 1, 2].map((i) => ['--read', file, '-a', '4', '--shard', `${i}/3`]);
  expectSame(online, await replay(lab, 83, shards));
  const zipped = `${file}.gz`;
  writeFileSync(zipped, gzipSync(readFileSync(file)));
  expectSame(online, await replay(lab, 84, [['--read', zipped, '-a', 'max']]));
  const twice = await replay(lab, 85, [['--read', file, '-a', 'max', '-T', '2']]);
  expect(twice.target.length, twice.said).toBe(2 * online.length);
  if (process.env['SHOW']) console.log(paced.said, fast.said, twice.said);
});
