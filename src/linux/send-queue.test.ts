import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Memory } from '../base/memory.ts';
import { SendQueue } from './send-queue.ts';

describe('SendQueue', () => {
  it('gives back what was put in, in order, whatever the pieces', () => {
    const step = fc.record({
      append: fc.integer({ min: 0, max: 20_000 }),
      remove: fc.integer({ min: 0, max: 20_000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new SendQueue();
        const source = Memory.alloc(30_000);
        let written = 0;
        let read = 0;
        for (const { append, remove } of steps) {
          for (let i = 0; i < append; i++) source.bytes[7 + i] = (written + i) * 31;
          queue.append(source, 7, append);
          written += append;
          const count = Math.min(remove, queue.length);
          const seen = queue.memory?.bytes.slice(queue.start, queue.start + count);
          for (let i = 0; i < count; i++) {
            if (seen?.[i] !== (((read + i) * 31) & 255))
              throw new Error(`Wrong octet at ${read + i}`);
          }
          queue.remove(count);
          read += count;
          expect(queue.length).toBe(written - read);
        }
      }),
      { numRuns: 200, seed: 4 },
    );
  });

  it('does not keep the memory of a burst', () => {
    const queue = new SendQueue();
    queue.append(Memory.alloc(1_000_000), 0, 1_000_000);
    expect(queue.memory?.size).toBeGreaterThanOrEqual(1_000_000);
    queue.remove(1_000_000);
    expect(queue.memory).toBeNull();
  });
});
