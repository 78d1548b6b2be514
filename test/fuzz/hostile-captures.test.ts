import { expect, it } from 'vitest';
import type { Random } from '../../src/base/random.ts';
import { TransferTable } from '../../src/replay/transfers.ts';
import { CaptureSieve } from '../../src/runtime/capture-sieve.ts';
import {
  framesOf,
  interfaceBlock,
  packetBlock,
  pcapFile,
  sectionHeader,
  simpleBlock,
} from '../../src/testing/capture-files.ts';
import { address } from '../../src/testing/harness.ts';
import { buildPacket } from '../../src/testing/packet.ts';
import { CaptureReader } from '../../src/wire/capture-reader.ts';
import { ReadState } from '../../src/wire/capture-record.ts';
import { check, fuzz, RUNS } from './seed.ts';

/** Files are larger than packets. */
const FILES = Math.max(RUNS / 10, 1);
const TRANSFERS = new TransferTable([
  {
    address: undefined,
    port: 80,
    target: address('10.66.0.2'),
    targetPort: 80,
    path: { mtu: 1500 },
    loopbackOnly: false,
  },
]);

const FRAMES = Object.values(
  framesOf(
    buildPacket({
      from: { address: '10.77.0.1', port: 4000 },
      to: { address: '10.66.0.1', port: 80 },
      flags: 'PA',
      seq: 1,
      ack: 2,
      window: 3,
      urgentPointer: 0,
      ttl: 64,
      trafficClass: 0,
      ipId: 0,
      dontFragment: true,
      options: {},
      payload: Uint8Array.of(1, 2, 3),
    }),
  ),
);

/** A good file of each form, with packets of every link type. */
const GOOD: readonly Uint8Array[] = [true, false].flatMap((little) => [
  ...FRAMES.map(([linkType, octets]) => {
    const packets = Array.from({ length: 4 }, (_, i) => ({ time: 1e9 + i, octets }));
    return pcapFile(packets, { little, linkType, nanoseconds: linkType % 2 === 0 });
  }),
  Uint8Array.from([
    ...sectionHeader({ little }),
    ...FRAMES.flatMap(([linkType]) => interfaceBlock({ linkType, resolution: 9 }, { little })),
    ...FRAMES.flatMap(([, octets], on) =>
      packetBlock({ time: 0, octets, on }, 1_000_000n, { little }, on % 3 === 0),
    ),
    ...simpleBlock({ time: 0, octets: FRAMES[0]?.[1] ?? [] }, { little }),
  ]),
]);

const below = (random: Random, n: number): number => random.int(0, n);

/** Numbers at which lengths go wrong. */
const EDGES = [0, 1, 3, 4, 8, 12, 0x7f, 0x80, 0xff];

function mutate(random: Random, good: Uint8Array): Uint8Array {
  const file = good.slice();
  for (let n = below(random, 6); n >= 0; n--) {
    const at = below(random, file.length);
    file[at] =
      below(random, 2) === 0 ? below(random, 256) : (EDGES[below(random, EDGES.length)] as number);
  }
  switch (below(random, 4)) {
    case 0:
      return file.subarray(0, below(random, file.length + 1));
    case 1: {
      const from = below(random, file.length);
      file.copyWithin(below(random, file.length), from, from + below(random, 64));
      return file;
    }
    default:
      return file;
  }
}

/** Reads a file to its end; a file of n octets has no more packets than it has octets. */
function read(file: Uint8Array, random: Random, sieve: CaptureSieve): ReadState {
  const reader = new CaptureReader();
  let at = 0;
  for (let packets = 0; packets <= file.length; ) {
    const state = reader.next();
    if (state === ReadState.starved) {
      const size = 1 + below(random, file.length);
      if (at >= file.length) reader.finish();
      else reader.feed(file.subarray(at, at + size));
      at += size;
    } else if (state === ReadState.record) {
      packets++;
      const { offset, length, bytes, wireLength } = reader.record;
      check(offset >= 0 && offset + length <= bytes.length, 'the octets are there');
      check(wireLength >= length, 'no less on the wire than captured');
      sieve.sift(reader.record);
    } else {
      check(state === ReadState.ended || reader.fault !== null, 'damage has a reason');
      const { offset = 0 } = reader.fault ?? {};
      check(offset >= 0 && Number.isSafeInteger(offset), 'and a place');
      return state;
    }
  }
  throw new Error('it does not end');
}

it(`${FILES} mutated capture files are read or refused, none of them crashes or hangs`, () => {
  const seen = [0, 0];
  const sieve = new CaptureSieve(TRANSFERS);
  fuzz(FILES, (random) => {
    const good = GOOD[below(random, GOOD.length)] as Uint8Array;
    const state = read(mutate(random, good), random, sieve);
    if (state === ReadState.ended) seen[0] = (seen[0] as number) + 1;
    else seen[1] = (seen[1] as number) + 1;
  });
  const { counts } = sieve;
  const kinds = counts.client + counts.server + counts.foreign + counts.notTcp;
  expect(kinds + counts.unknownLink + counts.unusable).toBe(counts.read);
  // Either way often enough to mean something.
  expect(Math.min(...seen)).toBeGreaterThan(FILES / 20);
  expect(counts.client).toBeGreaterThan(FILES / 20);
});

it('every good file is read to its end, and each packet in it found', () => {
  for (const file of GOOD) {
    const sieve = new CaptureSieve(TRANSFERS);
    const random = { int: () => file.length - 1 } as unknown as Random;
    expect(read(file, random, sieve)).toBe(ReadState.ended);
    expect(sieve.counts.client).toBe(sieve.counts.read);
    expect(sieve.counts.read).toBeGreaterThan(3);
  }
});
