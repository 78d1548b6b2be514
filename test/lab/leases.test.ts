// Several tcpcopy with the same -c: each copies everything, from places that the others do not have, and gets its own responses.
import { expect, test } from 'vitest';
import { sleep } from '../../lab/child.ts';
import { drained, startHttpServer, startLoad, type StreamServer } from '../../lab/http.ts';
import type { LoadPart } from '../../lab/load-plan.ts';
import {
  type CopyOptions,
  interceptArgs,
  type Program,
  startProgram,
  tcpcopyArgs,
} from '../../lab/programs.ts';
import { createLab, type HostName, type Lab } from '../../lab/topology.ts';
import { readSection } from './support.ts';

const KEPT = 1500;
const FRESH = 500;
const REQUESTS = KEPT + FRESH;
/** Beyond those that the kernel of the client chooses from. */
const FIRST_PORT = 65_001;

/** Connections that stay, and some with one request each. */
const load = (lab: Lab, name: string, firstPort?: number): LoadPart[] => {
  const addresses = lab.clientAddresses();
  const ports = firstPort === undefined ? {} : { firstPort };
  const fresh = { kind: 'new', requests: FRESH, rate: 100, connections: 20, ...ports } as const;
  return [
    { name: `${name}k`, kind: 'keep-alive', requests: KEPT, rate: 300, connections: 24, addresses },
    { name: `${name}n`, addresses, ...fresh },
  ];
};

const number = (program: Program, label: string): number =>
  Number(new RegExp(`${label}:? +(\\d+)`).exec(program.text())?.[1] ?? 0);

const moved = (program: Program): number => number(program, 'of these, moved to another port');
const refused = (intercept: Program): number =>
  number(intercept, 'registrations refused, another tcpcopy has the address and port');

async function stopAll(programs: readonly Program[]): Promise<string> {
  for (const program of programs) expect(await program.stop()).toEqual({ code: 0, signal: null });
  return programs.map((p) => `${p.child.name}:\n${p.text()}`).join('\n');
}

/** The paths that begin with `prefix` and did not arrive exactly `times` times, and how often they did. */
async function expectEach(
  target: StreamServer,
  prefix: string,
  wanted: { readonly requests: number; readonly times: number },
  said: string,
): Promise<void> {
  const times = new Map<string, number>();
  for (const { path } of await target.records()) {
    if (path.startsWith(prefix)) times.set(path, (times.get(path) ?? 0) + 1);
  }
  expect(
    [...times].filter(([, count]) => count !== wanted.times),
    said,
  ).toEqual([]);
  expect(times.size, said).toBe(wanted.requests);
}

/** Every copy came to a good end. */
function expectCompleted(program: Program): void {
  const text = program.text();
  const several = text.includes('copies of these (-n)');
  const { parts } = readSection(text, several ? 'copies of these \\(-n\\)' : 'connections seen');
  expect(Object.keys(parts), text).toEqual(['completed']);
}

/** And each got responses of its own only. */
function expectWhole(program: Program): void {
  expectCompleted(program);
  const text = program.text();
  expect(text).not.toContain('responses for no copy');
  expect(text).not.toContain('refusals that came too late');
}

async function startTwo(
  lab: Lab,
  hosts: readonly HostName[],
  options: CopyOptions = { c: '10.88.1.0/29' },
): Promise<Program[]> {
  const all: Program[] = [];
  for (const host of hosts)
    all.push(await startProgram(lab, 'tcpcopy', tcpcopyArgs(lab, options), host));
  return all;
}

