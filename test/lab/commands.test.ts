// The commands of the manual, typed as they stand there, and the life of a daemon.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sleep } from '../../lab/child.ts';
import { compareServers, drained, startHttpServer, startLoad } from '../../lab/http.ts';
import { isIdentical } from '../../lab/compare.ts';
import { commandEnvironment, startCopying } from '../../lab/programs.ts';
import { createLab, type HostName, type Lab } from '../../lab/topology.ts';
import { readSection, selector } from './support.ts';

/** Types a line on a host. A daemon must let go of the terminal, or this does not return. */
async function type(lab: Lab, host: HostName, line: string): Promise<void> {
  await lab.exec(host, 'sh', ['-c', line], { env: commandEnvironment(lab) });
}

async function pids(lab: Lab, host: HostName): Promise<number[]> {
  const { stdout } = await lab.exec(host, 'ip', ['netns', 'pids', lab.namespace(host)]);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
}

/** Waits until a process is gone; false when it stays. */
async function gone(pid: number): Promise<boolean> {
  for (let i = 0; i < 200; i++) {
    try {
      process.kill(pid, 0);
    } catch {
      return true;
    }
    await sleep(50);
  }
  return false;
}

test('the three commands, with -d, copy the requests of curl', async () => {
  await using lab = await createLab();
  const online = await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  const [there, assistant] = [lab.ip4('target'), lab.ip4('assistant')];
  await type(lab, 'target', `ip route add 10.88.0.1 via ${assistant}`);
  await type(lab, 'assistant', `intercept -i eth0 -F 'tcp and src port 80' -d`);
  await type(
    lab,
    'online',
    `tcpcopy -x 80-${there}:80 -s ${assistant} -c 10.88.0.1 -n 1 -d -r 20 -M 1460`,
  );
  const ports = 'for p in $(seq 20000 20099); do';
  const curl = `curl -s -o /dev/null --local-port $p http://${lab.ip4('online')}/curl/$p; done`;
  await type(lab, 'client', `${ports} ${curl}`);
  expect(await online.count()).toBe(100);

  const wanted: string[] = [];
  for (let port = 20_000; port < 20_100; port++) {
    if (selector('10.88.0.1', port) < 20) wanted.push(`/curl/${port}`);
  }
  expect(wanted.length).toBeGreaterThan(10);
  await drained(target, wanted.length);
  const records = await target.records();
  expect(records.map((r) => r.path).sort()).toEqual(wanted.sort());
  expect(new Set(records.map((r) => r.peer.split(':')[0]))).toEqual(new Set(['10.88.0.1']));
});

test('row 12: daemons write pid file and log, and SIGTERM ends them in order', async () => {
  await using lab = await createLab();
  const online = await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  const file = (name: string): string => join(lab.folder, name);
  const files = (name: string): string => `-d -P ${file(`${name}.pid`)} -l ${file(`${name}.log`)}`;
  await type(lab, 'assistant', `intercept -i eth0 -F 'tcp and src port 80' ${files('intercept')}`);
  const addresses = `-x 80-${lab.ip4('target')}:80 -s ${lab.ip4('assistant')}`;
  await type(lab, 'online', `tcpcopy ${addresses} ${files('tcpcopy')}`);
  const part = { name: 'k', kind: 'keep-alive', requests: 200, rate: 200, connections: 4 } as const;
  await startLoad(lab, [part]).result;
  await drained(target, 200);
  expect(isIdentical(await compareServers(online, target))).toBe(true);

  for (const [name, host] of [
    ['tcpcopy', 'online'],
    ['intercept', 'assistant'],
  ] as const) {
    const pid = Number(readFileSync(file(`${name}.pid`), 'utf8').trim());
    expect(await pids(lab, host)).toContain(pid);
    process.kill(pid, 'SIGTERM');
    expect(await gone(pid), `${name} ends`).toBe(true);
    expect(readFileSync(file(`${name}.log`), 'utf8')).not.toBe('');
  }
});

test.each(['SIGINT', 'SIGTERM'] as const)(
  'row 118: %s resets the open copies at the target, each once, after a last block',
  async (signal) => {
    await using lab = await createLab();
    await startHttpServer(lab, 'online');
    await startHttpServer(lab, 'target');
    const { tcpcopy } = await startCopying(lab);
    // Connections that stay open: their requests come slowly.
    const part = {
      name: 'k',
      kind: 'keep-alive',
      requests: 10_000,
      rate: 20,
      connections: 8,
    } as const;
    startLoad(lab, [part]);
    for (let i = 0; i < 200 && (await established(lab)) < 8; i++) await sleep(50);
    expect(await established(lab), tcpcopy.text()).toBe(8);
    expect(await tcpcopy.child.stop(signal)).toEqual({ code: 0, signal: null });
    for (let i = 0; i < 100 && (await established(lab)) > 0; i++) await sleep(50);
    expect(await established(lab), tcpcopy.text()).toBe(0);
    const said = tcpcopy.text();
    // The block is written before they are reset, as in the original; the account after it.
    expect(said).toMatch(/info active:8,rel:0,obs del:0,tw:0$/m);
    expect(readSection(said, 'packets sent to targets').parts['RST'], said).toBe(8);
  },
);

/** Connections that the target takes for established. */
async function established(lab: Lab): Promise<number> {
  const { stdout } = await lab.exec('target', 'cat', ['/proc/net/tcp', '/proc/net/tcp6']);
  return stdout.split('\n').filter((line) => /^ *\d+: \S+:0050 \S+ 01 /.test(line)).length;
}
