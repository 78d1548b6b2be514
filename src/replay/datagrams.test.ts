import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LateSink } from '../../test/property/late-sink.ts';
import {
  buildDatagram,
  type Datagram,
  datagram,
  datagram6,
  fragmentsOf,
  readDatagrams,
  readUdpPacket,
} from '../../test/property/udp-packets.ts';
import { memoryOf } from '../../test/property/wire-packets.ts';
import { Random } from '../base/random.ts';
import { addTime, type Instant, NEVER, seconds } from '../base/time.ts';
import { ChecksumState } from '../ports/packet-source.ts';
import { address, DEFAULT_SESSION, transfer } from '../testing/harness.ts';
import { PacketError } from '../wire/packet-error.ts';
import { MAX_INCOMPLETE, REASSEMBLY_TIME } from '../wire/reassembly.ts';
import type { AdmissionConfig } from './admission.ts';
import { ClientAddresses } from './client-addresses.ts';
import { DATAGRAM_VERDICT_NAMES, DatagramVerdict } from './datagram-verdict.ts';
import { Datagrams } from './datagrams.ts';
import { Replayer } from './replayer.ts';
import { samplePoint } from './sampling.ts';

const START = 1e6 as Instant;

const clientAddresses = (...c: string[]): AdmissionConfig['clientAddresses'] => {
  const all = c.map(address);
  const [v4, v6] = [all.filter((a) => a.family === 4), all.filter((a) => a.family === 6)];
  return {
    v4: v4.length > 0 ? new ClientAddresses(v4) : undefined,
    v6: v6.length > 0 ? new ClientAddresses(v6) : undefined,
  };
};

/** Datagrams in, and what came of them. */
class Stage {
  readonly datagrams: Datagrams;
  readonly replayer: Replayer;
  readonly sink = new LateSink();
  now = START;

  constructor(given: Partial<AdmissionConfig> = {}, seed = 1) {
    const config = {
      transfers: [transfer(53, '10.9.0.1', 5353), transfer(53, 'fd09::1', 5353)],
      clientAddresses: clientAddresses(),
      percentage: 0,
      onlyFromSyn: false,
      maxCopies: 10,
      maxPayload: 6 << 20,
      session: DEFAULT_SESSION,
      ...given,
    };
    this.replayer = new Replayer(config, new Random(seed));
    const { common } = this.replayer;
    this.datagrams = new Datagrams(common, config.copies ?? 1, new Random(seed));
  }

  /** Captures a packet; its memory is overwritten as soon as that is allowed. */
  packet(octets: Uint8Array, checksum: ChecksumState = ChecksumState.unknown): void {
    const memory = memoryOf(octets);
    const { length } = octets;
    const captured = { memory, offset: 0, length, wireLength: length, checksum, receivedAt: 0 };
    this.datagrams.handlePacket(this.now, captured, this.sink);
    this.datagrams.poll(this.sink);
    memory.bytes.fill(0xee);
  }

  /** The copies that come of a packet. */
  copies(octets: Uint8Array, checksum: ChecksumState = ChecksumState.unknown): Datagram[] {
    this.packet(octets, checksum);
    return readDatagrams(this.sink.take());
  }

  /** Packets by what became of them, those of 0 left out. All must be there. */
  account(): Record<string, number> {
    const { ledger } = this.replayer;
    const { captured, datagrams, packetErrors } = ledger;
    const sum = (of: Float64Array): number => of.reduce((a, b) => a + b, 0);
    expect(sum(datagrams) + sum(packetErrors) + sum(ledger.verdicts)).toBe(captured);
    const counts = DATAGRAM_VERDICT_NAMES.map((name, i) => [name.slice(5), datagrams[i]] as const);
    return Object.fromEntries(counts.filter(([, n]) => n !== 0)) as Record<string, number>;
  }
}

const big = (make: typeof datagram, size: number, given: Partial<Datagram> = {}): Datagram =>
  make({ payload: Uint8Array.from({ length: size }, (_, i) => i * 13 + (i >> 8)), ...given });

/** What is captured, and the address of its target. */
const FITTING = [
  ['IPv4', datagram(), '10.9.0.1'],
  ['IPv6', datagram6(), 'fd09::1'],
] as const;
/** The MTU, and the octets of headers in each fragment. */
const TOO_LONG = [
  ['IPv4', datagram, 1500, 20],
  ['IPv6', datagram6, 1280, 48],
] as const;

