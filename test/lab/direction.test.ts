// --direction out: what a client host sends is copied there, without the online server's help.
import { expect, test } from 'vitest';
import {
  compareServers,
  drained,
  startHttpServer,
  startLoad,
  type StreamServer,
} from '../../lab/http.ts';
import { sleep } from '../../lab/child.ts';
import { describe as inWords, isIdentical } from '../../lab/compare.ts';
import type { LoadPart } from '../../lab/load-plan.ts';
import {
  commandEnvironment,
  interceptArgs,
  type Program,
  startProgram,
} from '../../lab/programs.ts';
import { createLab, type Lab } from '../../lab/topology.ts';
import { expectAllEnded, readSection } from './support.ts';

const PARTS: readonly LoadPart[] = [
  { name: 'k', kind: 'keep-alive', requests: 200, rate: 200, connections: 8 },
  { name: 'n', kind: 'new', requests: 100, rate: 100, connections: 20 },
  // Packets of 64 KB leave, with their checksums left to the hardware.
  { name: 'p', kind: 'keep-alive', requests: 20, rate: 20, connections: 4, body: 200_000 },
  { name: 'd', kind: 'keep-alive', requests: 4, rate: 4, connections: 2, response: 1 << 20 },
];
const REQUESTS = PARTS.reduce((sum, { requests }) => sum + requests, 0);
/** Each `new` is one. */
const CONNECTIONS = 8 + 100 + 4 + 2;

/** Both programs, tcpcopy on the client host. */
async function copyFromClient(
  lab: Lab,
  x: string,
  more: readonly string[] = [],
): Promise<Program[]> {
  // The clients' way back to the assistant does not lead over the online server here.
  await lab.exec('assistant', 'ip', ['route', 'add', '10.77.0.0/16', 'dev', 'eth0']);
  await lab.exec('assistant', 'ip', ['route', 'add', 'fd00:77::/64', 'dev', 'eth0']);
  const intercept = await startProgram(lab, 'intercept', interceptArgs({ filter: null }));
  const args = ['-x', x, '-s', lab.ip4('assistant'), '--direction', 'out', ...more];
  return [await startProgram(lab, 'tcpcopy', args, 'client'), intercept];
}

/** Waits until the target has no connection but those in TIME-WAIT, and for what it said last. */
async function copiesEnded(lab: Lab): Promise<void> {
  const args = ['-Htan', 'state', 'connected', 'exclude', 'time-wait'];
  for (let i = 0; i < 75; i++) {
    if ((await lab.exec('target', 'ss', args)).stdout.trim() === '') break;
    await sleep(200);
  }
  await sleep(500);
}

async function finish(
  lab: Lab,
  programs: readonly Program[],
  online: StreamServer,
  target: StreamServer,
  to: { host: string; port?: number },
): Promise<string> {
  const result = await startLoad(lab, PARTS, to).result;
  expect(result, JSON.stringify(result)).toMatchObject({ answered: REQUESTS, errors: {} });
  await drained(target, REQUESTS);
  await copiesEnded(lab);
  for (const program of programs) {
    expect(await program.stop(), program.text()).toEqual({ code: 0, signal: null });
  }
  const said = programs.map((program) => program.text()).join('\n');
  const comparison = await compareServers(online, target);
  const text = `${inWords(comparison)}\n${said}`;
  expect(comparison.online, text).toBe(REQUESTS);
  expect(isIdentical(comparison), text).toBe(true);
  const packets = readSection(said, 'packets captured');
  for (const label of [
    'bad checksum',
    'same packet seen twice',
    'no -x matches',
    'from the online server',
  ]) {
    expect(packets.parts, said).not.toHaveProperty([label]);
  }
  expectAllEnded({ said }, CONNECTIONS);
  return said;
}

test.each<{ title: string; v6: boolean; more: readonly string[]; offloads?: boolean }>([
  { title: 'IPv4', v6: false, more: ['-i', 'eth0'] },
  { title: 'IPv4, on all interfaces, without offloads', v6: false, more: [], offloads: false },
  {
    title: 'IPv4, with -F and sending on the link',
    v6: false,
    more: ['-F', 'tcp dst port 80 and dst host 10.66.0.1', '-o', 'eth0', '-i', 'eth0'],
  },
  { title: 'IPv6', v6: true, more: [] },
])(
  'a client host copies what it asks of the online server, $title',
  async ({ v6, more, offloads = true }) => {
    await using lab = await createLab({ offloads });
    const online = await startHttpServer(lab, 'online');
    const target = await startHttpServer(lab, 'target');
    const [from, to, c] = v6
      ? [`[${lab.ip6('online')}]:80`, `[${lab.ip6('target')}]:80`, 'fd00:88::/112']
      : [`${lab.ip4('online')}:80`, `${lab.ip4('target')}:80`, '10.88.0.0/24'];
    const programs = await copyFromClient(lab, `${from}-${to}`, ['-c', c, ...more]);
    const host = v6 ? lab.ip6('online') : lab.ip4('online');
    await finish(lab, programs, online, target, { host });
  },
);

test('a server on the same host: each packet is taken once, though it leaves and arrives', async () => {
  await using lab = await createLab();
  const online = await startHttpServer(lab, 'client', 8080);
  const target = await startHttpServer(lab, 'target');
  const programs = await copyFromClient(lab, `8080-${lab.ip4('target')}:80`, [
    '-c',
    '10.88.0.0/24',
  ]);
  await finish(lab, programs, online, target, { host: lab.ip4('client'), port: 8080 });
});

test('row 15: what would copy its own copies does not start', async () => {
  await using lab = await createLab();
  const args = [
    '-x',
    `80-${lab.ip4('target')}:80`,
    '-s',
    lab.ip4('assistant'),
    '--direction',
    'out',
  ];
  const result = await lab.exec('client', 'tcpcopy', args, {
    env: commandEnvironment(lab),
    mayFail: true,
  });
  expect(result.code).toBe(2);
  expect(result.stderr).toMatch(
    /with --direction out: its target 10\.66\.0\.2:80 is also a source.*without end/,
  );
});
