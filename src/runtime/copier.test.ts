import { expect, test } from 'vitest';
import { Memory } from '../base/memory.ts';
import type { Instant } from '../base/time.ts';
import { Copier, type CopierParts } from './copier.ts';

/** A copier over parts that only note at which time they are told of responses. */
function copierAt(clock: { time: number }): { copier: Copier; told: number[] } {
  const told: number[] = [];
  const parts = {
    replayer: { handleTargetHeader: (now: number) => told.push(now) },
    clock: { now: () => clock.time as Instant },
    openTimer: () => ({ arm: () => {}, close: () => {} }),
  };
  return { copier: new Copier(parts as unknown as CopierParts, () => {}), told };
}

test('responses have the time of their own arrival, not that of what was handled before', () => {
  const clock = { time: 100 };
  const { copier, told } = copierAt(clock);
  const memory = Memory.alloc(64);
  clock.time = 5000;
  copier.handleResponse(memory, 0, 64, 0, 0);
  clock.time = 5001;
  copier.handleResponse(memory, 0, 64, 0, 0);
  copier.handleResponsesRead();
  clock.time = 9000;
  copier.handleResponse(memory, 0, 64, 0, 0);
  expect(told).toEqual([5000, 5000, 9000]);
});