describe('a datagram', () => {
  it.each(FITTING)(
    'row 126: that fits (%s) is sent with another destination and a right checksum',
    (_, d, to) => {
      const stage = new Stage();
      const copies = stage.copies(buildDatagram(d));
      expect(copies).toEqual([{ ...d, to: { address: to, port: 5353 } }]);
      expect(stage.account()).toEqual({ copied: 1 });
    },
  );

  it.each(TOO_LONG)(
    'row 127: longer than the MTU (%s) is sent in valid fragments',
    (_, make, mtu, head) => {
      const transfers = [transfer(53, '10.9.0.1', 53, mtu), transfer(53, 'fd09::1', 53, mtu)];
      const stage = new Stage({ transfers });
      const d = big(make, 4000);
      stage.packet(buildDatagram(d));
      const packets = stage.sink.take();
      expect(packets.length).toBe(Math.ceil(4008 / (mtu - head)));
      for (const packet of packets) expect(packet.length).toBeLessThanOrEqual(mtu);
      const [copy] = readDatagrams(packets);
      expect(copy?.payload).toEqual(d.payload);
      expect(copy?.to.port).toBe(53);
      expect(stage.datagrams.sender).toMatchObject({ sent: 1, sentInFragments: 1 });
    },
  );

  it('captured in fragments is sent whole where the path takes it, and in fragments elsewhere', () => {
    for (const make of [datagram, datagram6]) {
      for (const mtu of [1500, 9000]) {
        const transfers = [transfer(53, '10.9.0.1', 53, mtu), transfer(53, 'fd09::1', 53, mtu)];
        const stage = new Stage({ transfers });
        const d = big(make, 4000);
        const fragments = fragmentsOf(d, 1448, 77).reverse();
        for (const fragment of fragments.slice(0, -1)) stage.packet(fragment);
        expect(stage.account()).toEqual({ 'fragment, others to come': fragments.length - 1 });
        expect(stage.sink.take()).toEqual([]);
        stage.packet(fragments.at(-1) as Uint8Array);
        const packets = stage.sink.take();
        expect(packets.length).toBe(mtu === 9000 ? 1 : 3);
        const { ttl, trafficClass, payload, from } = d;
        expect(readDatagrams(packets)).toMatchObject([{ ttl, trafficClass, payload, from }]);
        expect(stage.account()).toEqual({ copied: fragments.length });
      }
    }
  });

  it('of any size over any MTU is at the target what it was', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.uint8Array({ maxLength: 9000 }),
        fc.integer({ min: 576, max: 9000 }),
        fc.integer({ min: 1, max: 4 }),
        (is4, payload, mtu, copies) => {
          const transfers = [transfer(53, '10.9.0.1', 53, mtu), transfer(53, 'fd09::1', 53, mtu)];
          const stage = new Stage({ transfers, copies });
          stage.packet(buildDatagram((is4 ? datagram : datagram6)({ payload })));
          const packets = stage.sink.take();
          for (const packet of packets) expect(packet.length).toBeLessThanOrEqual(mtu);
          const sent = readDatagrams(packets);
          expect(sent.map((copy) => copy.payload)).toEqual(
            Array.from({ length: copies }, () => payload),
          );
        },
      ),
      { numRuns: 300, seed: 127 },
    );
  });

  it('of the longest kind goes over the shortest path', () => {
    const transfers = [transfer(53, '10.9.0.1', 53, 68), transfer(53, 'fd09::1', 53, 56)];
    for (const make of [datagram, datagram6]) {
      const stage = new Stage({ transfers });
      const d = big(make, 65_507);
      expect(stage.copies(buildDatagram(d))[0]?.payload).toEqual(d.payload);
    }
  });
});

describe('checksums', () => {
  it('that were left to hardware are computed', () => {
    for (const d of [datagram({ checksum: 'partial' }), datagram6({ checksum: 'partial' })]) {
      const [copy] = new Stage().copies(buildDatagram(d), ChecksumState.partial);
      expect(copy?.checksum).toBe('right');
    }
  });

  it('that are absent stay so over IPv4 (RFC 768), and are a reason to drop over IPv6', () => {
    const stage = new Stage();
    expect(stage.copies(buildDatagram(datagram({ checksum: 'none' })))[0]?.checksum).toBe('none');
    const partial = ChecksumState.partial;
    expect(stage.copies(buildDatagram(datagram({ checksum: 'none' })), partial).length).toBe(1);
    expect(stage.copies(buildDatagram(datagram6({ checksum: 'none' })))).toEqual([]);
    expect(stage.account()).toEqual({ copied: 2, 'no checksum over IPv6': 1 });
  });

  it('that are wrong are a reason to drop, of fragments too', () => {
    const stage = new Stage();
    expect(stage.copies(buildDatagram(datagram({ checksum: 'wrong' })))).toEqual([]);
    for (const octets of fragmentsOf(big(datagram, 100, { checksum: 'wrong' }), 64, 3)) {
      expect(stage.copies(octets, ChecksumState.valid)).toEqual([]);
    }
    expect(stage.account()).toEqual({ 'bad checksum': 3 });
  });
});

