import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DeadlineQueue, type Scheduled } from './deadline-queue.ts';
import { FlowKey } from './flow-key.ts';
import { FlowTable } from './flow-table.ts';
import { Random } from './random.ts';
import { seqAdd, seqAfter, seqBefore, seqDiff, seqInWindow, seqOf } from './seq.ts';
import { SlabPool } from './slab-pool.ts';
import { type Instant, NEVER } from './time.ts';

describe('sequence numbers', () => {
  test('agree with arithmetic modulo 2^32 done in BigInt', () => {
    const ring = 1n << 32n;
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 0x7fffffff }), (a, n) => {
        const start = seqOf(a);
        const end = seqAdd(start, n);
        expect(BigInt(end >>> 0)).toBe((BigInt(a >>> 0) + BigInt(n)) % ring);
        expect(seqDiff(end, start)).toBe(n);
        expect(seqAfter(end, start)).toBe(n > 0);
        expect(seqBefore(start, end)).toBe(n > 0);
        expect(seqInWindow(end, start, n)).toBe(false);
        if (n > 0) expect(seqInWindow(seqAdd(end, -1), start, n)).toBe(true);
      }),
    );
  });
});

describe('FlowTable', () => {
  const keyOf = (id: number): FlowKey => {
    const key = new FlowKey();
    key.setAddress(0, 0, 0, 0xffff, id % 7);
    key.setAddress(4, 1, 2, 3, id % 5);
    key.setPorts(id & 0xffff, 80);
    return key;
  };

  test('behaves as a Map does, over random insertions and deletions', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.nat(300)), { maxLength: 2000 }),
        fc.integer(),
        (steps, secret) => {
          const table = new FlowTable<number>(secret);
          const oracle = new Map<number, number>();
          steps.forEach(([add, id], i) => {
            if (add) {
              table.set(keyOf(id), i);
              oracle.set(id, i);
            } else {
              expect(table.delete(keyOf(id))).toBe(oracle.delete(id));
            }
          });
          expect(table.size).toBe(oracle.size);
          for (let id = 0; id <= 300; id++) expect(table.find(keyOf(id))).toBe(oracle.get(id));
          const odd = [...oracle.values()].filter((v) => v % 2 === 1).length;
          expect(table.deleteWhere((v) => v % 2 === 1)).toBe(odd);
          for (const [id, v] of oracle) {
            expect(table.find(keyOf(id))).toBe(v % 2 === 1 ? undefined : v);
          }
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('SlabPool', () => {
  test('never hands out overlapping cells, and gives the same memory again', () => {
    const random = new Random(7);
    const pool = new SlabPool(64 << 20);
    const live = new Map<number, { size: number; mark: number }>();
    for (let i = 0; i < 20_000; i++) {
      if (live.size > 200 && random.chance(0.6)) {
        const [handle, { size, mark }] = [...live][random.int(0, live.size)] as [
          number,
          { size: number; mark: number },
        ];
        const memory = pool.memoryOf(handle);
        const at = pool.offsetOf(handle);
        expect(memory.bytes[at]).toBe(mark);
        expect(memory.bytes[at + size - 1]).toBe(mark);
        pool.give(handle);
        live.delete(handle);
      } else {
        const size = 1 + Math.floor(65536 ** random.float()) - 1 || 1;
        const handle = pool.take(size);
        expect(handle).toBeGreaterThanOrEqual(0);
        expect(live.has(handle)).toBe(false);
        const mark = i & 255;
        const at = pool.offsetOf(handle);
        pool.memoryOf(handle).bytes.fill(mark, at, at + size);
        live.set(handle, { size, mark });
      }
    }
    for (const handle of live.keys()) pool.give(handle);
    expect(pool.used).toBe(0);
  });

  test('lets go of what is empty, and of nothing else', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 65_536 }), fc.nat(9)), { maxLength: 400 }),
        (steps) => {
          const pool = new SlabPool(16 << 20);
          const live = new Map<number, number>();
          for (const [i, [size, choice]] of steps.entries()) {
            if (choice === 0) pool.trim();
            if (choice > 5) {
              const handle = pool.take(size);
              if (handle < 0) continue;
              expect(live.has(handle)).toBe(false);
              live.set(handle, i & 255);
              pool.memoryOf(handle).bytes[pool.offsetOf(handle)] = i & 255;
            } else if (live.size > 0) {
              const [handle, mark] = [...live][i % live.size] as [number, number];
              expect(pool.memoryOf(handle).bytes[pool.offsetOf(handle)]).toBe(mark);
              pool.give(handle);
              live.delete(handle);
            }
            expect(pool.size).toBeGreaterThanOrEqual(pool.used);
          }
          for (const handle of live.keys()) pool.give(handle);
          pool.trim();
          expect([pool.used, pool.size]).toEqual([0, 0]);
        },
      ),
    );
  });

  test('at its limit, cells of one size make room for those of another', () => {
    const pool = new SlabPool(5 << 20);
    const large = Array.from({ length: 80 }, () => pool.take(65_536));
    expect(pool.take(100)).toBe(-1);
    for (const handle of large.slice(16)) pool.give(handle);
    const small = Array.from({ length: 2 * 4096 }, () => pool.take(100));
    expect(small.every((handle) => handle >= 0)).toBe(true);
    expect(pool.size).toBe(3 << 20);
  });

  test('every size from 1 to 65,536 fits the cell it gets', () => {
    const pool = new SlabPool(64 << 20);
    for (const size of [1, 255, 256, 257, 1024, 1025, 4096, 4097, 16384, 16385, 65535, 65536]) {
      const before = pool.used;
      const handle = pool.take(size);
      expect(pool.used - before).toBeGreaterThanOrEqual(size);
      expect(pool.used - before).toBeLessThanOrEqual(Math.max(256, size * 4));
      expect(pool.offsetOf(handle) + size).toBeLessThanOrEqual(pool.memoryOf(handle).size);
      pool.give(handle);
    }
  });

  test('refuses beyond its limit and recovers when cells come back', () => {
    const pool = new SlabPool(5 << 20);
    const taken: number[] = [];
    for (let h = pool.take(65536); h >= 0; h = pool.take(65536)) taken.push(h);
    expect(taken.length).toBe(80);
    pool.give(taken.pop() as number);
    expect(pool.take(65536)).toBeGreaterThanOrEqual(0);
  });
});

describe('DeadlineQueue', () => {
  test('gives items back in the order of their last deadlines', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(30), fc.option(fc.nat(1000))), { maxLength: 300 }),
        (steps) => {
          const queue = new DeadlineQueue<Scheduled>();
          const items = Array.from({ length: 31 }, () => ({ queueIndex: -1, queuedAt: NEVER }));
          const oracle = new Map<Scheduled, number>();
          for (const [i, at] of steps) {
            const item = items[i] as Scheduled;
            queue.schedule(item, at === null ? NEVER : (at as Instant));
            if (at === null) oracle.delete(item);
            else oracle.set(item, at);
          }
          const expected = [...oracle.values()].sort((a, b) => a - b);
          const got: number[] = [];
          while (queue.next !== NEVER) {
            const due = queue.next;
            const item = queue.popDue(due) as Scheduled;
            expect(oracle.get(item)).toBe(due);
            got.push(due);
          }
          expect(got).toEqual(expected);
          expect(items.every((item) => item.queueIndex === -1)).toBe(true);
        },
      ),
    );
  });
});
