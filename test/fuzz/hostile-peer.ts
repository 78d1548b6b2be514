import { Memory } from '../../src/base/memory.ts';
import type { Random } from '../../src/base/random.ts';
import { seqOf } from '../../src/base/seq.ts';
import { HEADER_ROOM, type PacketSink } from '../../src/ports/packet-sink.ts';
import { type CapturedPacket, ChecksumState } from '../../src/ports/packet-source.ts';
import { address } from '../../src/testing/harness.ts';
import { writeIpv4Header } from '../../src/wire/ipv4.ts';
import { PacketError, PacketView } from '../../src/wire/packet-view.ts';
import { writeTcpHeader } from '../../src/wire/tcp-header.ts';
import { check } from './seed.ts';

/** Connections at once: few, so that hostile packets meet sessions in every state. */
export const PORTS = 16;
const FIRST_PORT = 20_000;
const SIZE = 72_000;

const CLIENT = address('10.1.2.3').w3;
const ONLINE = address('10.8.0.1').w3;
const TARGET = address('10.9.0.1').w3;

const LIKELY_FLAGS = [0x02, 0x12, 0x10, 0x18, 0x18, 0x18, 0x11, 0x19, 0x04, 0x14, 0x38];
const NEAR = [
  0,
  0,
  0,
  0,
  1,
  -1,
  2,
  100,
  -100,
  536,
  1460,
  -1460,
  65_535,
  -65_535,
  1 << 24,
  -(1 << 24),
];
const OPTION_OCTETS = [0, 1, 2, 3, 4, 5, 8, 10, 18, 34, 40, 255];

/** Sequence numbers of one copy, as they were on the wire last: what an attacker near the path would know. */
interface Numbers {
  seq: number;
  ack: number;
}

/**
 * What the copies send, each packet read again and checked, and hostile packets for them: any flags, numbers near the
 * windows, lengths and options without sense. Ends of memory are ends of packets.
 */
export class HostilePeer implements PacketSink, CapturedPacket {
  readonly memory: Memory = Memory.alloc(SIZE);
  readonly offset = 0;
  readonly receivedAt = 0;
  length = 0;
  wireLength = 0;
  checksum: ChecksumState = ChecksumState.valid;
  sent = 0;
  /** SYNs that have just been sent, by their port and what they expect, for a target that answers well. */
  readonly synSent: { readonly port: number; readonly end: number }[] = [];
  readonly #numbers: readonly Numbers[] = Array.from({ length: PORTS }, () => ({ seq: 0, ack: 0 }));
  readonly #view = new PacketView();
  readonly #sink: PacketSink;

  constructor() {
    this.#sink = new Checked(this.#view, (port, end) => {
      this.sent++;
      if ((this.#view.flags & 0x3f) === 0x02) this.synSent.push({ port, end });
      const numbers = this.#numbers[port - FIRST_PORT];
      if (numbers === undefined) return; // A spoiled port, or that of a copy that has moved.
      numbers.seq = end;
      numbers.ack = this.#view.ack;
    });
  }

  get sink(): PacketSink {
    return this.#sink;
  }

  begin(): number {
    return this.#sink.begin();
  }

  commit(): void {}

  flush(): void {}

  /** A packet of a client, for `handleClientPacket`. */
  nextOfClient(random: Random): void {
    const which = random.int(0, PORTS);
    const numbers = this.#numbers[which] as Numbers;
    const flags = this.#flags(random);
    const length = random.chance(0.4)
      ? 0
      : random.chance(0.01)
        ? random.int(0, 65_000)
        : random.int(0, 3000);
    const seq = random.chance(0.02) ? random.uint32() : numbers.seq + this.#near(random);
    const ack = random.chance(0.1) ? random.uint32() : 5000 + random.int(0, 20) * 100;
    this.#write(random, CLIENT, FIRST_PORT + which, ONLINE, 80, seq, ack, flags, length);
    const kind = random.int(0, 20);
    this.checksum =
      kind === 0 ? ChecksumState.unknown : kind === 1 ? ChecksumState.partial : ChecksumState.valid;
    if (random.chance(0.03)) this.#spoil(random);
  }

