import { describe, expect, it } from 'vitest';
import { addOf, at, Bench, Net, VERSION } from '../../test/property/intercept-bench.ts';
import { buildPacket, slowSum, timestampOption } from '../../test/property/wire-packets.ts';
import { BARE, COMBINED_WITH_PAYLOAD } from '../control/response-form.ts';
import { Stage } from '../control/tcpcopy-end.ts';
import { parseAddress } from '../wire/address.ts';
import { describeCounters } from './counters.ts';
import { originalKey } from './original-key.ts';

describe('intercept -D a-b', () => {
  const redirect = { from: parseAddress('172.17.0.1')!, to: parseAddress('10.1.2.3')! };

  it('row 46: routes a response to a by b, and says b in the message', () => {
    const bench = new Bench({ redirect });
    bench.connect(1, addOf(40_000));
    bench.capture({ seq: 1, dst: [172, 17, 0, 1] });
    bench.capture({ seq: 2, dst: [172, 17, 0, 2] });
    bench.capture({ seq: 3 });
    expect(bench.poll()).toEqual([[1, [1, 3]]]);
    const [frame] = bench.writes;
    const header = frame!.octets.slice(2, 22);
    expect(header.slice(16)).toEqual([10, 1, 2, 3]);
    expect(slowSum(header)).toBe(0xffff);
  });

  it('leaves what is too short or not IPv4 alone', () => {
    const bench = new Bench({ redirect });
    bench.connect(1, addOf(40_000));
    bench.captureOctets(buildPacket({ dst: [172, 17, 0, 1] }), 0, 19);
    // The address stands where the destination of IPv4 would be.
    const src = [0xfd, 0, 0, 0, 0, 0, 0, 0, 172, 17, 0, 1, 0, 0, 0, 2];
    bench.captureOctets(buildPacket({ family: 6, src }));
    bench.passTo(31);
    expect(bench.warnings).toEqual([expect.stringContaining('[fd00::ac11:1:0:2]:8080')]);
  });
});

describe('intercept --dnat', () => {
  it('row 105: routes a response from another address of the target', () => {
    for (const dnat of [true, false]) {
      const bench = new Bench({ dnat });
      bench.connect(1, addOf(40_000), addOf(40_001));
      bench.capture({ seq: 1, src: [10, 99, 0, 1] });
      bench.capture({ seq: 2, src: [10, 99, 0, 1], sourcePort: 8081 });
      expect(bench.poll()).toEqual(dnat ? [[1, [1]]] : []);
      bench.tell(1, addOf(40_000, 2));
      expect(bench.core.routes.size).toBe(1);
    }
  });

  it('listens for the port of its targets at any address', () => {
    const bench = new Bench({ dnat: true });
    bench.connect(1, addOf(40_000));
    expect(bench.core.targets.list()).toEqual([{ port: 8080 }]);
  });
});

describe('intercept --with-resp-payload', () => {
  const payloadOf = (length: number): number[] => Array.from({ length }, (_, i) => 1 + (i & 127));

  it('row 40: sends up to 128 octets of payload behind the headers', () => {
    const bench = new Bench({ responseForm: COMBINED_WITH_PAYLOAD });
    expect(bench.core.wantedPayload).toBe(128);
    bench.connect(1, addOf(40_000));
    const packet = buildPacket({ options: timestampOption(1, 2), payload: payloadOf(100) });
    bench.captureOctets(packet);
    bench.core.pollTransmit(at(0), bench);
    expect(bench.writes[0]!.octets).toEqual([0, 1, ...packet, ...new Uint8Array(192 - 152)]);
  });

  it('row 42: puts six into a frame at the most', () => {
    const bench = new Bench({ responseForm: COMBINED_WITH_PAYLOAD });
    bench.connect(1, addOf(40_000));
    for (let n = 0; n < 10; n++) bench.capture({});
    bench.core.pollTransmit(at(0), bench);
    const [{ octets } = { octets: [] }] = bench.writes;
    expect([octets[1], octets[2 + 6 * 192 + 1]]).toEqual([6, 4]);
    expect(octets).toHaveLength(2 * 2 + 10 * 192);
  });
});

