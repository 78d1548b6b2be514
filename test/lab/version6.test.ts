// Version 6 of the control protocol as original peers speak it, with both programs taken in by a proxy between them.
import { expect, test } from 'vitest';
import { compareServers, drained, startHttpServer, startLoad } from '../../lab/http.ts';
import { describe as inWords, isIdentical } from '../../lab/compare.ts';
import { labProgram } from '../../lab/paths.ts';
import { interceptArgs, startProgram } from '../../lab/programs.ts';
import { createLab } from '../../lab/topology.ts';

const PROXY_PORT = 36_525;
const FRESH = { name: 'n', kind: 'new', rate: 200, requests: 1000, connections: 50 } as const;
const KEEP_ALIVE = { kind: 'keep-alive', rate: 500, requests: 1000, connections: 10 } as const;
const LONG = { kind: 'new', rate: 20, requests: 40, connections: 4, response: 200_000 } as const;

async function copyOverVersion6(options: {
  tcpcopy?: readonly string[];
  intercept?: readonly string[];
}): Promise<{ tcpcopy: string; intercept: string }> {
  await using lab = await createLab();
  const online = await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
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
  const tcpcopy = await startProgram(lab, 'tcpcopy', args);
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

test('single builds: nothing is registered, and every response finds its copy', async () => {
  const single = ['--single'];
  const { tcpcopy, intercept } = await copyOverVersion6({ tcpcopy: single, intercept: single });
  expect(intercept).not.toContain('sessions registered');
  expect(tcpcopy).not.toContain('responses for no copy');
});
