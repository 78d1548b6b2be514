import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Door, RudeSession } from './rude-orders.ts';

// docs/control-protocol.md, written anew from the text so that nothing here leans on what it tries.
const OFFER: Buffer = Buffer.from('0000000000000006544350580001', 'hex');
const SWITCH: Buffer = Buffer.from('0000000000005854000000000000', 'hex');
const HELLO_LENGTH = 44;
const MARK_LENGTH = 2;
const PROOF_FRAME_LENGTH = 40;
const AUTHENTICATE = 1;
const SETTINGS = 2;
const REGISTER = 3;
const PING = 129;
const PONG = 130;

export function frame(type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(body.length);
  head[4] = type;
  return Buffer.concat([head, body]);
}

export const ping: Buffer = frame(PING, Buffer.alloc(8));

export function settings(payload: number): Buffer {
  const body = Buffer.alloc(4);
  body.writeUInt32BE(payload);
  return frame(SETTINGS, body);
}

/** Forty sessions at most. */
export function register(sessions: readonly RudeSession[]): Buffer {
  return frame(REGISTER, Buffer.concat(sessions.map(sessionRecord)));
}

function sessionRecord(session: RudeSession): Buffer {
  const record = Buffer.alloc(40);
  mapped(session.client).copy(record, 0);
  mapped(session.target).copy(record, 16);
  record.writeUInt16BE(session.clientPort, 32);
  record.writeUInt16BE(session.targetPort, 34);
  return record;
}

const mapped = (v4: string): Buffer =>
  Buffer.from([...Array.from({ length: 10 }, () => 0), 255, 255, ...v4.split('.').map(Number)]);

/** A connection, not yet introduced. Rejects when there is none, or no TLS. */
export async function open(door: Door): Promise<Socket> {
  const { host, port, ca, from } = door;
  const where = { host, port, ...(from !== undefined && { localAddress: from }) };
  const socket = ca === undefined ? connect(where) : connectTls({ ...where, ca: readFileSync(ca) });
  await once(socket, ca === undefined ? 'connect' : 'secureConnect');
  // What ends it is seen by 'close'.
  socket.on('error', () => undefined);
  return socket;
}

/** Resolves at the first of the events; unlike `once` of Node, it does not reject at an error. */
export function soon(socket: Socket, ...events: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of events) socket.off(event, done);
      resolve();
    };
    for (const event of events) socket.on(event, done);
  });
}

/** A tcpcopy, as far as its first words go. */
export class RudePeer {
  readonly socket: Socket;
  /** What has been read since the introduction. */
  heard: Buffer = Buffer.alloc(0);
  isClosed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.heard = Buffer.concat([this.heard, chunk]);
    });
    socket.on('close', () => {
      this.isClosed = true;
    });
  }

  /** Connects, changes to the extended protocol and proves the key, if there is one. */
  static async introduce(door: Door): Promise<RudePeer> {
    const socket = await open(door);
    const peer = new RudePeer(socket);
    socket.write(OFFER);
    const hello = await peer.take(HELLO_LENGTH);
    const proof = door.key === undefined ? [] : [proofOf(door, socket, hello)];
    socket.write(Buffer.concat([SWITCH, ...proof]));
    await peer.take(MARK_LENGTH + proof.length * PROOF_FRAME_LENGTH);
    return peer;
  }

  /** The next octets. Rejects when the other side closes before they are there. */
  async take(length: number): Promise<Buffer> {
    while (this.heard.length < length) {
      if (this.isClosed) throw new Error(`closed after ${this.heard.length} of ${length} octets`);
      await soon(this.socket, 'data', 'close');
    }
    const taken = this.heard.subarray(0, length);
    this.heard = this.heard.subarray(length);
    return taken;
  }

  /** Reads a frame and tells whether it is a PONG. */
  async isPong(): Promise<boolean> {
    const head = await this.take(8);
    await this.take(head.readUInt32BE());
    return head[4] === PONG;
  }

  /** Writes, and waits while the kernel takes nothing. */
  async tell(octets: Buffer): Promise<void> {
    if (this.socket.write(octets) || this.isClosed) return;
    await soon(this.socket, 'drain', 'close');
  }
}

function proofOf({ key = '', ca }: Door, socket: Socket, hello: Buffer): Buffer {
  const nonce = randomBytes(32);
  const exporter = 'EXPORTER-Channel-Binding';
  const binding =
    ca === undefined
      ? Buffer.alloc(32)
      : (socket as TLSSocket).exportKeyingMaterial(32, exporter, Buffer.alloc(0));
  const proof = createHmac('sha256', key)
    .update('tcpcopy to intercept')
    .update(Buffer.from([0, 1]))
    .update(hello.subarray(4))
    .update(nonce)
    .update(binding)
    .digest();
  return frame(AUTHENTICATE, Buffer.concat([nonce, proof]));
}