describe('places and shares', () => {
  it('-c: has the address that a connection of the client has, each further copy the next one', () => {
    const c = ['10.88.0.1', '10.88.0.2', '10.88.0.3'];
    const stage = new Stage({ clientAddresses: clientAddresses(...c), copies: 3 }, 5);
    const copies = stage.copies(buildDatagram(datagram()));
    expect(copies.map(({ from }) => from.address)).toEqual(c);
    const { ownPlaces } = stage.replayer.common;
    const ports = [0, 1, 2].map((lane) => ownPlaces.portOf(40_000, lane));
    expect(ports[0]).toBe(40_000);
    expect((ports[2] as number) - (ports[1] as number)).toBe(64);
    expect(copies.map(({ from }) => from.port)).toEqual(ports);
    expect(stage.copies(buildDatagram(datagram()))).toEqual(copies);
  });

  it('-c over IPv6, without addresses for IPv4', () => {
    const stage = new Stage({ clientAddresses: clientAddresses('fd00:88::5') });
    expect(stage.copies(buildDatagram(datagram6()))[0]?.from.address).toBe('fd00:88::5');
    expect(stage.copies(buildDatagram(datagram()))[0]?.from.address).toBe('10.1.2.3');
  });

  it('-f: takes the ports of the range', () => {
    const stage = new Stage({ portRange: 3, copies: 2 });
    for (const { from } of stage.copies(buildDatagram(datagram()))) {
      expect(Math.floor(from.port / 2048)).toBe(3);
    }
  });

  it('-r: chooses by address and port as for connections', () => {
    const stage = new Stage({ percentage: 30 });
    const source = address('10.1.2.3');
    for (let port = 1; port < 500; port++) {
      const d = datagram({ from: { address: '10.1.2.3', port } });
      const isChosen = samplePoint(source.w0, source.w1, source.w2, source.w3, port) < 30;
      expect(stage.copies(buildDatagram(d)).length).toBe(isChosen ? 1 : 0);
    }
    expect(Object.keys(stage.account())).toEqual(['copied', 'not sampled']);
  });

  it('-g: the share grows, and who is in it stays in it', () => {
    const stage = new Stage({ ramp: { time: seconds(100), shape: 'linear' } });
    const ports = Array.from({ length: 300 }, (_, i) => 1000 + i);
    const copiedAt = (): number[] =>
      ports.filter((port) => {
        const d = datagram({ from: { address: '10.1.2.3', port } });
        return stage.copies(buildDatagram(d)).length > 0;
      });
    let before = copiedAt();
    expect(before.length).toBeLessThan(20);
    for (let i = 0; i < 10; i++) {
      stage.now = addTime(stage.now, seconds(10));
      const after = copiedAt();
      expect(after).toEqual(expect.arrayContaining(before));
      before = after;
    }
    expect(before).toEqual(ports);
  });

  it('-n 1.5: each flow has always the same number of copies, on average one and a half', () => {
    const stage = new Stage({ copies: 1.5 });
    const flows = Array.from({ length: 4000 }, (_, i) =>
      datagram({ from: { address: `10.1.${i % 9}.3`, port: 1024 + 7 * i } }),
    );
    const numbers = flows.map((d) => stage.copies(buildDatagram(d)).length);
    expect(new Set(numbers)).toEqual(new Set([1, 2]));
    expect(numbers.reduce((a, b) => a + b) / flows.length).toBeCloseTo(1.5, 1);
    const other = flows.map((d) =>
      stage.copies(buildDatagram({ ...d, payload: new Uint8Array(9) })),
    );
    expect(other.map((copies) => copies.length)).toEqual(numbers);
  });

  it('each packet of IPv4 has an identification of its own, never 0; fragments of one datagram the same', () => {
    const stage = new Stage({ copies: 3 });
    const ids = new Set<number>();
    for (let i = 0; i < 22_000; i++) stage.packet(buildDatagram(datagram()));
    for (const packet of stage.sink.take()) ids.add(readUdpPacket(packet).id);
    expect(ids.size).toBe(65_535);
    expect(ids.has(0)).toBe(false);
    stage.packet(buildDatagram(big(datagram, 4000)));
    const own = stage.sink.take().map((packet) => readUdpPacket(packet).id);
    expect(new Set(own).size).toBe(3);
    expect(own.length).toBe(9);
  });
});

