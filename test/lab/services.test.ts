// The programs as services: what they tell their manager, and what they keep of their privileges.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Memory } from '../../src/base/memory.ts';
import { AF_UNIX, SOCK_DGRAM } from '../../src/linux/constants.ts';
import { addressOf, libc } from '../../src/linux/libc.ts';
import { openSocket } from '../../src/linux/socket.ts';
import { UNIX_ROOM, writeUnix } from '../../src/linux/sockaddr.ts';
import { sleep } from '../../lab/child.ts';
import { drained, startHttpServer, startLoad } from '../../lab/http.ts';
import { commandEnvironment, interceptArgs, startCopying } from '../../lab/programs.ts';
import { createLab, type Lab } from '../../lab/topology.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await createLab();
});
afterAll(async () => {
  await lab[Symbol.asyncDispose]();
});

test('a manager hears when intercept is ready, that it lives, and when it ends', async () => {
  const path = join(lab.folder, 'notify');
  using manager = listenAt(path);
  const env = { ...commandEnvironment(lab), NOTIFY_SOCKET: path, WATCHDOG_USEC: '200000' };
  const child = lab.spawn('assistant', 'intercept', 'intercept', interceptArgs(), { env });
  await child.waitFor(/intercept: ready/, 15_000);
  await expect.poll(() => manager.heard(), { timeout: 15_000 }).toContain('WATCHDOG=1');
  expect(await child.stop('SIGTERM', 15_000)).toEqual({ code: 0, signal: null });
  const heard = manager.heard();
  expect([heard[0], heard.at(-1)]).toEqual(['READY=1', 'STOPPING=1']);
  expect(new Set(heard.slice(1, -1))).toEqual(new Set(['WATCHDOG=1']));
});

test('with --user no thread keeps a privilege, and an interface that is made anew is captured again', async () => {
  const log = join(lab.folder, 'user.log');
  const options = { env: commandEnvironment(lab) };
  const args = ['-i', 'new0', '-l', log, '--log-format', 'json', '--user', 'nobody'];
  const make = 'ip link add new0 type veth peer name new1 && ip link set new0 up';
  await lab.exec('assistant', 'sh', ['-c', make]);
  // The folder of the lab is for root alone, as other folders of logs are.
  const child = lab.spawn('assistant', 'intercept', 'intercept', args, options);
  await child.waitFor(/intercept: ready/, 15_000);
  const tasks = readdirSync(`/proc/${child.pid}/task`);
  expect(tasks.length).toBeGreaterThan(1);
  const nobody = statSync(log).uid;
  for (const task of tasks) {
    const status = readFileSync(`/proc/${child.pid}/task/${task}/status`, 'utf8');
    expect(status).toMatch(new RegExp(`^Uid:\\s+${nobody}\\s+${nobody}\\s+${nobody}\\s`, 'm'));
    expect(status).toMatch(/^CapPrm:\s+0+$/m);
    expect(status).toMatch(/^Groups:\s+\d+ ?$/m);
  }
  expect(nobody).not.toBe(0);

  await lab.exec('assistant', 'sh', ['-c', `ip link del new0 && sleep 0.2 && ${make}`]);
  const messages = (): string[] =>
    readFileSync(log, 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { message: string }).message);
  await expect
    .poll(messages, { timeout: 15_000 })
    .toContain("The interface 'new0' is back, and captured again");
  expect(messages()).toContain('Running as user nobody from here on');
  expect(await child.stop('SIGTERM', 15_000)).toEqual({ code: 0, signal: null });
});

test('row 116: the block at the end counts 100 short connections, as text and as JSON', async () => {
  await using hosts = await createLab();
  await startHttpServer(hosts, 'online');
  const target = await startHttpServer(hosts, 'target');
  const { tcpcopy, intercept } = await startCopying(hosts, { tcpcopy: ['--log-format', 'json'] });
  const part = { name: 's', kind: 'new', requests: 100, rate: 100, connections: 4 } as const;
  await startLoad(hosts, [part]).result;
  await drained(target, 100);
  // A copy that has ended lingers for a while, and is counted as released after that.
  await sleep(8000);
  expect(await tcpcopy.stop()).toEqual({ code: 0, signal: null });
  expect(await intercept.stop()).toEqual({ code: 0, signal: null });
  const records = tcpcopy.child.stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { message: string; statistics?: Record<string, number> });
  const { statistics } = records.findLast(({ message }) => message === 'statistics') ?? {};
  expect(statistics).toMatchObject({ conns: 100, 'send syn': 100, 'syn cnt': 100, active: 0 });
  expect(statistics).toMatchObject({ rel: 100, tw: 0, 'obs del': 0, 'resp rst': 0 });
  expect(intercept.text()).toMatch(
    /info total resp packs:\d+,all:\d+,route:100,sock write cnt:\d+/,
  );
  expect(intercept.text()).toMatch(/info search:\d+,extra compared:0,all sessions:100/);
});

/** The socket of a service manager, and everything that it has heard. */
function listenAt(path: string): { heard(): readonly string[]; [Symbol.dispose](): void } {
  const address = Memory.alloc(UNIX_ROOM);
  const fd = openSocket(AF_UNIX, SOCK_DGRAM, 0, { call: 'socket(AF_UNIX)', doing: 'listen' });
  expect(libc.bind(fd, addressOf(address), writeUnix(address, path))).toBe(0);
  const buffer = Memory.alloc(512);
  const heard: string[] = [];
  return {
    heard: () => {
      for (;;) {
        const length = libc.recv(fd, addressOf(buffer), buffer.size, 0);
        if (length < 0) return heard;
        heard.push(new TextDecoder().decode(buffer.bytes.slice(0, length)));
      }
    },
    [Symbol.dispose]: () => void libc.close(fd),
  };
}
