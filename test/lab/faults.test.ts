// What goes wrong while the programs run.
import { expect, test } from 'vitest';
import { sleep } from '../../lab/child.ts';
import { describe as inWords, isIdentical } from '../../lab/compare.ts';
import { compareServers, drained, startHttpServer, startLoad } from '../../lab/http.ts';
import { startCopying } from '../../lab/programs.ts';
import { createLab } from '../../lab/topology.ts';

test('a control connection that breaks takes no copy with it', async () => {
  await using lab = await createLab();
  const online = await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  const { tcpcopy, intercept } = await startCopying(lab);
  const part = {
    name: 'b',
    kind: 'keep-alive',
    rate: 500,
    requests: 2000,
    connections: 20,
  } as const;
  const load = startLoad(lab, [part]);
  await sleep(1000);
  const { stdout } = await lab.exec('online', 'ss', ['-Htn', 'dport', '=', ':36524']);
  const port = /:(\d+)\s+\S+:36524/.exec(stdout)?.[1] ?? '';
  await lab.exec('online', 'ss', ['-K', 'sport', '=', `:${port}`, 'dport', '=', ':36524']);
  const { answered } = await load.result;
  await drained(target, answered);
  await tcpcopy.stop();
  await intercept.stop();
  const comparison = await compareServers(online, target);
  const said = `${tcpcopy.text()}\n${intercept.text()}`;
  expect(said).toMatch(/Lost a connection to intercept 10\.\S+: .*; 1 left/);
  expect(isIdentical(comparison), `${inWords(comparison)}\n${said}`).toBe(true);
  expect(comparison.online).toBe(2000);
});

test('responses that do not come back are complained of, with what to check', async () => {
  await using lab = await createLab();
  await startHttpServer(lab, 'online');
  await startHttpServer(lab, 'target');
  const { tcpcopy, intercept } = await startCopying(lab, { filter: 'tcp and src port 8080' });
  const part = { name: 'f', kind: 'keep-alive', rate: 20, requests: 40, connections: 4 } as const;
  await startLoad(lab, [part]).result;
  await tcpcopy.child.waitFor(/got no SYN-ACK within 15 s, and none ever did/, 40_000);
  process.kill(tcpcopy.child.pid, 'SIGUSR2');
  await tcpcopy.child.waitFor(/info connections seen +4/, 5000);
  expect((await tcpcopy.stop()).code).toBe(0);
  await intercept.stop();
  expect(tcpcopy.text()).toMatch(/timed out: no SYN-ACK +4/);
});

test('an interface that is made anew under its name is captured again', async () => {
  await using lab = await createLab();
  const online = await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  const { tcpcopy, intercept } = await startCopying(lab);
  const load = (name: string): Promise<{ answered: number }> =>
    startLoad(lab, [{ name, kind: 'new', rate: 50, requests: 50, connections: 10 }]).result;
  expect((await load('before')).answered).toBe(50);
  await drained(target, 50);
  await lab.replug('assistant');
  await intercept.child.waitFor(/captured again/, 10_000);
  expect((await load('after')).answered).toBe(50);
  await drained(target, 100);
  await tcpcopy.stop();
  await intercept.stop();
  const comparison = await compareServers(online, target);
  expect(isIdentical(comparison), `${inWords(comparison)}\n${intercept.text()}`).toBe(true);
});
