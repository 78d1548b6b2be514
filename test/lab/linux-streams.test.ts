import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectStream } from '../../src/linux/tcp-connect.ts';
import type { SystemError } from '../../src/linux/errors.ts';
import { listen } from '../../src/linux/tcp-listener.ts';
import type { ByteStream } from '../../src/ports/stream.ts';
import { address, ip, makePeer, removePeer, runIn, until } from './linux-rig.ts';

beforeAll(() => makePeer('peer7'));
afterAll(() => removePeer('peer7'));

describe('connectStream', () => {
  it('gives up when nobody answers', async () => {
    ip('neigh replace 10.8.0.77 lladdr 02:00:00:00:00:77 dev pa nud permanent');
    const error = await connectStream(address('10.8.0.77'), 9, 50).catch((e: unknown) => e);
    expect((error as SystemError).code).toBe('ETIMEDOUT');
    expect((error as Error).message).toContain('no answer within 50 ms');
  });

  it('says that there is no route', async () => {
    const error = await connectStream(address('203.0.113.9'), 9, 5000).catch((e: unknown) => e);
    expect((error as SystemError).code).toBe('ENETUNREACH');
  });

  it('says that the peer’s kernel refuses, over IPv6 too', async () => {
    const error = await connectStream(address('fd08::2'), 9, 5000).catch((e: unknown) => e);
    expect((error as Error).message).toMatch(/^Cannot connect to \[fd08::2\]:9: .*ECONNREFUSED/);
  });
});

describe('listener', () => {
  it('rests when there are no descriptors left, and goes on when there are', async () => {
    const errors: SystemError[] = [];
    const streams: ByteStream[] = [];
    const listener = listen({
      port: 0,
      backlog: 16,
      onConnection: (stream) => streams.push(stream),
      onError: (error) => errors.push(error),
    });
    // Both need descriptors to start, so they start now and wait for a word.
    const limit = /Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    const set = (n: string): string => `prlimit --pid=${process.pid} --nofile=${n}: && echo done`;
    const shell = spawn('sh', ['-c', `read go; ${set('1')}; read go; ${set(limit as string)}`]);
    const client = await runIn(
      'peer7',
      `process.on('SIGUSR2', () => require('net').connect(${listener.port}, '10.8.0.1'));
       console.log('ready'); setInterval(() => {}, 1000);`,
    );
    shell.stdin.write('go\n');
    await once(shell.stdout, 'data');
    client.kill('SIGUSR2');
    await until(() => listener.failures >= 2, 'two failed attempts');
    expect(streams).toHaveLength(0);
    expect(errors.map((e) => e.code)).toEqual(['EMFILE']);
    expect(errors[0]?.message).toMatch(/accept a connection on port \d+.*ulimit -n/);
    shell.stdin.write('go\n');
    await until(() => streams.length === 1, 'the connection accepted after all');
    client.kill();
    for (const stream of streams) stream.close();
    listener.close();
  });
});
