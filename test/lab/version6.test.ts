// Version 6 of the control protocol as original peers speak it, with both programs taken in by a proxy between them.
import { expect, test } from 'vitest';
import { compareServers, drained, startHttpServer, startLoad } from '../../lab/http.ts';
import { describe as inWords, isIdentical } from '../../lab/compare.ts';
import { labProgram } from '../../lab/paths.ts';
import { interceptArgs, type Program, startProgram } from '../../lab/programs.ts';
import { createLab, type Lab } from '../../lab/topology.ts';

const PROXY_PORT = 36_525;
const FRESH = { name: 'n', kind: 'new', rate: 200, requests: 1000, connections: 50 } as const;
const KEEP_ALIVE = { kind: 'keep-alive', rate: 500, requests: 1000, connections: 10 } as const;
const LONG = { kind: 'new', rate: 20, requests: 40, connections: 4, response: 200_000 } as const;

/** Beyond what copying needs. */
interface Options {
  tcpcopy?: readonly string[];
  intercept?: readonly string[];
}

/** Both programs, each of which takes the other for an original. */
async function startOverVersion6(
  lab: Lab,
  options: Options,
): Promise<{ tcpcopy: Program; intercept: Program }> {
  const intercept = await startProgram(lab, 'intercept', interceptArgs(options));
  const proxy = lab.spawn('assistant', 'proxy', process.execPath, [
    labProgram('version6-proxy'),
    String(PROXY_PORT),
    lab.ip4('assistant'),
    '36524',
  ]);
  await proxy.waitFor(/listening/);
  const x = `80-${lab.ip4('target')}:80`;
  const s = `${lab.ip4('assistant')}:${PROXY_PORT}`;
  const args = ['-x', x, '-s', s, ...(options.tcpcopy ?? [])];
  return { tcpcopy: await startProgram(lab, 'tcpcopy', args), intercept };
}

async function copyOverVersion6(options: Options): Promise<{ tcpcopy: string; intercept: string }> {
  await using lab = await createLab();
  const online = await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  const { tcpcopy, intercept } = await startOverVersion6(lab, options);
  const parts = [FRESH, { name: 'k', ...KEEP_ALIVE }, { name: 'l', ...LONG }];
  const { answered } = await startLoad(lab, parts).result;
  expect(answered).toBe(2040);
  await drained(target, answered);
  await tcpcopy.stop();
  await intercept.stop();
  const comparison = await compareServers(online, target);
  const said = `${inWords(comparison)}\n${tcpcopy.text()}\n${intercept.text()}`;
  expect(isIdentical(comparison), said).toBe(true);
  expect(tcpcopy.text()).toContain('Speaking version 6 of the control protocol');
  expect(tcpcopy.text()).not.toMatch(/Lost a connection|not readable|at intercept/);
  return { tcpcopy: tcpcopy.text(), intercept: intercept.text() };
}

test('row 128: the default builds', async () => {
  const { intercept } = await copyOverVersion6({});
  expect(intercept).toMatch(/sessions registered: 10[5-9]\d/);
});

test('row 40: builds with payload', async () => {
  const payload = ['--with-resp-payload'];
  await copyOverVersion6({ tcpcopy: payload, intercept: payload });
});

test('builds without frames', async () => {
  const bare = ['--disable-combined'];
  await copyOverVersion6({ tcpcopy: bare, intercept: bare });
});

test.each<[string, Options, RegExp]>([
  ['tcpcopy', { tcpcopy: ['--disable-combined'] }, /give this option to both, or leave it out/],
  ['intercept', { intercept: ['--disable-combined'] }, /give tcpcopy this option, too/],
])(
  'row 45: with --disable-combined on %s alone, tcpcopy says what helps',
  async (_name, options, remedy) => {
    await using lab = await createLab();
    await startHttpServer(lab, 'online');
    await startHttpServer(lab, 'target');
    const tcpcopyOptions = ['-C', '1', ...(options.tcpcopy ?? [])];
    const { tcpcopy } = await startOverVersion6(lab, { ...options, tcpcopy: tcpcopyOptions });
    const load = startLoad(lab, [{ name: 'k', ...KEEP_ALIVE, requests: 20 }]);
    await tcpcopy.child.waitFor(remedy);
    expect((await load.result).answered).toBe(20);
    expect((await tcpcopy.child.ended).code).toBe(69);
  },
);

test('single builds: nothing is registered, and every response finds its copy', async () => {
  const single = ['--single'];
  const { tcpcopy, intercept } = await copyOverVersion6({ tcpcopy: single, intercept: single });
  expect(intercept).not.toContain('sessions registered');
  expect(tcpcopy).not.toContain('responses for no copy');
});
