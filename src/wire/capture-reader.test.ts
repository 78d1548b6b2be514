import { describe, expect, it } from 'vitest';
import {
  block,
  interfaceBlock,
  type Order,
  packetBlock,
  pcapFile,
  sectionHeader,
  simpleBlock,
} from '../testing/capture-files.ts';
import { CaptureReader } from './capture-reader.ts';
import { ReadState } from './capture-record.ts';
import { PcapngWriter } from './pcapng-writer.ts';

const LITTLE: Order = { little: true };
const BIG: Order = { little: false };
const TIME = 1_700_000_000_123_456;

interface Found {
  time: number;
  linkType: number;
  octets: number[];
  wireLength: number;
}

/** Everything in a file that is fed in pieces of `size`, and how it ended. */
function readAll(file: ArrayLike<number>, size = 1 << 20): { found: Found[]; end: string } {
  const octets = Uint8Array.from(file);
  const reader = new CaptureReader();
  const found: Found[] = [];
  let at = 0;
  for (;;) {
    const state = reader.next();
    if (state === ReadState.record) {
      const { time, linkType, bytes, offset, length, wireLength } = reader.record;
      const data = [...bytes.subarray(offset, offset + length)];
      found.push({ time, linkType, octets: data, wireLength });
    } else if (state === ReadState.starved) {
      if (at >= octets.length) reader.finish();
      else reader.feed(octets.subarray(at, at + size));
      at += size;
    } else if (state === ReadState.ended) return { found, end: 'ended' };
    else return { found, end: `${reader.fault?.offset}: ${reader.fault?.reason}` };
  }
}

const PACKETS = [
  { time: TIME, octets: [1, 2, 3, 4, 5] },
  { time: TIME + 7, octets: [6, 7], wireLength: 1500 },
  { time: TIME + 3_000_000, octets: [] },
];
const EXPECTED = PACKETS.map(({ time, octets, wireLength }) => ({
  time,
  octets,
  wireLength: wireLength ?? octets.length,
  linkType: 113,
}));

describe('pcap', () => {
  for (const little of [true, false]) {
    for (const nanoseconds of [true, false]) {
      const form = { little, nanoseconds, linkType: 113 };
      it(`is read, ${little ? 'little' : 'big'}-endian, ${nanoseconds ? 'nano' : 'micro'}seconds, however it arrives`, () => {
        const file = pcapFile(PACKETS, form);
        for (const size of [1, 2, 3, 5, 16, 41, 1000]) {
          expect(readAll(file, size), String(size)).toEqual({ found: EXPECTED, end: 'ended' });
        }
      });
    }
  }

  it('keeps fractions of a microsecond', () => {
    const file = pcapFile([{ time: TIME + 0.5, octets: [1] }], {
      ...LITTLE,
      nanoseconds: true,
      linkType: 1,
    });
    expect(readAll(file).found[0]?.time).toBe(TIME + 0.5);
  });

  it('takes the link type without what stands above it', () => {
    const file = pcapFile(PACKETS, { ...LITTLE, linkType: 113 });
    file[23] = 0x14;
    expect(readAll(file).found).toEqual(EXPECTED);
  });

  it('that is cut is told apart from one that ends', () => {
    const file = pcapFile(PACKETS, { ...LITTLE, linkType: 113 });
    expect(readAll(file.subarray(0, file.length - 17)).end).toBe('45: it ends within a packet');
    expect(readAll(file.subarray(0, 20)).end).toBe('0: it ends within a packet');
    expect(readAll([]).end).toBe('0: it is no capture file');
    expect(readAll([1, 2, 3, 4, 5]).end).toBe(
      '0: it begins with 01020304, as neither pcap nor pcapng does',
    );
  });

  it('whose lengths cannot be is refused where they stand', () => {
    const file = pcapFile(PACKETS, { ...LITTLE, linkType: 113 });
    file[24 + 16 + 5 + 11] = 0x7f;
    const { found, end } = readAll(file);
    expect(found).toHaveLength(1);
    expect(end).toBe('45: a packet of 2130706434 octets, more than any capture has');
    file[4] = 3;
    expect(readAll(file).end).toBe('0: version 3 of the pcap format, which has no more than 2');
  });
});

