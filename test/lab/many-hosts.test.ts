// Several online servers, targets and assistants at once: everything arrives, and every response finds its owner and nobody else.
import { expect, test } from 'vitest';
import { compare, describe as inWords, isIdentical } from '../../lab/compare.ts';
import { drained, startHttpServer, startLoad, type StreamServer } from '../../lab/http.ts';
import type { LoadPart } from '../../lab/load-plan.ts';
import { interceptArgs, type Program, startProgram } from '../../lab/programs.ts';
import { createLab, type HostName, type Lab } from '../../lab/topology.ts';

const REQUESTS = 10_000;
const RATE = 1000;

/** Most of it on connections that stay, some with a connection each. */
const partsOf = (lab: Lab, name: string): LoadPart[] => {
  const addresses = lab.clientAddresses();
  const few = REQUESTS / 10;
  const keep = { kind: 'keep-alive', requests: REQUESTS - few, rate: RATE * 0.9 } as const;
  const fresh = { kind: 'new', requests: few, rate: RATE * 0.1, connections: 20 } as const;
  return [
    { name: `${name}k`, connections: 36, addresses, ...keep },
    { name: `${name}n`, addresses, ...fresh },
  ];
};

/** Copies come from both networks, half of the twelve clients in each, so that either assistant sees some of their responses. */
const copiesOf = (n: number): string => `10.88.${n}.0/29,10.89.${n}.0/29`;

async function startIntercepts(lab: Lab): Promise<Program[]> {
  const hosts: HostName[] = ['assistant', 'assistant2'];
  return Promise.all(hosts.map((host) => startProgram(lab, 'intercept', interceptArgs(), host)));
}

function startTcpcopy(lab: Lab, host: HostName, x: string, n: number): Promise<Program> {
  const servers = `${lab.ip4('assistant')},${lab.ip4('assistant2')}`;
  return startProgram(lab, 'tcpcopy', ['-x', x, '-s', servers, '-c', copiesOf(n)], host);
}

async function stopAll(programs: readonly Program[]): Promise<string> {
  for (const program of programs) await program.stop();
  return programs.map((p) => `${p.child.name}:\n${p.text()}`).join('\n');
}

/** Of a load, what one server saw of it and what the other did. */
async function expectCopied(
  name: string,
  online: StreamServer,
  target: StreamServer,
  said: string,
): Promise<void> {
  const of = async (server: StreamServer) =>
    (await server.records()).filter(({ path }) => path.startsWith(`/${name}`));
  const comparison = compare(await of(online), await of(target));
  expect(comparison.online).toBe(REQUESTS);
  expect(isIdentical(comparison), `${inWords(comparison)}\n${said}`).toBe(true);
}

const numberOf = (program: Program, label: string): number =>
  Number(new RegExp(`${label}:? +(\\d+)`).exec(program.text())?.[1] ?? 0);

/** Both assistants brought responses, and nobody got one that was not its own. */
function expectOwnResponses(tcpcopies: readonly Program[], intercepts: readonly Program[]): void {
  for (const program of tcpcopies) {
    expect(numberOf(program, 'responses received')).toBeGreaterThan(REQUESTS);
    expect(program.text()).not.toContain('responses for no copy');
  }
  for (const program of intercepts) {
    expect(numberOf(program, 'sent to tcpcopy')).toBeGreaterThan(REQUESTS / 4);
    expect(program.text()).not.toMatch(/dropped/);
  }
}

test('two online servers, one target, two intercepts', async () => {
  await using lab = await createLab({ more: ['online2', 'assistant2'], clientAddresses: 12 });
  const target = await startHttpServer(lab, 'target');
  const onlines = [await startHttpServer(lab, 'online'), await startHttpServer(lab, 'online2')];
  const intercepts = await startIntercepts(lab);
  const x = `80-${lab.ip4('target')}:80`;
  const tcpcopies = [
    await startTcpcopy(lab, 'online', x, 1),
    await startTcpcopy(lab, 'online2', x, 2),
  ];
  const loads = [
    startLoad(lab, partsOf(lab, 'a')),
    startLoad(lab, partsOf(lab, 'b'), { host: lab.ip4('online2') }),
  ];
  for (const { result } of loads) expect((await result).answered).toBe(REQUESTS);
  await drained(target, 2 * REQUESTS, 5000);
  const said = await stopAll([...tcpcopies, ...intercepts]);
  await expectCopied('a', onlines[0] as StreamServer, target, said);
  await expectCopied('b', onlines[1] as StreamServer, target, said);
  expectOwnResponses(tcpcopies, intercepts);
});

test('one online server, two targets, two intercepts', async () => {
  await using lab = await createLab({ more: ['target2', 'assistant2'], clientAddresses: 12 });
  const targets = [await startHttpServer(lab, 'target'), await startHttpServer(lab, 'target2')];
  const onlines = [await startHttpServer(lab, 'online'), await startHttpServer(lab, 'online', 81)];
  const intercepts = await startIntercepts(lab);
  const x = `80-${lab.ip4('target')}:80,81-${lab.ip4('target2')}:80`;
  const tcpcopy = await startTcpcopy(lab, 'online', x, 1);
  const loads = [
    startLoad(lab, partsOf(lab, 'a')),
    startLoad(lab, partsOf(lab, 'b'), { port: 81 }),
  ];
  for (const { result } of loads) expect((await result).answered).toBe(REQUESTS);
  await drained(targets[0] as StreamServer, REQUESTS, 5000);
  await drained(targets[1] as StreamServer, REQUESTS, 5000);
  const said = await stopAll([tcpcopy, ...intercepts]);
  await expectCopied('a', onlines[0] as StreamServer, targets[0] as StreamServer, said);
  await expectCopied('b', onlines[1] as StreamServer, targets[1] as StreamServer, said);
  expectOwnResponses([tcpcopy], intercepts);
});
