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

  it('counts, finds and names them as the set of octets would', () => {
    const pieces = fc.array(fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 9 })), {
      maxLength: 12,
    });
    const probe = fc.tuple(fc.nat(70), fc.nat(70));
    const property = fc.property(starts, pieces, probe, (start, ranges, [a, b]) => {
      const ours = new RangeSet(64);
      const octets = new Set<number>();
      const at = (offset: number) => seqAdd(seqOf(start), offset);
      for (const [from, length] of ranges) {
        const fresh = Array.from({ length }, (_, i) => from + i).filter((o) => !octets.has(o));
        expect(ours.add(at(from), at(from + length))).toBe(fresh.length > 0);
        for (const octet of fresh) octets.add(octet);
        // The range named first is the one that has just grown.
        const first = ours.latest(-1);
        expect(seqDiff(ours.left(first), at(from))).toBeLessThanOrEqual(0);
        expect(seqDiff(ours.right(first), at(from + length))).toBeGreaterThanOrEqual(0);
      }
      const [low, high] = [Math.min(a, b), Math.max(a, b)];
      const inside = [...octets].filter((o) => o >= low && o < high);
      expect(ours.octets(at(low), at(high))).toBe(inside.length);
      const index = ours.indexOf(at(a));
      expect(index >= 0).toBe(octets.has(a));
      if (index >= 0) {
        expect(seqDiff(ours.left(index), at(a))).toBeLessThanOrEqual(0);
        expect(seqDiff(ours.right(index), at(a))).toBeGreaterThan(0);
      }
      const lefts = [...octets].filter((o) => !octets.has(o - 1) && o > low && o < high);
      expect(seqDiff(ours.nextLeft(at(low), at(high)), seqOf(start))).toBe(
        Math.min(high, ...lefts),
      );
      const named: number[] = [];
      for (let r = ours.latest(-1); r >= 0; r = ours.latest(r)) named.push(r);
      expect(named.toSorted((x, y) => x - y)).toEqual(
        Array.from({ length: ours.count }, (_, i) => i),
      );
    });
    fc.assert(property, { seed, numRuns: 3000 });
  });

  it('forgets the furthest when it is full', () => {
    const ours = new RangeSet(3);
    for (const left of [50, 10, 30, 70, 5]) ours.add(seqOf(left), seqOf(left + 2));
    expect([0, 1, 2].map((i) => ours.left(i))).toEqual([5, 10, 30]);
    expect(ours.count).toBe(3);
    expect(ours.add(seqOf(90), seqOf(91))).toBe(false);
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
