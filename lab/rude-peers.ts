// Peers that no intercept and no tcpcopy should suffer from. A program of its own:
//   node rude-peers.js DOOR       DOOR is a Door in JSON
// The parent's messages are RudeOrders, one at a time; each is answered with its result.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  Answered,
  CrowdResult,
  Door,
  Heard,
  Recording,
  RudeOrder,
  RudeSession,
} from './rude-orders.ts';
import { open, ping, register, RudePeer, settings, soon } from './rude-peer.ts';

/** Connections that are being made at once. */
const ABREAST = 200;
/** For the other side to close, or to say something, in milliseconds. */
const A_MOMENT = 2000;
const SESSIONS_PER_FRAME = 40;
const FRAMES_PER_WRITE = 100;

const door = JSON.parse(process.argv[2] ?? '{}') as Door;
/** Kept open until the program ends. */
const held: (Socket | Server | RudePeer)[] = [];
const recording: { toIntercept: Buffer; toTcpcopy: Buffer } = {
  toIntercept: Buffer.alloc(0),
  toTcpcopy: Buffer.alloc(0),
};

async function crowd(count: number, hold: boolean): Promise<CrowdResult> {
  let connected = 0;
  let failed = 0;
  let closed = 0;
  let next = 0;
  const one = async (): Promise<void> => {
    while (next++ < count) {
      try {
        const socket = await open(door);
        connected++;
        // Without a reader the end is never seen.
        socket.resume();
        socket.on('close', () => closed++);
        if (hold) held.push(socket);
        else socket.destroy();
      } catch {
        failed++;
      }
    }
  };
  await Promise.all(Array.from({ length: ABREAST }, one));
  await sleep(A_MOMENT);
  return { connected, failed, closed };
}

async function scan(count: number, text: string): Promise<CrowdResult> {
  let closed = 0;
  for (let i = 0; i < count; i++) {
    const socket = await open(door);
    socket.on('end', () => closed++);
    socket.resume();
    if (text !== '') socket.write(Buffer.from(text, 'hex'));
    await Promise.race([soon(socket, 'close'), sleep(text === '' ? 0 : 50)]);
    socket.destroy();
  }
  return { connected: count, failed: 0, closed };
}

/** Octets one after another with `pause` milliseconds between them; 0: all at once. */
async function say(octets: Buffer, pause: number): Promise<Heard> {
  const socket = await open(door);
  let text = '';
  let closed = false;
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  socket.on('close', () => {
    closed = true;
  });
  let told = 0;
  const size = pause === 0 ? octets.length : 1;
  for (; told < octets.length && !closed; told += size) {
    socket.write(octets.subarray(told, told + size));
    await Promise.race([soon(socket, 'close'), sleep(pause)]);
  }
  if (!closed) await Promise.race([soon(socket, 'close'), sleep(A_MOMENT)]);
  socket.destroy();
  return { closed, text, told };
}

async function stall(): Promise<Heard> {
  const peer = await RudePeer.introduce(door);
  const octets = register(sessions(0, 1)).subarray(0, 21);
  peer.socket.write(octets);
  while (!peer.isClosed) await soon(peer.socket, 'close');
  return { closed: true, text: peer.heard.toString('latin1'), told: octets.length };
}

/** Full to the brim with PONGs, it does not read the responses that come as well. */
async function deaf(from: string, target: string, count: number): Promise<Heard> {
  const peer = await RudePeer.introduce(door);
  const own = Array.from({ length: count }, (_, i) => ({
    client: from,
    clientPort: 20_000 + i,
    target,
    targetPort: 80,
  }));
  for (let i = 0; i < count; i += SESSIONS_PER_FRAME) {
    await peer.tell(register(own.slice(i, i + SESSIONS_PER_FRAME)));
  }
  peer.socket.pause();
  const many = Buffer.concat(Array.from({ length: 4096 }, () => ping));
  // Twelve megabytes of questions: more than both kernels and intercept keep for it.
  let told = 0;
  for (; told < 192 * many.length && !peer.isClosed; told += many.length) {
    await Promise.race([peer.tell(many), sleep(A_MOMENT)]);
  }
  for (const { clientPort } of own) {
    const socket = connect({ host: target, port: 80, localAddress: from, localPort: clientPort });
    socket.on('error', () => undefined);
    held.push(socket);
  }
  // A paused socket does not see its end; one that is written to does.
  while (!peer.isClosed) {
    await Promise.race([soon(peer.socket, 'close'), sleep(A_MOMENT)]);
    if (!peer.isClosed) peer.socket.write(ping);
  }
  return { closed: true, text: '', told };
}