describe('intercept --disable-combined', () => {
  it('sends an original one message after another, without a count, in one write', () => {
    const bench = new Bench({ responseForm: BARE });
    expect(bench.core.wantedPayload).toBe(0);
    bench.connect(1, addOf(40_000));
    const packets = [1, 2, 3].map((seq) => buildPacket({ seq, options: timestampOption(1, 2) }));
    for (const packet of packets) bench.captureOctets(packet);
    bench.core.pollTransmit(at(0), bench);
    const padding = new Uint8Array(64 - 52);
    expect(bench.writes).toEqual([
      { connection: 1, octets: packets.flatMap((packet) => [...packet, ...padding]) },
    ]);
    expect(bench.core.counters()).toMatchObject({ forwarded: 3, writes: 1 });
  });

  it('serves one of ours as ever', () => {
    const net = new Net({ responseForm: BARE });
    const side = net.join(1);
    side.end.register(parseAddress('10.1.2.3')!, 40_000, parseAddress('192.168.0.2')!, 8080);
    net.settle();
    const packet = buildPacket({ seq: 4 });
    net.captureOctets(packet);
    net.settle();
    expect(side.end.stage).toBe(Stage.extended);
    expect(net.responses(1)).toEqual([`${packet.length} 0 ${Buffer.from(packet).toString('hex')}`]);
  });
});

describe('intercept --single', () => {
  const single = { protect: false };

  it('row 103: each session has one connection always, and all are used', () => {
    const bench = new Bench({ single });
    bench.connect(1);
    bench.connect(2);
    // The port's upper octet is what the original's choice sees of it.
    const portOf = (n: number): number => 10_000 + 499 * n;
    const owners = new Map<number, Set<number>>();
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 100; n++) bench.capture({ seq: n, destinationPort: portOf(n) });
      for (const [connection, seqs] of bench.poll()) {
        for (const n of seqs) {
          const key = originalKey(0x0a01_0203, portOf(n), 0xc0a8_0002, 8080);
          expect(connection).toBe(1 + ((key & 255) % 2));
          owners.set(n, (owners.get(n) ?? new Set()).add(connection));
        }
      }
    }
    expect(owners.size).toBe(100);
    expect([...owners.values()].every(({ size }) => size === 1)).toBe(true);
    expect(new Set([...owners.values()].map(([owner]) => owner))).toEqual(new Set([1, 2]));
  });

  it('takes registrations of a tcpcopy that makes them, and keeps none', () => {
    const bench = new Bench({ single });
    bench.connect(1, addOf(40_000), addOf(40_000, 2));
    bench.capture({ seq: 1, destinationPort: 50_000 });
    expect(bench.poll()).toEqual([[1, [1]]]);
    expect(bench.core.routes.added).toBe(0);
  });

  it('counts what comes while no tcpcopy is there', () => {
    const bench = new Bench({ single });
    bench.capture({});
    // A connection that has not said what it is gets nothing.
    bench.accept(1);
    bench.capture({});
    expect(bench.poll()).toEqual([]);
    expect(describeCounters(bench.core.counters())).toContain(
      'dropped, no tcpcopy is connected: 2',
    );
    bench.passTo(1);
    expect(bench.warnings).toEqual([expect.stringContaining('2 responses dropped')]);
  });

  it('row 104: a later tcpcopy closes the connections of the one before', () => {
    const bench = new Bench({ single });
    bench.connect(1);
    bench.connect(2);
    bench.accept(3, 5);
    expect(bench.closed).toEqual([]);
    bench.tellAt(5, 3, [...VERSION]);
    bench.capture({ seq: 1 }, 5);
    expect(bench.poll(5)).toEqual([[3, [1]]]);
    expect(new Set(bench.closed)).toEqual(new Set([1, 2]));
    expect(bench.core.connectionCount).toBe(1);
  });

  it('row 104: with -c the newcomer is closed instead', () => {
    const bench = new Bench({ single: { protect: true } });
    bench.connect(1);
    bench.connect(2);
    bench.accept(3, 5);
    bench.tellAt(5, 3, [...VERSION]);
    bench.poll(5);
    expect(bench.closed).toEqual([3]);
    expect(bench.warnings[0]).toContain('-c protects it');
    bench.hangUp(1, 6);
    bench.capture({ seq: 1 }, 6);
    bench.capture({ seq: 2, destinationPort: 40_256 }, 6);
    expect(bench.poll(6)).toEqual([[2, [1, 2]]]);
  });

  it('a scan of the port does not close a tcpcopy', () => {
    const bench = new Bench({ single });
    bench.connect(1);
    bench.accept(2, 100, '10.0.0.66');
    bench.tellAt(100, 2, addOf(1));
    bench.poll(100);
    expect(bench.closed).toEqual([2]);
    bench.core.handleTimeout(at(101));
    bench.capture({ seq: 1 }, 101);
    expect(bench.poll(101)).toEqual([[1, [1]]]);
  });
});
