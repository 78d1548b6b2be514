import { describe, expect, it } from 'vitest';
import { buildPacket, memoryOf, type PacketSpec } from '../../test/property/wire-packets.ts';
import type { Memory } from '../base/memory.ts';
import { addTime, type Instant, NEVER, seconds } from '../base/time.ts';
import { ChecksumState } from '../ports/packet-source.ts';
import { accountedFor, describeCounters } from './counters.ts';
import { type FrameSink, Interceptor } from './interceptor.ts';

const at = (s: number): Instant => addTime(0 as Instant, seconds(s));
const VERSION = [0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0];

/** An add for client 10.1.2.3:`port` and the target of `buildPacket`, 192.168.0.2:8080. */
const addOf = (port: number, type = 1): number[] => [
  10,
  1,
  2,
  3,
  port >>> 8,
  port & 255,
  0,
  type,
  192,
  168,
  0,
  2,
  0x1f,
  0x90,
];

/** An interceptor with everything around it. */
class Bench implements FrameSink {
  readonly warnings: string[] = [];
  readonly #quiet = (): void => {};
  readonly core = new Interceptor(
    {
      debug: this.#quiet,
      info: this.#quiet,
      error: this.#quiet,
      warn: (m) => this.warnings.push(m),
    },
    7,
  );
  /** What was written, one entry for each write. */
  readonly writes: { connection: number; octets: number[] }[] = [];
  stalled = false;

  sendFrames(connection: number, memory: Memory, offset: number, length: number): boolean {
    if (this.stalled) return false;
    const octets = Array.from(memory.bytes.slice(offset, offset + length));
    this.writes.push({ connection, octets });
    return true;
  }

  connect(connection: number, ...messages: number[][]): boolean {
    this.core.handleConnection(connection, `10.0.0.1:${connection}`);
    return this.tell(connection, VERSION, ...messages);
  }

  tell(connection: number, ...messages: number[][]): boolean {
    return this.tellAt(0, connection, ...messages);
  }

