import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { Memory } from '../base/memory.ts';
import { AF_UNIX, SOCK_DGRAM } from './constants.ts';
import { addressOf, libc } from './libc.ts';
import { openServiceManager } from './service-manager.ts';
import { openSocket } from './socket.ts';
import { UNIX_ROOM, writeUnix } from './sockaddr.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

/** A socket such as systemd has; returns what has come since it was asked before. */
function listenAt(path: string): () => string[] {
  const address = Memory.alloc(UNIX_ROOM);
  const fd = openSocket(AF_UNIX, SOCK_DGRAM, 0, { call: 'socket', doing: 'test' });
  cleanups.push(() => libc.close(fd));
  expect(libc.bind(fd, addressOf(address), writeUnix(address, path))).toBe(0);
  const buffer = Memory.alloc(512);
  return () => {
    const messages: string[] = [];
    for (;;) {
      const length = libc.recv(fd, addressOf(buffer), 512, 0);
      if (length < 0) return messages;
      messages.push(new TextDecoder().decode(buffer.bytes.slice(0, length)));
    }
  };
}

function temporaryPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tcpcopy-notify-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  return join(folder, 'notify');
}

describe('openServiceManager', () => {
  it('tells a socket with a path, and takes the variables away', () => {
    const path = temporaryPath();
    const received = listenAt(path);
    const environment = { NOTIFY_SOCKET: path, WATCHDOG_USEC: '1', WATCHDOG_PID: '1', OTHER: 'x' };
    const manager = openServiceManager(environment);
    expect(environment).toEqual({ OTHER: 'x' });
    manager.ready();
    manager.status('312 copied\nnow');
    manager.stopping();
    manager.close();
    manager.status('too late');
    expect(received()).toEqual(['READY=1', 'STATUS=312 copied now', 'STOPPING=1']);
  });

  it('knows the abstract namespace', () => {
    const name = `tcpcopy-test-${process.pid}`;
    const received = listenAt(`\0${name}`);
    const manager = openServiceManager({ NOTIFY_SOCKET: `@${name}` });
    manager.ready();
    manager.close();
    expect(received()).toEqual(['READY=1']);
  });

  it('gives signs of life from ready to close when it is the process that is watched', async () => {
    const path = temporaryPath();
    const received = listenAt(path);
    const variables = { NOTIFY_SOCKET: path, WATCHDOG_USEC: '4000' };
    const manager = openServiceManager({ ...variables, WATCHDOG_PID: String(process.pid) });
    await sleep(20);
    expect(received()).toEqual([]);
    manager.ready();
    const messages = received();
    while (!messages.includes('WATCHDOG=1')) {
      await sleep(2);
      messages.push(...received());
    }
    manager.close();
    received();
    await sleep(20);
    expect(received()).toEqual([]);
    expect(messages[0]).toBe('READY=1');
  });

  it.each([
    { title: 'no variable', NOTIFY_SOCKET: undefined },
    { title: 'a socket that is not there', NOTIFY_SOCKET: '/nonexistent/notify' },
    { title: 'a path that is too long', NOTIFY_SOCKET: `/${'x'.repeat(120)}` },
  ])('does nothing with $title', ({ NOTIFY_SOCKET }) => {
    const manager = openServiceManager(NOTIFY_SOCKET === undefined ? {} : { NOTIFY_SOCKET });
    manager.ready();
    manager.stopping();
    manager.close();
  });
});