describe('pcapng', () => {
  it('reads what the writer writes', () => {
    const writer = new PcapngWriter('test');
    const id = writer.addInterface('eth0');
    writer.addPacket(id, TIME, Uint8Array.of(0x45, 1, 2), 9, 'a comment');
    const { found, end } = readAll(writer.take());
    expect(end).toBe('ended');
    const octets = [...new Array<number>(12).fill(0), 8, 0, 0x45, 1, 2];
    expect(found).toEqual([{ time: TIME, linkType: 1, octets, wireLength: 23 }]);
  });

  for (const order of [LITTLE, BIG]) {
    it(`knows all kinds of packet blocks and of time stamps, ${order.little ? 'little' : 'big'}-endian, however it arrives`, () => {
      const [first, second, third] = PACKETS as [
        (typeof PACKETS)[0],
        (typeof PACKETS)[0],
        (typeof PACKETS)[0],
      ];
      const file = [
        ...sectionHeader(order),
        ...interfaceBlock({ linkType: 113 }, order),
        ...interfaceBlock({ linkType: 101, resolution: 9, snapLength: 3 }, order),
        // 2⁻²⁰ s, from 1,000 s later on.
        ...interfaceBlock({ linkType: 228, resolution: 0x94, offset: 1000 }, order),
        ...packetBlock(first, BigInt(first.time), order),
        ...block(5, [1, 2, 3, 4, 5, 6, 7, 8], order), // Statistics: passed over.
        ...packetBlock({ ...second, on: 1 }, BigInt(second.time) * 1000n, order, true),
        ...packetBlock({ ...third, on: 2 }, 5n << 20n, order),
        ...simpleBlock(first, order),
      ];
      const expected = [
        EXPECTED[0],
        { ...EXPECTED[1], linkType: 101 },
        { ...EXPECTED[2], linkType: 228, time: 1005e6 },
        { ...EXPECTED[0], time: 1005e6 },
      ];
      for (const size of [1, 3, 8, 13, 1000]) {
        const { found, end } = readAll(file, size);
        expect(end).toBe('ended');
        found.forEach((f) => (f.time = Math.round(f.time)));
        expect(found, String(size)).toEqual(expected);
      }
    });
  }

  it('gives each section its own order and interfaces', () => {
    const file = [LITTLE, BIG].flatMap((order, i) => [
      ...sectionHeader(order),
      ...interfaceBlock({ linkType: 101 + i }, order),
      ...packetBlock(PACKETS[0] as (typeof PACKETS)[0], BigInt(TIME), order),
    ]);
    expect(readAll(file).found.map(({ linkType }) => linkType)).toEqual([101, 102]);
    const section = [...sectionHeader(LITTLE), ...interfaceBlock({ linkType: 1 }, LITTLE)];
    const packet = packetBlock({ time: 0, octets: [1] }, 0n, LITTLE);
    const { found, end } = readAll([...section, ...packet, ...sectionHeader(LITTLE), ...packet]);
    expect(found).toHaveLength(1);
    expect(end).toBe(
      `${section.length + packet.length + 28}: a packet of interface 0, which is none`,
    );
  });

  it('cuts simple packets at the snap length', () => {
    const file = [
      ...sectionHeader(BIG),
      ...interfaceBlock({ linkType: 1, snapLength: 3 }, BIG),
      ...simpleBlock({ time: 0, octets: [1, 2, 3], wireLength: 70 }, BIG),
    ];
    expect(readAll(file).found[0]).toMatchObject({ octets: [1, 2, 3], wireLength: 70 });
  });

  it('passes over blocks of any length', () => {
    const large = block(0x0bad, new Array<number>(3 << 20).fill(7), LITTLE);
    const packet = packetBlock({ time: 0, octets: [1] }, 0n, LITTLE);
    const file = [sectionHeader(LITTLE), interfaceBlock({ linkType: 1 }, LITTLE), large, packet];
    const octets = new Uint8Array(file.reduce((sum, part) => sum + part.length, 0));
    file.reduce((at, part) => (octets.set(part, at), at + part.length), 0);
    expect(readAll(octets, 1 << 16)).toMatchObject({ found: [{ octets: [1] }], end: 'ended' });
    expect(readAll(octets.subarray(0, 1 << 20), 1 << 16).end).toMatch(/ends within a packet/);
  });

  it.each([
    ['without magic', [...block(0x0a0d0d0a, new Array<number>(16).fill(0), BIG)], /^0: .*magic/],
    ['of version 2', sectionHeader(BIG, 2), /^0: version 2/],
    [
      'with a block of 8 octets',
      [...sectionHeader(BIG), 0, 0, 0, 6, 0, 0, 0, 8, 0, 0, 0, 8],
      /^28: a block of 8/,
    ],
    [
      'with a block of 30',
      [...sectionHeader(BIG), 0, 0, 9, 9, 0, 0, 0, 30, 0, 0, 0, 8],
      /^28: a block of 30/,
    ],
    [
      'with lengths that differ',
      [...sectionHeader(BIG).slice(0, -1), 32],
      /28 octets that ends as one of 32/,
    ],
  ] as const)('a file %s is refused', (_, file, reason) => {
    expect(readAll(file).end).toMatch(reason);
  });

  it('refuses a packet longer than its block', () => {
    const packet = packetBlock({ time: 0, octets: [1, 2, 3, 4] }, 0n, LITTLE);
    packet[20] = 5;
    const file = [...sectionHeader(LITTLE), ...interfaceBlock({ linkType: 1 }, LITTLE), ...packet];
    expect(readAll(file).end).toMatch(/a packet of 5 octets in a block that has not so many/);
  });
});
