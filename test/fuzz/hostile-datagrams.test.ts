import { describe, expect, it } from 'vitest';
import { Memory } from '../../src/base/memory.ts';
import { Random } from '../../src/base/random.ts';
import { addTime, type Instant, millis, NEVER, seconds } from '../../src/base/time.ts';
import { type CapturedPacket, ChecksumState } from '../../src/ports/packet-source.ts';
import { DatagramVerdict } from '../../src/replay/datagram-verdict.ts';
import { Datagrams } from '../../src/replay/datagrams.ts';
import { Replayer } from '../../src/replay/replayer.ts';
import { DEFAULT_SESSION, transfer } from '../../src/testing/harness.ts';
import { isUdp } from '../../src/wire/udp.ts';
import { LateSink } from '../property/late-sink.ts';
import {
  buildDatagram,
  buildFragment,
  datagram,
  datagram6,
  fragmentsOf,
  readUdpPacket,
} from '../property/udp-packets.ts';
import { check, fuzz, RUNS, SEED } from './seed.ts';

const SIZE = 2048;
const payload = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => i);

/** Good packets of every shape: what a hostile one starts as. */
const TEMPLATES: readonly Uint8Array[] = [datagram, datagram6].flatMap((make) => [
  buildDatagram(make({ from: make().to, to: make().from })),
  buildDatagram(datagram({ from: { address: '127.0.0.1', port: 9 } })),
  buildDatagram(make()),
  buildDatagram(make({ payload: payload(0) })),
  buildDatagram(make({ payload: payload(1400) })),
  buildDatagram(make({ checksum: 'none' })),
  buildDatagram(make({ checksum: 'partial' })),
  ...fragmentsOf(make({ payload: payload(100) }), 40, 1),
]);

/** Octets that parsers trust: the IP header with the fragment field, the Fragment header, the UDP header. */
const TRUSTED = [
  0, 2, 3, 4, 5, 6, 7, 9, 20, 22, 24, 25, 26, 27, 40, 42, 43, 44, 45, 46, 47, 48, 52, 53,
];

/** Packets that start as a template and are spoiled, or fragments of a few datagrams that know nothing of each other. */
class HostileDatagram implements CapturedPacket {
  readonly memory: Memory = Memory.alloc(SIZE);
  checksum: ChecksumState = ChecksumState.unknown;
  readonly receivedAt = 0;
  offset = 0;
  length = 0;
  wireLength = 0;

  next(random: Random): void {
    if (random.chance(0.5)) this.#fragment(random);
    else {
      const template = TEMPLATES[random.int(0, TEMPLATES.length)] as Uint8Array;
      const cut = random.chance(0.1) ? random.int(0, template.length + 1) : template.length;
      this.#load(template, cut);
      for (let n = random.int(0, 3); n > 0 && cut > 0; n--) this.#spoil(random);
    }
    if (random.chance(0.1)) this.wireLength = random.int(0, 70_000);
    this.checksum = random.int(0, 3) as ChecksumState;
  }

  /** Packets end where their memory ends, so that a read beyond cannot go unnoticed by a `DataView`. */
  #load(packet: Uint8Array, length: number): void {
    this.length = length;
    this.wireLength = packet.length;
    this.offset = SIZE - length;
    this.memory.bytes.set(packet.subarray(0, length), this.offset);
  }

  #fragment(random: Random): void {
    const make = random.chance(0.5) ? datagram : datagram6;
    const offset = random.chance(0.9) ? 8 * random.int(0, 8) : 8 * random.int(0, 8192);
    const units = random.chance(0.9) ? 8 * random.int(1, 5) : random.int(0, 100);
    const more = random.chance(0.6);
    const flood = random.chance(0.2);
    const id = flood ? random.int(0, 65_536) : random.int(1, 20);
    const data = new Uint8Array(units);
    // Now and then a UDP header that fits, without a checksum.
    if (offset === 0 && units >= 8) data.set([1, 2, 0, 53, 0, random.int(0, 64), 0, 0]);
    const packet = buildFragment(make(), { offset, data, more }, id);
    this.#load(packet, packet.length);
  }

  #spoil(random: Random): void {
    const at = random.chance(0.7)
      ? (TRUSTED[random.int(0, TRUSTED.length)] as number)
      : random.int(0, this.length);
    if (at < this.length) this.memory.bytes[this.offset + at] = random.int(0, 256);
  }
}

