import { expect } from 'vitest';
import type { Memory } from '../../src/base/memory.ts';
import { addTime, type Instant, seconds } from '../../src/base/time.ts';
import { accountedFor } from '../../src/intercept/counters.ts';
import { Interceptor } from '../../src/intercept/interceptor.ts';
import type { FrameSink } from '../../src/intercept/outbox.ts';
import type { InterceptorOptions } from '../../src/intercept/interceptor-options.ts';
import { ChecksumState } from '../../src/ports/packet-source.ts';
import type { TcpcopyEndOptions } from '../../src/control/tcpcopy-end.ts';
import { drain, signerOf, TcpcopySide } from './control-pair.ts';
import { buildPacket, memoryOf, type PacketSpec } from './wire-packets.ts';

export const at = (s: number): Instant => addTime(0 as Instant, seconds(s));
export const VERSION: readonly number[] = [0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0];

/** An add for client 10.1.2.3:`port` and the target of `buildPacket`, 192.168.0.2:8080. */
export function addOf(port: number, type = 1): number[] {
  return [10, 1, 2, 3, port >>> 8, port & 255, type >>> 8, type & 255, 192, 168, 0, 2, 0x1f, 0x90];
}

/** An interceptor with everything around it. */
export class Bench implements FrameSink {
  /** What was logged, as "level: message". */
  readonly lines: string[] = [];
  readonly core: Interceptor;
  /** What was written, one entry for each write. */
  readonly writes: { connection: number; octets: number[] }[] = [];
  /** Connections that the core has closed. */
  readonly closed: number[] = [];
  /** Connections that read nothing. */
  readonly stalled: Set<number> = new Set();

  constructor(options: InterceptorOptions = {}) {
    const say = (level: string) => (message: string) =>
      void this.lines.push(`${level}: ${message}`);
    const log = {
      debug: say('debug'),
      info: say('info'),
      warn: say('warn'),
      error: say('error'),
    };
    this.core = new Interceptor(log, 7, options);
  }

  get warnings(): string[] {
    return this.lines.filter((line) => line.startsWith('warn: '));
  }

  sendFrames(connection: number, memory: Memory, offset: number, length: number): boolean {
    if (this.stalled.has(connection)) return false;
    const octets = Array.from(memory.bytes.slice(offset, offset + length));
    this.writes.push({ connection, octets });
    return true;
  }

  closeConnection(connection: number): void {
    this.closed.push(connection);
  }

  /** A tcpcopy at 10.0.0.1, which says its version and `messages`. */
  connect(connection: number, ...messages: number[][]): void {
    this.accept(connection);
    this.tell(connection, [...VERSION], ...messages);
  }

  /** A connection that says nothing; whether it is taken. */
  accept(connection: number, now = 0, address = '10.0.0.1'): boolean {
    return this.core.handleConnection(at(now), connection, `${address}:${connection}`);
  }

  tell(connection: number, ...messages: number[][]): void {
    this.tellAt(0, connection, ...messages);
  }

  tellAt(now: number, connection: number, ...messages: number[][]): void {
    const octets = messages.flat();
    this.core.handleControlData(at(now), connection, memoryOf(octets), octets.length);
  }

  hangUp(connection: number, now = 0): void {
    this.core.handleDisconnect(at(now), connection, 'closed by the peer');
  }

  capture(spec: PacketSpec, now = 0): void {
    this.captureOctets(buildPacket(spec), now);
  }

  captureOctets(packet: Uint8Array, now = 0, length = packet.length): void {
    this.core.handleResponse(at(now), {
      memory: memoryOf(packet),
      offset: 0,
      length,
      wireLength: packet.length,
      checksum: ChecksumState.unknown,
      receivedAt: 0,
    });
  }

  /** Lets time pass until `to`, with every timer on the way. */
  passTo(to: number): void {
    for (let due = this.core.pollTimeout(); due <= at(to); due = this.core.pollTimeout()) {
      this.core.handleTimeout(due);
      this.core.pollTransmit(due, this);
    }
  }

  /** Ends a wake-up: the connections written to and the sequence numbers each got. */
  poll(now = 0): [number, number[]][] {
    this.writes.length = 0;
    this.core.pollTransmit(at(now), this);
    const counters = this.core.counters();
    expect(accountedFor(counters)).toBe(counters.received);
    expect(counters.queued).toBe(0);
    return this.writes.map(({ connection, octets }) => [connection, seqsOf(octets)]);
  }
}

/** The last octets of the sequence numbers in a run of frames. */
export function seqsOf(octets: readonly number[]): number[] {
  const seqs: number[] = [];
  for (let frame = 0; frame < octets.length; ) {
    const count = octets[frame]! * 256 + octets[frame + 1]!;
    for (let i = 0; i < count; i++) seqs.push(octets[frame + 2 + 64 * i + 27]!);
    frame += 2 + 64 * count;
  }
  return seqs;
}

/** An interceptor and tcpcopy of ours, each on a connection by its number. */
export class Net extends Bench {
  readonly sides: Map<number, TcpcopySide> = new Map();
  /** Octets of the longest write so far. */
  longest = 0;
  #nonce = 0;

  static withKey(options: InterceptorOptions = {}, key = 'secret', allowOriginal = false): Net {
    let nonce = 0;
    const makeNonce = (): Uint8Array => new Uint8Array(32).fill(++nonce);
    return new Net({ ...options, access: { key: signerOf(key), allowOriginal, makeNonce } });
  }

  join(connection: number, options: Partial<TcpcopyEndOptions> = {}): TcpcopySide {
    const nonce = new Uint8Array(32).fill(100 + this.#nonce++);
    const side = new TcpcopySide({ nonce, ...options });
    this.sides.set(connection, side);
    this.accept(connection);
    this.settle();
    return side;
  }

  /** Carries octets both ways until nobody has anything to say. */
  settle(now = 0): void {
    for (let isBusy = true; isBusy; ) {
      isBusy = false;
      for (const [connection, { end }] of this.sides) {
        if (end.length === 0) continue;
        isBusy = true;
        this.hand(connection, now);
      }
      this.writes.length = 0;
      this.core.pollTransmit(at(now), this);
      for (const { connection, octets } of this.writes) {
        isBusy = true;
        this.longest = Math.max(this.longest, octets.length);
        this.sides.get(connection)?.end.handleData(memoryOf(octets), octets.length);
      }
    }
  }

  /** Hands over what a side has to say. */
  hand(connection: number, now = 0): void {
    const octets = drain(this.sides.get(connection)!.end);
    this.core.handleControlData(at(now), connection, memoryOf(octets), octets.length);
  }

  /** A connection is lost. */
  part(connection: number): void {
    this.hangUp(connection);
    this.sides.delete(connection);
  }

  /** What a side has heard of responses: wire length and octets, as hexadecimal. */
  responses(connection: number): string[] {
    const { heard } = this.sides.get(connection)!;
    return heard.filter((line) => line.startsWith('response')).map((line) => line.slice(9));
  }
}
