import { afterEach, describe, expect, it } from 'vitest';
import { addTime, type Instant, millis, NEVER } from '../base/time.ts';
import type { WakeTimer } from '../ports/reactor.ts';
import { openWakeTimer, systemClock } from './reactor.ts';

const timers: WakeTimer[] = [];
afterEach(() => {
  for (const timer of timers.splice(0)) timer.close();
});

const inMillis = (n: number): Instant => addTime(systemClock.now(), millis(n));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function timer(onWake: () => void): WakeTimer {
  const it = openWakeTimer(onWake);
  timers.push(it);
  return it;
}

describe('wake timer', () => {
  it('wakes once, never before its deadline', async () => {
    const wakes: Instant[] = [];
    const deadline = inMillis(3);
    timer(() => wakes.push(systemClock.now())).arm(deadline);
    while (wakes.length === 0) await pause(1);
    await pause(20);
    expect(wakes).toHaveLength(1);
    expect(wakes[0]).toBeGreaterThanOrEqual(deadline);
  });

  it('wakes at a deadline that has passed', async () => {
    let wakes = 0;
    timer(() => wakes++).arm(0 as Instant);
    while (wakes === 0) await pause(1);
    expect(wakes).toBe(1);
  });

  it('keeps to the last deadline asked for, earlier or later', async () => {
    const wakes: Instant[] = [];
    const it = timer(() => wakes.push(systemClock.now()));
    const late = inMillis(30);
    it.arm(inMillis(5));
    it.arm(late);
    while (wakes.length === 0) await pause(1);
    expect(wakes[0]).toBeGreaterThanOrEqual(late);
    it.arm(inMillis(3_600_000));
    it.arm(inMillis(2));
    while (wakes.length === 1) await pause(1);
    expect(wakes).toHaveLength(2);
  });

  it('does not wake when disarmed or closed', async () => {
    let wakes = 0;
    const it = timer(() => wakes++);
    it.arm(inMillis(5));
    it.arm(NEVER);
    await pause(20);
    it.arm(inMillis(5));
    it.close();
    it.arm(inMillis(1));
    await pause(20);
    expect(wakes).toBe(0);
  });

  it('can be armed from its own callback', async () => {
    let wakes = 0;
    const it = timer(() => {
      if (++wakes < 5) it.arm(inMillis(1));
    });
    it.arm(inMillis(1));
    while (wakes < 5) await pause(1);
    await pause(10);
    expect(wakes).toBe(5);
  });
});
