import { expect, it } from 'vitest';
import { Histogram } from '../base/histogram.ts';
import { CountId } from '../control/count-id.ts';
import { describeFarSide } from './far-side.ts';

it('says nothing of originals, which say nothing', () => {
  expect(describeFarSide(new Map(), new Histogram())).toEqual([]);
});

it('says what was captured there, what was lost, and how long responses took', () => {
  const delays = new Histogram();
  for (let i = 0; i < 99; i++) delays.add(100);
  delays.add(5000);
  const counts = new Map<number, number>([
    [CountId.captured, 10],
    [CountId.lostByKernel, 3],
    [CountId.sent, 7],
    [999, 4],
  ]);
  const [title, captured, lost, delay, ...rest] = describeFarSide(counts, delays);
  expect(rest).toEqual([]);
  expect(title).toMatch(/^at intercept/);
  expect(captured).toMatch(/packets captured +10$/);
  expect(lost).toMatch(/lost before capture.* 3$/);
  expect(delay).toMatch(/p50 (10\d|11\d), p99 (10\d|11\d), if the clocks agree/);
});
