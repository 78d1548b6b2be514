import { describe, expect, it } from 'vitest';
import { seqOf } from '../base/seq.ts';
import { type Instant, NEVER } from '../base/time.ts';
import { AckSchedule, CAPACITY } from './ack-schedule.ts';

const at = (time: number): Instant => time as Instant;

/** Everything in it, in order: when, what, how often. */
function drain(schedule: AckSchedule): number[][] {
  const all: number[][] = [];
  for (; !schedule.isEmpty; schedule.drop()) {
    all.push([schedule.next, schedule.ack, schedule.count]);
  }
  expect(schedule.next).toBe(NEVER);
  return all;
}

describe('AckSchedule', () => {
  it('keeps what is due at different times apart, with its time stamp', () => {
    const schedule = new AckSchedule();
    schedule.add(at(10), seqOf(100), 7, false);
    schedule.add(at(20), seqOf(200), 8, false);
    expect([schedule.ack, schedule.tsval]).toEqual([100, 7]);
    schedule.drop();
    expect([schedule.ack, schedule.tsval]).toEqual([200, 8]);
    schedule.drop();
    expect(schedule.isEmpty).toBe(true);
  });

  it('merges what is due at the same time, but counts every duplicate', () => {
    const schedule = new AckSchedule();
    schedule.add(at(10), seqOf(100), 0, false);
    schedule.add(at(10), seqOf(200), 0, false);
    for (let i = 0; i < 3; i++) schedule.add(at(10), seqOf(200), 0, true);
    schedule.add(at(10), seqOf(300), 0, false);
    schedule.add(at(10), seqOf(300), 0, true);
    expect(drain(schedule)).toEqual([
      [10, 200, 4],
      [10, 300, 2],
    ]);
  });

  it('never puts one before another that was earlier', () => {
    const schedule = new AckSchedule();
    schedule.add(at(20), seqOf(100), 0, false);
    schedule.add(at(10), seqOf(200), 0, false);
    schedule.add(at(10), seqOf(150), 0, true);
    expect(drain(schedule)).toEqual([
      [20, 200, 1],
      [20, 150, 1],
    ]);
  });

  it('when full, lets the last one say all', () => {
    const schedule = new AckSchedule();
    for (let i = 0; i < CAPACITY + 5; i++) schedule.add(at(i), seqOf(i), 0, false);
    schedule.add(at(999), seqOf(1), 0, true);
    const all = drain(schedule);
    expect(all).toHaveLength(CAPACITY);
    expect(all[0]).toEqual([0, 0, 1]);
    expect(all.at(-1)).toEqual([CAPACITY - 1, CAPACITY + 4, 1]);
  });

  it('goes round', () => {
    const schedule = new AckSchedule();
    for (let i = 0; i < 3 * CAPACITY; i++) {
      schedule.add(at(i), seqOf(i), 0, false);
      if (i < 5) continue;
      expect(schedule.ack).toBe(i - 5);
      schedule.drop();
    }
    schedule.clear();
    expect(schedule.next).toBe(NEVER);
  });
});
