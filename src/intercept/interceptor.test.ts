import { describe, expect, it } from 'vitest';
import { addOf, at, Bench, VERSION } from '../../test/property/intercept-bench.ts';
import { buildPacket } from '../../test/property/wire-packets.ts';
import { describeCounters } from './counters.ts';
import { Cause } from './unrouted.ts';

describe('Interceptor', () => {
  it('rows 34 and 96: answers on the connection that carried the add, in one frame of one message', () => {
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

  it('row 35: writes a burst at once, in frames of 16 at the most, order kept', () => {
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
      'writes in which they were sent: 1',
      'not usable, shorter than its headers claim: 1',
    ]);
  });

  it.each([
    ['SYN-ACK', 0x12],
    ['RST', 0x14],
    ['data', 0x18],
  ])('row 97: delivers a %s that came before its add right after it', (_name, flags) => {
    const bench = new Bench();
    bench.connect(1);
    bench.capture({ seq: 1, flags });
    expect(bench.poll()).toEqual([]);
    expect(bench.core.pollTimeout()).toBe(at(30));
    bench.tellAt(29, 1, addOf(40_000));
    bench.capture({ seq: 2 }, 29);
    expect(bench.poll()).toEqual([[1, [1, 2]]]);
    expect(bench.core.counters().waiting).toBe(0);
  });

  it('rows 98 and 99: discards what no add has asked for in 30 seconds', () => {
    const bench = new Bench();
    bench.connect(1);
    bench.capture({ seq: 1 });
    bench.capture({ seq: 2, destinationPort: 40_001 });
    bench.tellAt(31, 1, addOf(40_000));
    bench.core.handleTimeout(at(31));
    expect(bench.poll()).toEqual([]);
    const { unrouted, waiting } = bench.core.counters();
    expect([unrouted[Cause.foreign], waiting]).toEqual([2, 0]);
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
    expect(bench.core.routes.size).toBe(0);
    expect(bench.warnings).toEqual([]);
  });

  it('row 102: never gives an old session to a new peer with a re-used number', () => {
    const bench = new Bench();
    bench.connect(5, addOf(40_000));
    bench.hangUp(5);
    bench.connect(5, addOf(40_001));
    bench.capture({ seq: 1 });
    expect(bench.poll()).toEqual([]);
    expect(bench.core.counters().waiting).toBe(1);
    expect(bench.core.routes.size).toBe(1);
  });

  it('counts what a vanished peer no longer gets', () => {
    const bench = new Bench();
    bench.connect(1, addOf(40_000));
    bench.capture({ seq: 1 });
    bench.hangUp(1);
    expect(bench.poll()).toEqual([]);
    expect(bench.core.counters()).toMatchObject({ peerGone: 1, forwarded: 0 });
    bench.tell(1, addOf(40_000));
    expect(bench.core.routes.size).toBe(0);
  });

  it('drops, counted, for a peer that does not read, and only for it', () => {
    const bench = new Bench();
    bench.connect(1, addOf(40_000));
    bench.capture({ seq: 1 });
    bench.capture({ seq: 2 });
    bench.stalled.add(1);
    expect(bench.poll()).toEqual([]);
    expect(bench.core.counters()).toMatchObject({ slowPeer: 2, forwarded: 0 });
    bench.stalled.delete(1);
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
    bench.core.pollTransmit(at(0), {
      sendFrames: (connection) => {
        bench.hangUp(connection);
        return false;
      },
      closeConnection: (connection) => void bench.closed.push(connection),
    });
    expect(bench.poll()).toEqual([]);
    expect(bench.core.counters()).toMatchObject({ slowPeer: 1, peerGone: 0 });
  });

  it('counts IPv6 responses, which version 6 cannot route', () => {
    const bench = new Bench();
    bench.connect(1, addOf(40_000));
    bench.capture({ family: 6 });
    expect(bench.poll()).toEqual([]);
    expect(bench.core.counters().waiting).toBe(1);
    bench.passTo(31);
    expect(bench.core.counters().unrouted[Cause.foreign]).toBe(1);
  });

  it('row 27: closes a connection that begins without a version message, and says why', () => {
    const bench = new Bench();
    bench.accept(1);
    bench.tell(1, addOf(40_000));
    bench.poll();
    expect(bench.closed).toEqual([1]);
    bench.tell(1, [...VERSION], addOf(40_000));
    expect([bench.core.routes.size, bench.core.connectionCount]).toEqual([0, 0]);
    expect(bench.warnings).toEqual([
      expect.stringContaining('closing control connection 10.0.0.1:1'),
    ]);
  });

  it('row 26: goes on with a peer of another version, and warns once', () => {
    const bench = new Bench();
    bench.accept(1);
    bench.tell(1, VERSION.with(7, 7), addOf(40_000));
    bench.capture({ seq: 1 });
    expect(bench.poll()).toEqual([[1, [1]]]);
    expect(bench.warnings).toEqual([expect.stringContaining('version 7')]);
  });

  it('row 28: passes over messages of other types, and keeps in step', () => {
    const bench = new Bench();
    bench.connect(1, addOf(40_001, 99), addOf(40_002, 2), addOf(40_000));
    expect(bench.core.routes.size).toBe(1);
    bench.capture({ seq: 1 });
    expect(bench.poll()).toEqual([[1, [1]]]);
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
