import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seqAdd, seqDiff, seqOf } from '../../src/base/seq.ts';
import { SlabPool } from '../../src/base/slab-pool.ts';
import { RangeSet } from '../../src/tcp/range-set.ts';
import { SegmentStore } from '../../src/tcp/segment-store.ts';
import { NONE, SendQueue } from '../../src/tcp/send-queue.ts';

const seed = Number(process.env.PROPERTY_SEED ?? 4711);
const starts = fc.constantFrom(0, 0x7fff_fff0, 0xffff_fff0, 12_345);

describe('RangeSet', () => {
  it('knows what a set of octets knows', () => {
    const pieces = fc.array(fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 20 })), {
      maxLength: 7,
    });
    const property = fc.property(starts, pieces, fc.nat(40), (start, ranges, gap) => {
      const ours = new RangeSet(8);
      const octets = new Set<number>();
      for (const [from, length] of ranges) {
        const left = seqAdd(seqOf(start), from + 1);
        ours.add(left, seqAdd(left, length));
        for (let i = 0; i < length; i++) octets.add(from + 1 + i);
      }
      let wanted = gap;
      while (octets.has(wanted)) wanted++;
      const next = ours.advance(seqAdd(seqOf(start), gap));
      expect(seqDiff(next, seqOf(start))).toBe(wanted);
      expect(ours.isEmpty).toBe(![...octets].some((octet) => octet > wanted));
    });
    fc.assert(property, { seed, numRuns: 3000 });
  });
});

describe('SendQueue', () => {
  it('gives back every row and cell, in whatever steps it is acknowledged', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 20 });
    const steps = fc.array(fc.nat(4000), { maxLength: 30 });
    const property = fc.property(starts, lengths, steps, (start, pieces, acks) => {
      const store = new SegmentStore();
      const pool = new SlabPool(1 << 23);
      const queue = new SendQueue(store, pool, seqOf(start));
      let end = seqOf(start);
      for (const length of pieces) {
        queue.append(store.take(end, length, 0, seqOf(0), pool.take(length), 0));
        end = seqAdd(end, length);
      }
      const total = pieces.reduce((a, b) => a + b, 0);
      let una = 0;
      for (const step of acks) {
        una = Math.min(total, una + step);
        queue.acknowledge(seqAdd(seqOf(start), una));
        let before = 0;
        const left = pieces.filter((length) => (before += length) > una);
        expect(queue.segments).toBe(left.length);
        expect(queue.octets).toBe(left.reduce((a, b) => a + b, 0));
        expect(queue.hasGap).toBe(false);
      }
      queue.clear();
      expect([queue.head, queue.cursor, queue.octets]).toEqual([NONE, NONE, 0]);
      expect([store.used, pool.used]).toEqual([0, 0]);
    });
    fc.assert(property, { seed, numRuns: 500 });
  });
});