  /** 64 octets of header of the target, for `handleTargetHeader`. */
  nextOfTarget(random: Random): void {
    const which = random.int(0, PORTS);
    const numbers = this.#numbers[which] as Numbers;
    const flags = this.#flags(random);
    const length = random.chance(0.5) ? 0 : random.int(0, 3000);
    const seq = random.chance(0.02) ? random.uint32() : numbers.ack + this.#near(random);
    const ack = random.chance(0.05) ? random.uint32() : numbers.seq + this.#near(random);
    this.#write(random, TARGET, 8080, CLIENT, FIRST_PORT + which, seq, ack, flags, length);
    if (random.chance(0.03)) this.#spoil(random);
  }

  /** The SYN-ACK that a good target would send; false when no SYN waits for one. */
  goodAnswer(random: Random): boolean {
    const syn = this.synSent.pop();
    if (syn === undefined) return false;
    this.#write(random, TARGET, 8080, CLIENT, syn.port, random.uint32(), syn.end, 0x12, 0);
    return true;
  }

  #flags(random: Random): number {
    if (random.chance(0.2)) return random.int(0, 256);
    return LIKELY_FLAGS[random.int(0, LIKELY_FLAGS.length)] as number;
  }

  #near(random: Random): number {
    if (random.chance(0.2)) return random.int(-70_000, 70_000);
    return NEAR[random.int(0, NEAR.length)] as number;
  }

  #write(
    random: Random,
    from: number,
    fromPort: number,
    to: number,
    toPort: number,
    seq: number,
    ack: number,
    flags: number,
    payload: number,
  ): void {
    const { memory } = this;
    const options = random.chance(0.5) ? 0 : random.int(0, 11) * 4;
    const headers = 40 + options;
    writeIpv4Header(memory, 0, 0, headers + payload, 1, true, 64, 6, from, to);
    const window = random.chance(0.2) ? 0 : random.int(0, 65_536);
    const s = seqOf(seq);
    writeTcpHeader(memory, 20, fromPort, toPort, s, seqOf(ack), flags, window, 20 + options);
    if (random.chance(0.3)) memory.view.setUint16(38, random.int(0, 65_536));
    for (let i = 40; i < headers; i++) {
      memory.bytes[i] = OPTION_OCTETS[random.int(0, OPTION_OCTETS.length)] as number;
    }
    if (options >= 12 && random.chance(0.6)) {
      memory.view.setInt32(40, 0x0101_080a);
      memory.view.setInt32(44, random.chance(0.9) ? random.int(0, 1000) : random.uint32());
    }
    this.#writeSack(random, options, ack, flags);
    this.length = this.wireLength = headers + payload;
  }

  /** SACK-permitted in most SYNs, and elsewhere blocks of what was sent and what was not. */
  #writeSack(random: Random, options: number, ack: number, flags: number): void {
    const { view } = this.memory;
    if ((flags & 2) !== 0) {
      if (options >= 4 && random.chance(0.7)) view.setInt32(40, 0x0101_0402);
    } else if (options >= 20 && random.chance(0.5)) {
      view.setInt32(40, 0x0101_0512);
      for (let at = 44; at < 60; at += 8) {
        const left = ack + this.#near(random);
        view.setInt32(at, left);
        view.setInt32(at + 4, left + this.#near(random));
      }
    }
  }

  #spoil(random: Random): void {
    const { bytes } = this.memory;
    for (let i = random.int(1, 4); i > 0; i--) {
      bytes[random.int(0, Math.min(this.length, 64))] = random.int(0, 256);
    }
    if (random.chance(0.3)) this.length = random.int(0, this.length + 1);
  }
}

/** Reads what is sent and checks that it is what a client could send. */
class Checked implements PacketSink {
  readonly memory: Memory = Memory.alloc(HEADER_ROOM);
  readonly #view: PacketView;
  readonly #onSent: (port: number, end: number) => void;

  constructor(view: PacketView, onSent: (port: number, end: number) => void) {
    this.#view = view;
    this.#onSent = onSent;
  }

  begin(): number {
    return 0;
  }

  commit(headerLength: number, payload: Memory | null, offset: number, length: number): void {
    const view = this.#view;
    const error = view.parse(this.memory, 0, headerLength, headerLength + length);
    const wanted = length > 0 ? PacketError.cutByCapture : PacketError.none;
    check(error === wanted, `a packet that can be read (${error})`);
    check(view.payloadLength === length, 'lengths agree');
    check(view.packetLength <= 1500, 'no longer than the path takes');
    check(
      length === 0 || (payload !== null && offset + length <= payload.size),
      'payload in memory',
    );
    this.#onSent(view.sourcePort, view.seq + view.segmentLength);
  }

  flush(): void {}
}