describe('what is not copied', () => {
  it('is counted: another port, the online server, a loopback client', () => {
    const stage = new Stage();
    const elsewhere = datagram({ to: { address: '10.0.0.1', port: 54 } });
    const answer = datagram({ from: datagram().to, to: datagram().from });
    const local = datagram({ from: { address: '127.0.0.1', port: 9 } });
    for (const d of [elsewhere, answer, local]) stage.packet(buildDatagram(d));
    expect(stage.sink.take()).toEqual([]);
    expect(stage.account()).toEqual({
      'no -x matches': 1,
      'from the online server': 1,
      'loopback rule': 1,
    });
  });

  it('-H: a loopback client gets an address, unless the target is local', () => {
    const localhostAddress = address('10.88.0.9');
    const local = datagram({ from: { address: '127.0.0.1', port: 9 } });
    const [copy] = new Stage({ localhostAddress }).copies(buildDatagram(local));
    expect(copy?.from).toEqual({ address: '10.88.0.9', port: 9 });
    const transfers = [transfer(53, '127.0.0.1', 5353)];
    const stage = new Stage({ localhostAddress, transfers });
    expect(stage.copies(buildDatagram(local))[0]?.from.address).toBe('127.0.0.1');
    expect(stage.copies(buildDatagram(datagram()))).toEqual([]);
    expect(stage.account()).toEqual({ copied: 1, 'loopback rule': 1 });
  });

  it('is counted: lengths that cannot be, in fragments too', () => {
    const stage = new Stage();
    const lying = buildDatagram(datagram());
    lying[25] = 200;
    stage.packet(lying);
    // The UDP header says less than what the fragments carry, and then more.
    for (const [id, length] of [
      [1, 9000],
      [2, 3],
    ] as const) {
      const fragments = fragmentsOf(big(datagram, 100), 64, id);
      fragments[0]?.set([length >> 8, length & 255], 24);
      for (const octets of fragments) stage.packet(octets);
    }
    expect(stage.sink.take()).toEqual([]);
    expect(stage.replayer.ledger.packetErrors[PacketError.badUdpLength]).toBe(5);
    expect(stage.account()).toEqual({});
  });

  it('is counted: fragments repeated, overlapping, impossible, evicted and too late', () => {
    const stage = new Stage();
    const [first, second] = fragmentsOf(big(datagram, 100), 64, 1) as [Uint8Array, Uint8Array];
    stage.packet(first);
    stage.packet(first);
    expect(stage.account()).toEqual({ 'fragment, others to come': 1, 'fragment repeated': 1 });
    for (let id = 2; id < 2 + MAX_INCOMPLETE; id++) {
      stage.packet(fragmentsOf(big(datagram, 100), 64, id)[0] as Uint8Array);
    }
    expect(stage.account()).toMatchObject({ 'fragment, evicted': 1 });
    stage.packet(second);
    const overlap = fragmentsOf(big(datagram, 100), 56, 1)[1] as Uint8Array;
    stage.packet(overlap);
    expect(stage.account()).toMatchObject({ 'fragment, overlapping': 2, 'fragment, evicted': 2 });
    const odd = Uint8Array.from(first.subarray(0, -3));
    odd[3] = odd.length;
    stage.packet(odd);
    expect(stage.account()).toMatchObject({ 'impossible fragment': 1 });
    const due = stage.datagrams.pollTimeout();
    expect(due).toBe(START + REASSEMBLY_TIME);
    stage.datagrams.handleTimeout(due);
    expect(stage.account()).toEqual({
      'fragment, evicted': 2,
      'fragment, others did not come': MAX_INCOMPLETE - 1,
      'fragment, overlapping': 2,
      'fragment repeated': 1,
      'impossible fragment': 1,
    });
    expect(stage.datagrams.pollTimeout()).toBe(NEVER);
  });

  it('beyond the limit of a second is dropped and counted, its fragments among the packets', () => {
    const stage = new Stage({ copies: 2, rates: { connections: 0, packets: 80, octets: 0 } });
    for (let i = 0; i < 10; i++) stage.packet(buildDatagram(big(datagram, 4000)));
    // Eight packets at once, in copies of three fragments each: the second datagram overdraws it.
    expect(stage.account()).toEqual({ copied: 2, 'too many in a second': 8 });
    expect(stage.sink.take()).toHaveLength(12);
    stage.now = addTime(START, seconds(1));
    stage.packet(buildDatagram(datagram()));
    expect(stage.account()).toEqual({ copied: 3, 'too many in a second': 8 });
  });

  it('a fault of ours costs one datagram', () => {
    const stage = new Stage();
    const broken = new Error('broken');
    stage.sink.begin = () => {
      throw broken;
    };
    stage.packet(buildDatagram(datagram()));
    expect(stage.datagrams.fault).toBe(broken);
    expect(stage.replayer.ledger.datagrams[DatagramVerdict.internalError]).toBe(1);
    expect(stage.account()).toEqual({ 'internal error': 1 });
  });
});