test.each<[string, number, CopyOptions?]>([
  ['each once', 1],
  ['each three times (-n 3)', 3, { c: '10.88.1.0/29', tcpcopy: ['-n', '3'] }],
  ['without -c', 1, {}],
])('two on one host, the same clients, %s', async (_name, n, options) => {
  await using lab = await createLab({ clientAddresses: 6 });
  await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  const intercept = await startProgram(lab, 'intercept', interceptArgs());
  const tcpcopies = await startTwo(lab, ['online', 'online'], options);
  expect((await startLoad(lab, load(lab, 'a')).result).answered).toBe(REQUESTS);
  await drained(target, 2 * n * REQUESTS, 8000);
  const said = await stopAll([...tcpcopies, intercept]);
  await expectEach(target, '/a', { requests: REQUESTS, times: 2 * n }, said);
  for (const program of tcpcopies) expectWhole(program);
  const moves = tcpcopies.reduce((sum, program) => sum + moved(program), 0);
  // At first both want the same place each time; then they know.
  expect(moves, said).toBeGreaterThan(0);
  expect(refused(intercept), said).toBeGreaterThanOrEqual(moves);
  expect(moves, said).toBeLessThan(FRESH / 2);
});

test('two on two hosts, each with clients of its own that become the same', async () => {
  await using lab = await createLab({ clientAddresses: 6, more: ['online2'] });
  await startHttpServer(lab, 'online');
  await startHttpServer(lab, 'online2');
  const target = await startHttpServer(lab, 'target');
  const intercept = await startProgram(lab, 'intercept', interceptArgs());
  const tcpcopies = await startTwo(lab, ['online', 'online2']);
  // The clients of both have the same ports, of their connections with one request each.
  const loads = [
    startLoad(lab, load(lab, 'a', FIRST_PORT)),
    startLoad(lab, load(lab, 'b', FIRST_PORT), { host: lab.ip4('online2') }),
  ];
  for (const { result } of loads) expect((await result).answered).toBe(REQUESTS);
  await drained(target, 2 * REQUESTS, 8000);
  const said = await stopAll([...tcpcopies, intercept]);
  await expectEach(target, '/a', { requests: REQUESTS, times: 1 }, said);
  await expectEach(target, '/b', { requests: REQUESTS, times: 1 }, said);
  for (const program of tcpcopies) expectWhole(program);
  expect(refused(intercept), said).toBeGreaterThan(0);
});

test('two on one host with two intercepts: a refusal by either moves the copy', async () => {
  await using lab = await createLab({ clientAddresses: 6, more: ['assistant2'] });
  await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  const hosts: HostName[] = ['assistant', 'assistant2'];
  const intercepts: Program[] = [];
  for (const host of hosts) {
    intercepts.push(await startProgram(lab, 'intercept', interceptArgs(), host));
  }
  const servers = hosts.map((host) => lab.ip4(host)).join(',');
  const x = `80-${lab.ip4('target')}:80`;
  const args = ['-x', x, '-s', servers, '-c', '10.88.1.0/30,10.89.1.0/30'];
  const tcpcopies = [
    await startProgram(lab, 'tcpcopy', args),
    await startProgram(lab, 'tcpcopy', args),
  ];
  expect((await startLoad(lab, load(lab, 'a')).result).answered).toBe(REQUESTS);
  await drained(target, 2 * REQUESTS, 8000);
  const said = await stopAll([...tcpcopies, ...intercepts]);
  await expectEach(target, '/a', { requests: REQUESTS, times: 2 }, said);
  for (const intercept of intercepts) expect(refused(intercept), said).toBeGreaterThan(0);
});

test('one of two is killed and started again: what begins afterwards is whole', async () => {
  await using lab = await createLab({ clientAddresses: 6 });
  await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  const intercept = await startProgram(lab, 'intercept', interceptArgs());
  const [first, second] = (await startTwo(lab, ['online', 'online'])) as [Program, Program];
  const early = startLoad(lab, load(lab, 'early'));
  await sleep(2000);
  first.child.process.kill('SIGKILL');
  await intercept.child.waitFor(/tcpcopy at \S+ disconnected/);
  const [again] = (await startTwo(lab, ['online'])) as [Program];
  expect((await startLoad(lab, load(lab, 'late')).result).answered).toBe(REQUESTS);
  expect((await early.result).answered).toBe(REQUESTS);
  await drained(target, 4 * REQUESTS, 8000);
  const said = await stopAll([second, again, intercept]);
  await expectEach(target, '/late', { requests: REQUESTS, times: 2 }, said);
  expectCompleted(second);
  expect(moved(second) + moved(again), said).toBeGreaterThan(0);
});
