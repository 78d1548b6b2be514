import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildPacket, memoryOf, slowSum } from '../../test/property/wire-packets.ts';
import { Memory } from '../base/memory.ts';
import { parseAddress } from './address.ts';
import {
  copyAndSum,
  finishTcpChecksum,
  foldChecksum,
  pseudoHeaderSum,
  sum16,
  swapSum,
  updateChecksum,
  updateChecksum32,
} from './checksum.ts';

const octets = fc.uint8Array({ maxLength: 200 });
const parity = fc.integer({ min: 0, max: 9 });
const checksumOf = (data: ArrayLike<number>): number => 0xffff - slowSum(Array.from(data));

describe('sum16', () => {
  it('gives the example of RFC 1071 §3', () => {
    const memory = memoryOf([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
    expect(foldChecksum(sum16(memory, 0, 8))).toBe(0xffff - 0xddf2);
  });

  it('agrees with the slow sum at any alignment and length', () => {
    fc.assert(
      fc.property(octets, parity, (data, offset) => {
        const memory = memoryOf(data, offset);
        memory.bytes.fill(0xa5, offset + data.length);
        expect(foldChecksum(sum16(memory, offset, data.length))).toBe(checksumOf(data));
      }),
    );
  });

  it.each([65_535, 65_536, 131_065, 300_001])('does not overflow over %i octets of 0xff', (n) => {
    const memory = memoryOf(new Uint8Array(n + 1).fill(0xff));
    for (const offset of [0, 1]) {
      expect(foldChecksum(sum16(memory, offset, n))).toBe(
        checksumOf(memory.bytes.slice(offset, offset + n)),
      );
    }
  });

  it('adds up over pieces, swapped where a piece begins at an odd position', () => {
    fc.assert(
      fc.property(octets, fc.nat(200), parity, (data, cut, offset) => {
        const first = Math.min(cut, data.length);
        const memory = memoryOf(data, offset);
        const rest = sum16(memory, offset + first, data.length - first);
        const whole = sum16(memory, offset, first) + (first % 2 === 0 ? rest : swapSum(rest));
        expect(foldChecksum(whole)).toBe(checksumOf(data));
      }),
    );
  });
});

describe('copyAndSum', () => {
  it('copies exactly the range and returns its sum, at any alignment of both sides', () => {
    fc.assert(
      fc.property(octets, parity, parity, (data, from, to) => {
        const src = memoryOf(data, from);
        const dst = Memory.alloc(to + data.length + 8);
        dst.bytes.fill(0xee);
        const expected = Array.from(dst.bytes);
        expected.splice(to, data.length, ...data);
        const sum = copyAndSum(src, from, dst, to, data.length);
        expect(foldChecksum(sum)).toBe(checksumOf(data));
        expect(Array.from(dst.bytes)).toEqual(expected);
      }),
    );
  });

  it.each([
    [0, 0],
    [1, 1],
    [1, 2],
  ])('does not overflow over 300001 octets of 0xff from %i to %i', (from, to) => {
    const src = memoryOf(new Uint8Array(300_001).fill(0xff), from);
    const dst = Memory.alloc(300_016);
    expect(foldChecksum(copyAndSum(src, from, dst, to, 300_001))).toBe(
      checksumOf(new Uint8Array(300_001).fill(0xff)),
    );
    expect(dst.bytes[to + 300_000]).toBe(0xff);
    expect(dst.bytes[to + 300_001]).toBe(0);
  });
});

describe('incremental update', () => {
  it('gives the examples of RFC 1624 §4', () => {
    // The other words sum to 0xcd7a; one goes from 0x5555 to 0x3285.
    expect(updateChecksum(0xdd2f, 0x5555, 0x3285)).toBe(0x0000);
  });

  it('equals the recomputed checksum, save that zero has two spellings', () => {
    const word = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 4, maxLength: 60 }),
        word,
        fc.nat(),
        (data, value, k) => {
          const at = 2 * (k % Math.floor(data.length / 2));
          const memory = memoryOf(data);
          const before = checksumOf(data);
          const old = memory.view.getUint16(at);
          memory.view.setUint16(at, value);
          const now = updateChecksum(before, old, value);
          const right = checksumOf(memory.bytes.slice(0, data.length));
          expect(now % 0xffff).toBe(right % 0xffff);
          const both = updateChecksum32(before, (old << 16) | 0x1234, (value << 16) | 0x1234);
          expect(both % 0xffff).toBe(right % 0xffff);
        },
      ),
    );
  });
});

describe('TCP checksum', () => {
  const payload = [1, 2, 3, 4, 5];

  it.each([4, 6] as const)(
    'finishTcpChecksum writes what the slow builder writes, IPv%i',
    (family) => {
      const packet = buildPacket({ family, payload, options: [1, 1, 1, 1] });
      const memory = memoryOf(packet);
      const ipHeaderLength = family === 4 ? 20 : 40;
      memory.view.setUint16(ipHeaderLength + 16, 0xbeef);
      const sum = sum16(memory, ipHeaderLength + 24, payload.length);
      finishTcpChecksum(memory, 0, ipHeaderLength, 24 + payload.length, 24, sum);
      expect(Array.from(memory.bytes.slice(0, packet.length))).toEqual(Array.from(packet));
    },
  );

  it.each([
    ['192.168.0.2', '10.1.2.3', 4, 20],
    ['fd00::2', '2001:db8::9', 6, 40],
  ] as const)(
    'pseudoHeaderSum of %s and %s makes a good segment sum to zero',
    (a, b, family, at) => {
      const packet = buildPacket({ family, payload });
      const length = packet.length - at;
      const src = parseAddress(a)!;
      const dst = parseAddress(b)!;
      const sum = sum16(memoryOf(packet), at, length, pseudoHeaderSum(src, dst, length));
      expect(foldChecksum(sum)).toBe(0);
    },
  );
});
