import { readFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type NetfilterQueue, openNetfilterQueue } from '../../src/linux/netfilter-queue.ts';
import { wallClock } from '../../src/linux/reactor.ts';
import { ip, Recorder, sh, until, address } from './linux-rig.ts';

const QUEUE = 5;
const OPTIONS = { queue: QUEUE, maxLength: 1000, copyRange: 160, passThrough: [] } as const;
const recorder = new Recorder();
let server: Server;
let source: NetfilterQueue | undefined;
const sockets = new Set<Socket>();

/** What comes to the port of the server is queued on its way in, where the kernel has noted the time. */
const rule = (action: '-A' | '-D', chain = 'INPUT'): string =>
  sh(
    'iptables',
    action,
    chain,
    '-p',
    'tcp',
    '--dport',
    '8888',
    '-j',
    'NFQUEUE',
    '--queue-num',
    String(QUEUE),
  );

beforeEach(async () => {
  recorder.seen.length = 0;
  ip('addr replace 127.0.0.1/8 dev lo');
  server = createServer((socket) => socket.resume());
  await new Promise<void>((resolve) => server.listen(8888, '127.0.0.1', resolve));
});

afterEach(() => {
  source?.close();
  source = undefined;
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  server.close();
});

function open(options: Partial<Parameters<typeof openNetfilterQueue>[0]> = {}): NetfilterQueue {
  source = openNetfilterQueue({ ...OPTIONS, ...options });
  const opened = source;
  opened.onReadable(() => opened.receive(recorder, 64));
  return opened;
}

function call(): Socket {
  const socket = connect(8888, '127.0.0.1');
  socket.on('error', () => undefined);
  sockets.add(socket);
  return socket;
}

it('hands over what the rule queues, with its time, and drops it', async () => {
  const queue = open();
  rule('-A');
  try {
    const before = wallClock();
    const socket = call();
    await until(() => recorder.seen.length > 0, 'the SYN comes');
    expect(socket.connecting).toBe(true);
    const [syn] = recorder.seen;
    expect(syn!.bytes[0]).toBe(0x45);
    expect([syn!.length, syn!.wireLength]).toEqual([60, 60]);
    expect(syn!.receivedAt).toBeGreaterThan(before - 1e6);
    expect(queue.statistics()).toMatchObject({ received: recorder.seen.length, dropped: 0 });
  } finally {
    rule('-D');
  }
});

it('hands over the first octets of merged packets, as many as wanted', async () => {
  const queue = open();
  const payload = Buffer.alloc(200_000, 7);
  const socket = call();
  await until(() => !socket.connecting, 'it connects');
  rule('-A');
  try {
    socket.write(payload);
    await until(() => recorder.seen.some((p) => p.wireLength > 1500), 'a merged packet comes');
    expect(Math.max(...recorder.seen.map((p) => p.length))).toBe(160);
    queue.setCopyRange(3000);
    await until(() => recorder.seen.some((p) => p.length === 3000), 'more of it comes');
  } finally {
    rule('-D');
  }
});

it('what is let through arrives, merged or not', async () => {
  const queue = open({ passThrough: [address('127.0.0.1')] });
  rule('-A');
  try {
    let octets = 0;
    server.on('connection', (socket) => socket.on('data', (data) => (octets += data.length)));
    const socket = call();
    socket.write(Buffer.alloc(1_000_000, 7));
    await until(() => octets === 1_000_000, 'all of it arrives');
    expect(recorder.seen).toEqual([]);
    expect(queue.letThrough.onList).toBe(queue.statistics().received);
    expect(queue.letThrough.onList).toBeGreaterThan(10);
  } finally {
    rule('-D');
  }
});

/** Root of an ordinary user's namespace may not read what the kernel tells of queues. */
function isTold(): boolean {
  try {
    readFileSync('/proc/net/netfilter/nfnetlink_queue');
    return true;
  } catch {
    return false;
  }
}

it('tells how many packets found the queue full, and that some were made here', async () => {
  const losses: number[] = [];
  let own = 0;
  source = openNetfilterQueue({
    ...OPTIONS,
    maxLength: 2,
    onLoss: (packets) => losses.push(packets),
    onOwnPacket: () => own++,
  });
  rule('-A', 'OUTPUT');
  try {
    for (let i = 0; i < 6; i++) call();
    if (isTold()) {
      await until(() => source!.statistics().dropped >= 4, 'some find it full');
      expect(losses).toHaveLength(1);
    }
    await until(() => {
      while (source!.receive(recorder, 64) > 0);
      return recorder.seen.length === 2;
    }, 'two find room');
    expect(own).toBe(1);
    const { dropped, received } = source.statistics();
    expect(received).toBe(dropped + 2);
    source.close();
    expect(source.statistics()).toEqual({ dropped, received });
  } finally {
    rule('-D', 'OUTPUT');
  }
});

it('lets what waits die with the program, and another take the queue', () => {
  const first = open();
  const why = isTold() ? /EBUSY.*another program has this queue/ : /Cannot take packets/;
  expect(() => open()).toThrow(why);
  first.close();
  open();
});
