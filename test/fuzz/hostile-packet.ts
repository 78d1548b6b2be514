import { Memory } from '../../src/base/memory.ts';
import type { Random } from '../../src/base/random.ts';
import { type CapturedPacket, ChecksumState } from '../../src/ports/packet-source.ts';
import {
  buildPacket,
  type PacketSpec,
  sackOption,
  timestampOption,
} from '../property/wire-packets.ts';

const block = (n: number): readonly [number, number] => [n * 1000, n * 1000 + 500];
const stamps = timestampOption(0x0102_0304, 0xffff_fff0);
const synOptions = [2, 4, 5, 0xb4, 4, 2, 1, 1, ...stamps, 1, 3, 3, 7];
const payload = Array.from({ length: 40 }, (_, i) => i);
const hopByHop = { type: 0, body: [5, 2, 0, 0, 1, 0] };
const routing = { type: 43, body: Array.from({ length: 22 }, () => 0) };
const destination = { type: 60, body: Array.from({ length: 6 }, () => 0) };

const tcpForms: readonly PacketSpec[] = [
  { flags: 0x10 },
  { flags: 0x12, options: synOptions },
  { flags: 0x18, options: stamps, payload },
  { flags: 0x10, options: [...stamps, ...sackOption([1, 2, 3].map(block))] },
  { flags: 0x10, options: sackOption([1, 2, 3, 4].map(block)), payload },
  { flags: 0x14 },
];

const ipForms: readonly PacketSpec[] = [
  {},
  { ipOptions: [7, 7, 4, 0, 0, 0, 0, 0] },
  { ipOptions: Array.from({ length: 40 }, () => 1) },
  { family: 6 },
  { family: 6, extensions: [hopByHop, routing, destination] },
];

/** Good packets of every shape: what a hostile one starts as. */
export const TEMPLATES: readonly Uint8Array[] = ipForms.flatMap((ip) =>
  tcpForms.map((tcp) => buildPacket({ ...ip, ...tcp })),
);

const SIZE = 512;
const INTERESTING = [0, 1, 2, 4, 5, 6, 8, 10, 15, 40, 44, 60, 64, 69, 96, 127, 128, 255];

/**
 * Packets that start as a template and are then spoiled in the places that parsers trust. Each ends where its memory
 * ends, so that a read beyond it cannot go unnoticed by a `DataView`.
 */
export class HostilePacket implements CapturedPacket {
  readonly memory: Memory = Memory.alloc(SIZE);
  readonly checksum: ChecksumState = ChecksumState.unknown;
  readonly receivedAt = 0;
  offset = 0;
  length = 0;
  wireLength = 0;

  /** Puts `packet[0 … length)` in place, unspoiled. */
  load(packet: Uint8Array, length: number = packet.length): void {
    this.length = length;
    this.wireLength = packet.length;
    this.offset = SIZE - length;
    const { bytes } = this.memory;
    for (let i = 0; i < length; i++) bytes[this.offset + i] = packet[i] as number;
  }

  /** Makes the next hostile packet. */
  next(random: Random): void {
    const template = TEMPLATES[random.int(0, TEMPLATES.length)] as Uint8Array;
    const cut = random.chance(0.25) ? random.int(0, template.length + 1) : template.length;
    this.load(template, cut);
    if (cut === 0) return;
    for (let n = random.int(0, 4); n > 0; n--) this.#spoil(random);
    if (random.chance(0.2)) this.wireLength = this.#anyWireLength(random);
  }

  octets(): Uint8Array {
    return this.memory.bytes.slice(this.offset, this.offset + this.length);
  }

  #spoil(random: Random): void {
    const { bytes } = this.memory;
    const any = random.int(0, this.length);
    const value = random.chance(0.5)
      ? (INTERESTING[random.int(0, INTERESTING.length)] as number)
      : random.int(0, 256);
    const first = bytes[this.offset] as number;
    const tcp = first >>> 4 === 4 ? (first & 15) * 4 : 40;
    switch (random.int(0, 8)) {
      case 0:
        return this.#set(any, value);
      case 1: // version and header length
        return this.#set(0, value);
      case 2: // total or payload length
        this.#set(first >>> 4 === 4 ? 2 : 4, random.int(0, 2));
        return this.#set(first >>> 4 === 4 ? 3 : 5, value);
      case 3: // fragment field, or next header
        return this.#set(6, value);
      case 4: // lengths within extension headers
        return this.#set(40 + random.int(0, 2), value);
      case 5: // data offset
        return this.#set(tcp + 12, value);
      case 6: // flags, all of them
        return this.#set(tcp + 13, random.int(0, 256));
      default: // kinds and lengths of options
        return this.#set(tcp + 20 + random.int(0, 40), value);
    }
  }

  #set(at: number, value: number): void {
    if (at < this.length) this.memory.bytes[this.offset + at] = value;
  }

  #anyWireLength(random: Random): number {
    const kind = random.int(0, 4);
    if (kind === 0) return this.length;
    if (kind === 1) return random.int(0, this.length + 1);
    if (kind === 2) return this.length + random.int(0, 64);
    return random.int(0, 400_000);
  }
}
