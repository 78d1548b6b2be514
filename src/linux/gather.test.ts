import { describe, expect, it } from 'vitest';
import { addTime, type Instant, micros } from '../base/time.ts';
import { Gather } from './gather.ts';

/** Packets at an even rate for `span` µs; returns the delays that were answered. */
function feed(gather: Gather, from: Instant, span: number, gap: number): number[] {
  const delays: number[] = [];
  for (let t = 0; t < span; t += gap) delays.push(gather.next(addTime(from, micros(t)), 1));
  return delays;
}

const START = 1e6 as Instant;
const later = (span: number): Instant => addTime(START, micros(span));

describe('gather', () => {
  it('answers each packet at once while they are few', () => {
    expect(new Set(feed(new Gather(micros(500)), START, 1e6, 500))).toEqual(new Set([0]));
  });

  it('lets packets gather once they have come fast for a while', () => {
    const delays = feed(new Gather(micros(500)), START, 100_000, 100);
    expect(delays.indexOf(500)).toBe(100);
    expect(delays.slice(100).every((d) => d === 500)).toBe(true);
  });

  it('is not misled by a burst after silence', () => {
    const gather = new Gather(micros(500));
    for (let i = 0; i < 50; i++) {
      expect(feed(gather, later(i * 100_000), 1000, 20)).not.toContain(500);
    }
  });

  it('stops below two thirds of the rate that it starts at, not at once below it', () => {
    const gather = new Gather(micros(500));
    feed(gather, START, 50_000, 200);
    expect(feed(gather, later(50_000), 100_000, 400).every((d) => d === 500)).toBe(true);
    expect(feed(gather, later(150_000), 100_000, 600).slice(-100)).not.toContain(500);
  });

  it('does not let packets gather while most turns wait for them', () => {
    const gather = new Gather(micros(500));
    const run = (from: number, waiting: (turn: number) => boolean): number[] => {
      const delays: number[] = [];
      for (let i = 0; i < 500; i++) {
        gather.noteWaiting(waiting(i));
        delays.push(gather.next(later(from + i * 100), 1));
      }
      return delays;
    };
    expect(run(0, () => true)).not.toContain(500);
    expect(run(50_000, (i) => i % 4 === 0).at(-1)).toBe(500);
    expect(run(100_000, (i) => i % 4 !== 0).at(-1)).toBe(0);
  });

  it('never waits when told so', () => {
    const gather = new Gather(micros(0));
    expect(feed(gather, START, 100_000, 10)).not.toContain(500);
    gather.maxDelay = micros(300);
    expect(feed(gather, later(100_000), 100_000, 10).at(-1)).toBe(300);
  });
});
