import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Memory } from '../base/memory.ts';
import type { ByteStream, StreamHandler } from '../ports/stream.ts';
import { IpAddress } from '../wire/address.ts';
import { SystemError } from './errors.ts';
import { listen, type Listener, type ListenOptions } from './tcp-listener.ts';
import { connectStream } from './tcp-connect.ts';

const LOOPBACK = IpAddress.v4(0x7f00_0001);
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

class Collector implements StreamHandler {
  readonly chunks: Buffer[] = [];
  reason: string | undefined;
  length = 0;

  handleData(memory: Memory, length: number): void {
    this.chunks.push(Buffer.from(memory.bytes.slice(0, length)));
    this.length += length;
  }

  handleClose(reason: string): void {
    expect(this.reason).toBeUndefined();
    this.reason = reason;
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('Did not happen within ten seconds');
}

const memoryOf = (text: string): Memory => {
  const memory = Memory.alloc(text.length);
  memory.bytes.set(Buffer.from(text, 'latin1'));
  return memory;
};

const say = (stream: ByteStream, text: string): boolean =>
  stream.send(memoryOf(text), 0, text.length);

async function nodeServer(): Promise<{ server: Server; port: number }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  return { server, port: (server.address() as { port: number }).port };
}

async function pairWithNode(): Promise<{ stream: ByteStream; socket: Socket }> {
  const { server, port } = await nodeServer();
  const accepted = once(server, 'connection');
  const stream = await connectStream(LOOPBACK, port, 5000);
  const [socket] = (await accepted) as [Socket];
  cleanups.push(
    () => stream.close(),
    () => socket.destroy(),
  );
  return { stream, socket };
}

function listener(
  address: IpAddress | undefined,
  options: Partial<ListenOptions> = {},
): {
  listener: Listener;
  streams: ByteStream[];
} {
  const streams: ByteStream[] = [];
  const it = listen({
    ...(address === undefined ? {} : { address }),
    port: 0,
    backlog: 128,
    onConnection: (stream) => streams.push(stream),
    ...options,
  });
  cleanups.push(
    () => it.close(),
    () => {
      for (const stream of streams) stream.close();
    },
  );
  return { listener: it, streams };
}

describe('stream', () => {
  it('carries octets both ways and tells when the peer closes', async () => {
    const { stream, socket } = await pairWithNode();
    const heard: Buffer[] = [];
    socket.on('data', (data) => heard.push(data));
    const collector = new Collector();
    stream.start(collector);
    expect(say(stream, 'xxhelloxx')).toBe(true);
    expect(stream.send(memoryOf('__part__'), 2, 4)).toBe(true);
    socket.write('answer');
    await until(() => Buffer.concat(heard).length === 13 && collector.length === 6);
    expect(Buffer.concat(heard).toString()).toBe('xxhelloxxpart');
    expect(collector.text).toBe('answer');
    socket.end();
    await until(() => collector.reason !== undefined);
    expect(collector.reason).toBe('closed by the peer');
    expect(say(stream, 'more')).toBe(false);
  });

  it('tells of a reset', async () => {
    const { stream, socket } = await pairWithNode();
    const collector = new Collector();
    stream.start(collector);
    socket.resetAndDestroy();
    await until(() => collector.reason !== undefined);
    expect(collector.reason).toBe('connection reset by peer (ECONNRESET)');
  });

  it('queues for a slow peer up to its limit, then refuses, and delivers all it took', async () => {
    const { stream, socket } = await pairWithNode();
    socket.pause();
    stream.start(new Collector());
    const piece = Memory.alloc(64 * 1024);
    let taken = 0;
    for (let i = 0; i < 10_000; i++) {
      new DataView(piece.bytes.buffer).setUint32(0, i);
      if (!stream.send(piece, 0, piece.size)) break;
      taken++;
    }
    expect(taken).toBeLessThan(10_000);
    expect(stream.backlog).toBeGreaterThan(1024 * 1024 - 2 * piece.size);
    expect(stream.backlog).toBeLessThanOrEqual(1024 * 1024);
    const received: Buffer[] = [];
    let length = 0;
    socket.on('data', (data) => {
      received.push(data);
      length += data.length;
    });
    socket.resume();
    await until(() => length === taken * piece.size);
    const all = Buffer.concat(received);
    for (let i = 0; i < taken; i++) expect(all.readUInt32BE(i * piece.size)).toBe(i);
    expect(stream.backlog).toBe(0);
    expect(say(stream, 'again')).toBe(true);
  });

  it('sends in order what was queued before start', async () => {
    const { stream, socket } = await pairWithNode();
    const heard: Buffer[] = [];
    socket.on('data', (data) => heard.push(data));
    for (const word of ['a', 'b', 'c']) say(stream, word);
    stream.start(new Collector());
    await until(() => Buffer.concat(heard).toString() === 'abc');
  });

  it('may be closed by its own handler', async () => {
    const { stream, socket } = await pairWithNode();
    const collector = new Collector();
    stream.start({
      handleData: (memory, length) => {
        collector.handleData(memory, length);
        stream.close();
      },
      handleClose: (reason) => collector.handleClose(reason),
    });
    socket.on('error', () => {});
    socket.write('first');
    await once(socket, 'close');
    expect(collector.text).toBe('first');
    expect(collector.reason).toBeUndefined();
    stream.close();
  });
});