class Siege {
  readonly packet = new HostileDatagram();
  readonly sink = new LateSink();
  readonly replayer: Replayer;
  readonly datagrams: Datagrams;
  now: Instant = seconds(1) as number as Instant;
  captured = 0;
  sent = 0;

  constructor() {
    const config = {
      transfers: [transfer(53, '10.9.0.1', 53, 576), transfer(53, 'fd09::1', 53, 1280)],
      clientAddresses: { v4: undefined, v6: undefined },
      percentage: 80,
      copies: 1.5,
      onlyFromSyn: false,
      maxCopies: 10,
      maxPayload: 6 << 20,
      session: DEFAULT_SESSION,
    };
    this.replayer = new Replayer(config, new Random(SEED));
    this.datagrams = new Datagrams(this.replayer.common, 1.5, new Random(SEED));
  }

  step(random: Random): void {
    const { packet, datagrams, sink } = this;
    packet.next(random);
    // As the copier does: what is not UDP is for the other core.
    if (isUdp(packet.memory, packet.offset, packet.length)) {
      this.captured++;
      datagrams.handlePacket(this.now, packet, sink);
      datagrams.poll(sink);
    }
    for (const octets of sink.take()) {
      this.sent++;
      check(
        octets.length <= (octets[0] === 0x45 ? 576 : 1280),
        'no packet is longer than its path',
      );
      readUdpPacket(octets);
    }
    if (datagrams.fault !== undefined) throw datagrams.fault as Error;
    if (random.chance(0.01)) this.#pass(random);
  }

  #pass(random: Random): void {
    this.now = addTime(this.now, random.chance(0.1) ? seconds(20) : millis(random.int(0, 500)));
    if (this.datagrams.pollTimeout() <= this.now) this.datagrams.handleTimeout(this.now);
    check(this.datagrams.pollTimeout() > this.now, 'no timer is armed in the past');
  }

  checkSums(): void {
    const { ledger } = this.replayer;
    const sum = (of: Float64Array): number => of.reduce((a, b) => a + b, 0);
    const packets = sum(ledger.packetErrors) + sum(ledger.datagrams);
    check(
      packets === this.captured && ledger.captured === packets,
      'every packet is in one bucket',
    );
    check(
      ledger.datagrams.every((n) => n >= 0),
      'no bucket is below 0',
    );
  }
}

describe('datagrams under siege', () => {
  const runs = Math.ceil(RUNS / 4);
  it(`${runs} hostile packets: nothing thrown, every one counted, nothing sent that no kernel would take`, () => {
    const siege = new Siege();
    fuzz(runs, (random, n) => {
      siege.step(random);
      if (n % 1000 === 0) siege.checkSums();
    });
    siege.checkSums();
    siege.datagrams.stop();
    siege.checkSums();
    const { datagrams } = siege.replayer.ledger;
    expect(siege.datagrams.pollTimeout()).toBe(NEVER);
    expect(datagrams[DatagramVerdict.waiting]).toBe(0);
    expect(datagrams[DatagramVerdict.internalError]).toBe(0);
    // The attack went deep: every end but these came, and packets were sent.
    const missed = Object.entries(DatagramVerdict)
      .filter(([, verdict]) => datagrams[verdict] === 0)
      .map(([name]) => name);
    expect(missed.toSorted()).toEqual(['internalError', 'overRate', 'waiting']);
    expect(siege.sent).toBeGreaterThan(runs / 20);
  });
});
