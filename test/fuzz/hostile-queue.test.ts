import { describe, it } from 'vitest';
import { Memory } from '../../src/base/memory.ts';
import type { Random } from '../../src/base/random.ts';
import { VERDICT_LENGTH } from '../../src/linux/queue-message.ts';
import { QueueReader } from '../../src/linux/queue-reader.ts';
import { type CapturedPacket, ChecksumState } from '../../src/ports/packet-source.ts';
import { parseAddress } from '../../src/wire/address.ts';
import { buildPacket, timestampOption } from '../property/wire-packets.ts';
import { check, fuzz, RUNS } from './seed.ts';

/** Where the datagram lies, with others on both sides of it. */
const START = 128;
const ROOM = 512;
const PACKETS = [
  buildPacket({ options: timestampOption(1, 2), payload: [1, 2, 3] }),
  buildPacket({ family: 6 }),
];

const attribute = (type: number, value: readonly number[]): number[] => {
  const length = 4 + value.length;
  return [length & 255, length >> 8, type, 0, ...value, ...Array((4 - (length & 3)) & 3).fill(0)];
};

/** What the kernel sends for a packet, or when `n` is odd the packet behind an answer. */
function datagram(n: number): number[] {
  const attributes = [
    ...attribute(1, [0, 0, n >> 8, n & 255, 8, 0, n & 3]),
    ...attribute(4, [0, 0, 0, 0, 103, 40, 163, 192, 0, 0, 0, 0, 0, 0, 1, 2]),
    ...attribute(5, [0, 0, 0, n & 1]),
    ...attribute(10, [...PACKETS[n & 1]!]),
    ...attribute(13, [0, 0, 5, 220]),
  ];
  const length = 20 + attributes.length;
  const head = [length, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 3];
  const answer = [36, 0, 0, 0, 2, ...Array(11).fill(0), 255, 255, 255, 255, ...Array(16).fill(0)];
  return [...((n & 2) === 0 ? [] : answer), ...head, ...attributes];
}

function spoil(octets: number[], random: Random): number {
  const changes = random.int(0, 6);
  for (let i = 0; i < changes; i++) octets[random.int(0, octets.length)] = random.int(0, 256);
  return random.int(0, 4) === 0 ? random.int(0, octets.length + 1) : octets.length;
}

describe('messages about a netfilter queue', () => {
  it(`each get one verdict at the most, and lead nobody beyond them, in ${RUNS / 5} inputs`, () => {
    const memory = Memory.alloc(ROOM);
    const input = {
      memory,
      offset: START,
      length: 0,
      wireLength: 0,
      checksum: ChecksumState.unknown,
      receivedAt: 0,
    };
    let seen = 0;
    let end = 0;
    const handlePacket = (packet: CapturedPacket): void => {
      seen++;
      check(packet.offset >= START && packet.offset % 4 === 0, 'it begins within the message');
      check(packet.length > 0 && packet.offset + packet.length <= end, 'it ends within it');
      check(packet.wireLength >= packet.length, 'it was not longer than on the wire');
    };
    const reader = new QueueReader({
      queue: 3,
      passThrough: [parseAddress('10.1.2.3')!],
      onAnswer: () => undefined,
    });
    reader.handler = { handlePacket };
    fuzz(RUNS / 5, (random, n) => {
      const octets = datagram(n & 0xffff);
      input.length = spoil(octets, random);
      memory.bytes.set(octets, START);
      end = START + input.length;
      const before = reader.received;
      reader.handlePacket(input);
      const came = reader.received - before;
      check(came <= 1 && reader.verdicts.length === came * VERDICT_LENGTH, 'one verdict each');
      reader.verdicts.clear();
    });
    const { received, onList, unreadable } = reader;
    check(seen + onList + unreadable === received, 'each is handed over or let through');
    check(seen > RUNS / 50 && unreadable > RUNS / 50, 'both happen');
  });
});