describe('connectStream', () => {
  it('names the refused peer', async () => {
    const { server, port } = await nodeServer();
    server.close();
    await once(server, 'close');
    const error = await connectStream(LOOPBACK, port, 5000).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(SystemError);
    expect((error as SystemError).code).toBe('ECONNREFUSED');
    expect((error as SystemError).message).toContain(
      `Cannot connect to 127.0.0.1:${port}: connect`,
    );
  });
});

describe('listener', () => {
  it('serves both families when no address is given', async () => {
    const dual = listener(undefined);
    const a = createConnection(dual.listener.port, '127.0.0.1');
    cleanups.push(() => a.destroy());
    await until(() => dual.streams.length === 1);
    expect(dual.streams[0]?.peer).toMatch(/^127\.0\.0\.1:\d+$/);
    const b = createConnection(dual.listener.port, '::1');
    cleanups.push(() => b.destroy());
    await until(() => dual.streams.length === 2);
    expect(dual.streams[1]?.peer).toMatch(/^\[::1\]:\d+$/);
  });

  it('names the port that is in use and how to find who has it', () => {
    const { listener: first } = listener(LOOPBACK);
    const again = (): unknown =>
      listen({ address: LOOPBACK, port: first.port, backlog: 1, onConnection: () => {} });
    expect(again).toThrow(SystemError);
    expect(again).toThrow(
      `EADDRINUSE (address already in use): another process listens on port ${first.port}; find it with: ss -ltnp`,
    );
  });

  it('names an address that is not of this host', () => {
    const far = (): unknown =>
      listen({ address: IpAddress.v4(0xcb00_7101), port: 0, backlog: 1, onConnection: () => {} });
    expect(far).toThrow(/listen on 203\.0\.113\.1:0.*EADDRNOTAVAIL.*no interface/);
  });

  it('takes a thousand connections and talks on each', async () => {
    const echo = listener(LOOPBACK, {
      backlog: 1024,
      onConnection: (stream) => {
        cleanups.push(() => stream.close());
        stream.start({
          handleData: (memory, length) => void stream.send(memory, 0, length),
          handleClose: () => {},
        });
      },
    });
    const collectors: Collector[] = [];
    for (let i = 0; i < 1000; i++) {
      const stream = await connectStream(LOOPBACK, echo.listener.port, 5000);
      cleanups.push(() => stream.close());
      const collector = new Collector();
      collectors.push(collector);
      stream.start(collector);
      expect(say(stream, `message ${i}`)).toBe(true);
    }
    await until(() => collectors.every((c, i) => c.text === `message ${i}`));
  });
});
