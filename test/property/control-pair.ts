import { createHmac } from 'node:crypto';
import { FlowKey } from '../../src/base/flow-key.ts';
import type { Memory } from '../../src/base/memory.ts';
import { InterceptEnd, type InterceptEndOptions } from '../../src/control/intercept-end.ts';
import type { Signer } from '../../src/control/signer.ts';
import type { ControlTarget } from '../../src/control/small-frames.ts';
import { TcpcopyEnd, type TcpcopyEndOptions } from '../../src/control/tcpcopy-end.ts';
import { formatEndpoint, IpAddress } from '../../src/wire/address.ts';
import { PacketView } from '../../src/wire/packet-view.ts';
import { memoryOf } from './wire-packets.ts';

/** A key that anybody can see, for tests. */
export const signerOf = (text: string): Signer => ({
  sign: (message) => createHmac('sha256', text).update(message).digest(),
});

export const CLIENT_NONCE: Uint8Array = Uint8Array.from({ length: 32 }, (_, i) => 0xc0 + (i & 15));
export const SERVER_NONCE: Uint8Array = Uint8Array.from({ length: 32 }, (_, i) => i);

/** Writes down what it is told, one line each. */
export class TcpcopySide {
  readonly heard: string[] = [];
  readonly end: TcpcopyEnd;

  constructor(options: Partial<TcpcopyEndOptions> = {}) {
    const all = { key: null, nonce: CLIENT_NONCE, ...options };
    this.end = new TcpcopyEnd(all, {
      handleResponse: (memory, offset, length, wireLength, receivedAt) => {
        const octets = hex(memory.bytes.slice(offset, offset + length));
        this.heard.push(`response ${wireLength} ${receivedAt} ${octets}`);
      },
      handleStage: (stage) => this.heard.push(`stage ${stage}`),
      handleTaken: (key) => this.heard.push(`taken ${keyText(key)}`),
      handleCount: (id, value) => this.heard.push(`count ${id} ${value}`),
      handlePong: (token) => this.heard.push(`pong ${token}`),
    });
  }
}

export class InterceptSide {
  readonly heard: string[] = [];
  readonly end: InterceptEnd;

  constructor(options: Partial<InterceptEndOptions> = {}) {
    const all = { key: null, nonce: SERVER_NONCE, allowOriginal: true, ...options };
    this.end = new InterceptEnd(all, {
      handleVersion: (version) => this.heard.push(`version ${version}`),
      handleExtended: (proven) => this.heard.push(`extended ${proven}`),
      handleInstance: (instance) => this.heard.push(`instance ${instance}`),
      handleSessionAdd: (key) => this.heard.push(`add ${keyText(key)}`),
      handleSessionDelete: (key) => this.heard.push(`delete ${keyText(key)}`),
      handleTargets: (targets) => this.heard.push(`targets ${targetsText(targets)}`),
      handlePayloadWanted: (octets) => this.heard.push(`payload ${octets}`),
      handlePong: (token) => this.heard.push(`pong ${token}`),
    });
  }
}

const targetsText = (targets: readonly ControlTarget[]): string =>
  targets.map((target) => formatEndpoint(target.address, target.port)).join(' ');

export function keyText(key: FlowKey): string {
  const [a, b, c, d, e, f, g, h, ports] = key.words as unknown as number[];
  const client = new IpAddress(a!, b!, c!, d!);
  const target = new IpAddress(e!, f!, g!, h!);
  return `${formatEndpoint(client, ports! >>> 16)} ${formatEndpoint(target, ports! & 0xffff)}`;
}

/** The key of a session, as it is registered. */
export function keyOf(
  client: IpAddress,
  clientPort: number,
  target: IpAddress,
  targetPort: number,
): FlowKey {
  const key = new FlowKey();
  key.setAddress(0, client.w0, client.w1, client.w2, client.w3);
  key.setAddress(4, target.w0, target.w1, target.w2, target.w3);
  key.setPorts(clientPort, targetPort);
  return key;
}

export const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');

interface End {
  readonly memory: Memory;
  readonly length: number;
  clear(): void;
  handleData(memory: Memory, length: number): boolean;
}

/** Takes what is to be sent. */
export function drain(end: End): Uint8Array {
  const octets = end.memory.bytes.slice(0, end.length);
  end.clear();
  return octets;
}

/** Gives `octets` in pieces that end at `cuts`, each in memory that is spoiled after. */
export function feed(end: End, octets: Uint8Array, cuts: readonly number[] = []): boolean {
  let from = 0;
  let open = true;
  for (const to of [...cuts, octets.length]) {
    const memory = memoryOf(octets.slice(from, to));
    open = end.handleData(memory, to - from);
    memory.bytes.fill(0xee);
    from = to;
  }
  return open;
}

/** Carries octets both ways until neither side has anything to say. Returns all that was said. */
export function settle(
  near: TcpcopySide,
  far: InterceptSide,
): { up: Uint8Array; down: Uint8Array } {
  const up: number[] = [];
  const down: number[] = [];
  while (near.end.length > 0 || far.end.length > 0) {
    const there = drain(near.end);
    up.push(...there);
    feed(far.end, there);
    const back = drain(far.end);
    down.push(...back);
    feed(near.end, back);
  }
  return { up: Uint8Array.from(up), down: Uint8Array.from(down) };
}

export const viewOf = (packet: Uint8Array, captured: number = packet.length): PacketView => {
  const view = new PacketView();
  view.parse(memoryOf(packet), 0, captured, packet.length);
  return view;
};