/** Tells these octets, and then asks until there is an answer: what was told before has been read by then. */
async function answered(octets: readonly Buffer[]): Promise<Answered> {
  const peer = await RudePeer.introduce(door);
  held.push(peer);
  let pongs = 0;
  const count = async (): Promise<void> => {
    while (!peer.isClosed) if (await peer.isPong()) pongs++;
  };
  count().catch(() => undefined);
  for (let i = 0; i < octets.length && !peer.isClosed; i += FRAMES_PER_WRITE) {
    await peer.tell(Buffer.concat(octets.slice(i, i + FRAMES_PER_WRITE)));
  }
  let before = -1;
  while (!peer.isClosed && pongs !== before) {
    before = pongs;
    await sleep(A_MOMENT / 4);
  }
  await peer.tell(ping);
  while (!peer.isClosed && pongs === before) await sleep(A_MOMENT / 20);
  return { pongs, closed: peer.isClosed };
}

/** One change after another has been seen, so that none is lost in the next. */
async function waver(count: number): Promise<Answered> {
  const peer = await RudePeer.introduce(door);
  held.push(peer);
  let pongs = 0;
  while (pongs < count) {
    await peer.tell(Buffer.concat([settings(pongs % 2 === 0 ? 1000 : 0), ping]));
    while (!(await peer.isPong()));
    pongs++;
  }
  return { pongs, closed: peer.isClosed };
}

function sessions(first: number, count: number): RudeSession[] {
  return Array.from({ length: count }, (_, i) => {
    const n = first + i;
    const client = `10.99.${(n >>> 24) & 255}.${(n >>> 16) & 255}`;
    return { client, clientPort: n & 0xffff, target: '10.66.0.2', targetPort: 80 };
  });
}

function registrations(count: number): Buffer[] {
  const frames: Buffer[] = [];
  for (let n = 0; n < count; n += SESSIONS_PER_FRAME) {
    frames.push(register(sessions(n, Math.min(SESSIONS_PER_FRAME, count - n))));
  }
  return frames;
}

async function listening(port: number, serve: (socket: Socket) => void): Promise<true> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    serve(socket);
  });
  server.listen(port);
  await once(server, 'listening');
  held.push(server);
  return true;
}

let relayed = 0;

function relay(near: Socket): void {
  const isFirst = relayed++ === 0;
  const far = connect(door.port, door.host);
  far.on('error', () => undefined);
  near.on('data', (chunk: Buffer) => {
    if (isFirst) recording.toIntercept = Buffer.concat([recording.toIntercept, chunk]);
    far.write(chunk);
  });
  far.on('data', (chunk: Buffer) => {
    if (isFirst) recording.toTcpcopy = Buffer.concat([recording.toTcpcopy, chunk]);
    near.write(chunk);
  });
  near.on('close', () => far.destroy());
  far.on('close', () => near.destroy());
}

function recorded(): Recording {
  const { toIntercept, toTcpcopy } = recording;
  return { toIntercept: toIntercept.toString('hex'), toTcpcopy: toTcpcopy.toString('hex') };
}

function obey(order: RudeOrder): Promise<unknown> | Recording {
  switch (order.act) {
    case 'crowd':
      return crowd(order.count, order.hold);
    case 'scan':
      return scan(order.count, order.text);
    case 'say':
      return say(Buffer.from(order.text, 'hex'), 0);
    case 'drip':
      return say(Buffer.from(order.text, 'hex'), 1000);
    case 'stall':
      return stall();
    case 'deaf':
      return deaf(order.from, order.target, order.count);
    case 'ping':
      return answered(Array.from({ length: order.count }, () => ping));
    case 'register':
      return answered(registrations(order.count));
    case 'take':
      return answered([register(order.sessions)]);
    case 'waver':
      return waver(order.count);
    case 'relay':
      return listening(order.listen, relay);
    case 'recording':
      return recorded();
    case 'pretend':
      return listening(order.listen, (socket) => socket.write(Buffer.from(order.text, 'hex')));
  }
}

process.on('message', (order: RudeOrder) => {
  void (async () => {
    try {
      process.send?.(await obey(order));
    } catch (error) {
      process.send?.({ error: String(error) });
    }
  })();
});
process.stdout.write('listening\n');