  tellAt(now: number, connection: number, ...messages: number[][]): boolean {
    const octets = messages.flat();
    return this.core.handleControlData(at(now), connection, memoryOf(octets), octets.length);
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

  /** Ends a wake-up: the connections written to and the sequence numbers each got. */
  poll(): [number, number[]][] {
    this.writes.length = 0;
    this.core.pollTransmit(this);
    const counters = this.core.counters();
    expect(accountedFor(counters)).toBe(counters.received);
    expect(counters.queued).toBe(0);
    return this.writes.map(({ connection, octets }) => [connection, seqsOf(octets)]);
  }
}

function seqsOf(octets: readonly number[]): number[] {
  const seqs: number[] = [];
  for (let frame = 0; frame < octets.length; ) {
    const count = octets[frame]! * 256 + octets[frame + 1]!;
    for (let i = 0; i < count; i++) seqs.push(octets[frame + 2 + 64 * i + 27]!);
    frame += 2 + 64 * count;
  }
  return seqs;
}

describe('Interceptor', () => {
  it('answers on the connection that carried the add, in one frame of one message', () => {
    const bench = new Bench();
    bench.connect(1);
    bench.connect(2, addOf(40_000));
    bench.connect(3);
    const packet = buildPacket({ seq: 9 });
    bench.captureOctets(packet);
    expect(bench.poll()).toEqual([[2, [9]]]);
    expect(bench.writes[0]!.octets).toEqual([0, 1, ...packet, ...new Uint8Array(24)]);
    expect(bench.core.counters()).toMatchObject({ received: 1, forwarded: 1 });
    expect(bench.poll()).toEqual([]);
  });

  it('writes a burst at once, in frames of 16 at the most, order kept', () => {
    const bench = new Bench();
    bench.connect(1, addOf(40_000));
    bench.connect(2, addOf(40_001));
    for (let seq = 0; seq < 80; seq++) bench.capture({ seq, destinationPort: 40_000 + (seq & 1) });
    const even = Array.from({ length: 40 }, (_, i) => 2 * i);
    expect(bench.poll()).toEqual([
      [1, even],
      [2, even.map((seq) => seq + 1)],
    ]);
    const { octets } = bench.writes[0]!;
    expect([octets[1], octets[1027], octets[2053]]).toEqual([16, 16, 8]);
  });

  it('reads what the capture cut behind the headers, not what it cut within', () => {
    const bench = new Bench();
    bench.connect(1, addOf(40_000));
    const packet = buildPacket({ seq: 5, payload: Array.from({ length: 1000 }, () => 1) });
    bench.captureOctets(packet, 0, 40);
    bench.captureOctets(packet, 0, 39);
    expect(bench.poll()).toEqual([[1, [5]]]);
    expect(bench.writes[0]!.octets.slice(4, 6)).toEqual([0x04, 0x10]);
    expect(describeCounters(bench.core.counters())).toEqual([
      'responses captured: 2',
      'sent to tcpcopy: 1',
      'not usable, shorter than its headers claim: 1',
    ]);
  });

  it.each([
    ['SYN-ACK', 0x12],
    ['RST', 0x14],
    ['data', 0x18],
  ])('delivers a %s that came before its add right after it', (_name, flags) => {
    const bench = new Bench();
    bench.connect(1);
    bench.capture({ seq: 1, flags });
    expect(bench.poll()).toEqual([]);
    expect(bench.core.pollTimeout()).toBe(at(30));
    bench.tellAt(29, 1, addOf(40_000));
    bench.capture({ seq: 2 }, 29);
    expect(bench.poll()).toEqual([[1, [1, 2]]]);
    expect(bench.core.pollTimeout()).toBe(NEVER);
  });

  it('discards what no add has asked for in 30 seconds', () => {
    const bench = new Bench();
    bench.connect(1);
    bench.capture({ seq: 1 });
    bench.capture({ seq: 2, destinationPort: 40_001 });
    bench.tellAt(31, 1, addOf(40_000));
    bench.core.handleTimeout(at(31));
    expect(bench.poll()).toEqual([]);
    expect(bench.core.counters()).toMatchObject({ expired: 2, waiting: 0 });
  });

  it('moves a session that another connection registers again', () => {
    const bench = new Bench();
    bench.connect(1, addOf(40_000));
    bench.connect(2, addOf(40_000));
    bench.capture({ seq: 1 });
    expect(bench.poll()).toEqual([[2, [1]]]);
    // The former owner has no say any more.
    bench.tell(1, addOf(40_000, 2));
    bench.capture({ seq: 2 });
    expect(bench.poll()).toEqual([[2, [2]]]);
    bench.tell(2, addOf(40_000, 2));
    expect(bench.core.routeCount).toBe(0);
  });

  it('never gives an old session to a new peer with a re-used number', () => {
    const bench = new Bench();
    bench.connect(5, addOf(40_000));
    bench.core.handleDisconnect(5);
    bench.connect(5, addOf(40_001));
    bench.capture({ seq: 1 });
    expect(bench.poll()).toEqual([]);
    expect(bench.core.counters().waiting).toBe(1);
    expect(bench.core.routeCount).toBe(1);
  });

  it('counts what a vanished peer no longer gets', () => {
    const bench = new Bench();
    bench.connect(1, addOf(40_000));
    bench.capture({ seq: 1 });
    bench.core.handleDisconnect(1);
    expect(bench.poll()).toEqual([]);
    expect(bench.core.counters()).toMatchObject({ peerGone: 1, forwarded: 0 });
    expect(bench.tell(1, addOf(40_000))).toBe(false);
  });

  it('drops, counted, for a peer that does not read, and only for it', () => {
    const bench = new Bench();
    bench.connect(1, addOf(40_000));
    bench.capture({ seq: 1 });
    bench.capture({ seq: 2 });
    bench.stalled = true;
    expect(bench.poll()).toEqual([]);
    expect(bench.core.counters()).toMatchObject({ slowPeer: 2, forwarded: 0 });
    bench.stalled = false;
    bench.capture({ seq: 3 });
    expect(bench.poll()).toEqual([[1, [3]]]);
  });

  it('bounds what gathers between two polls', () => {
    const bench = new Bench();
    bench.connect(1, addOf(40_000));
    for (let n = 0; n < 3000; n++) bench.capture({});
    expect(bench.core.counters()).toMatchObject({ queued: 2048, slowPeer: 952 });
    expect(bench.poll()[0]![1]).toHaveLength(2048);
  });

  it('bears a peer that goes away while it is written to', () => {
    const bench = new Bench();
    bench.connect(1, addOf(40_000));
    bench.capture({ seq: 1 });
    bench.core.pollTransmit({
      sendFrames: (connection) => {
        bench.core.handleDisconnect(connection);
        return false;
      },
    });
    expect(bench.poll()).toEqual([]);
    expect(bench.core.counters()).toMatchObject({ slowPeer: 1, peerGone: 0 });
  });

  it('counts IPv6 responses, which version 6 cannot route', () => {
    const bench = new Bench();
    bench.connect(1, addOf(40_000));
    bench.capture({ family: 6 });
    expect(bench.poll()).toEqual([]);
    expect(bench.core.counters().unroutable).toBe(1);
  });

  it('closes a connection that begins without a version message, and says why', () => {
    const bench = new Bench();
    bench.core.handleConnection(1, '10.0.0.9:1234');
    expect(bench.tell(1, addOf(40_000))).toBe(false);
    expect(bench.tell(1, VERSION, addOf(40_000))).toBe(false);
    expect(bench.core.routeCount).toBe(0);
    expect(bench.warnings).toHaveLength(1);
    expect(bench.warnings[0]).toContain('10.0.0.9:1234');
  });

  it('goes on with a peer of another version, and warns once', () => {
    const bench = new Bench();
    bench.core.handleConnection(1, '10.0.0.9:1234');
    expect(bench.tell(1, VERSION.with(7, 7), addOf(40_000))).toBe(true);
    bench.capture({ seq: 1 });
    expect(bench.poll()).toEqual([[1, [1]]]);
    expect(bench.warnings).toHaveLength(1);
    expect(bench.warnings[0]).toContain('version 7');
  });

  it('lets a half message harm nobody', () => {
    const bench = new Bench();
    bench.connect(1);
    bench.tell(1, addOf(40_000).slice(0, 5));
    bench.connect(2, addOf(40_001));
    bench.capture({ seq: 1, destinationPort: 40_001 });
    expect(bench.poll()).toEqual([[2, [1]]]);
    bench.tell(1, addOf(40_000).slice(5));
    bench.capture({ seq: 2 });
    expect(bench.poll()).toEqual([[1, [2]]]);
  });
});
