import { describe, expect, test } from 'vitest';
import { seqOf } from '../base/seq.ts';
import { addTime, type Instant, micros, millis } from '../base/time.ts';
import { Congestion } from './congestion.ts';

const MSS = 1000;
const INITIAL = 10 * MSS;
const RTT = millis(160);
const START = 1_000_000 as Instant;

describe('growth', () => {
  test('one acknowledgement of a whole window doubles it', () => {
    const congestion = new Congestion(MSS);
    congestion.onAck(INITIAL, seqOf(INITIAL), MSS, true);
    expect(congestion.cwnd).toBe(2 * INITIAL);
  });

  test('after a timeout an acknowledgement counts for two segments', () => {
    const congestion = new Congestion(MSS);
    congestion.onTimeout(INITIAL, seqOf(INITIAL), MSS);
    congestion.onAck(4 * MSS, seqOf(4 * MSS), MSS, true);
    expect(congestion.cwnd).toBe(3 * MSS);
  });

  test('beyond the threshold a window grows by a segment, however it is acknowledged', () => {
    const whole = new Congestion(MSS);
    const pieces = new Congestion(MSS);
    for (const congestion of [whole, pieces]) {
      congestion.onTimeout(40 * MSS, seqOf(0), MSS);
      for (let i = 1; i <= 25; i++) congestion.onAck(MSS, seqOf(i * MSS), MSS, true);
    }
    const { cwnd } = whole;
    expect(cwnd).toBeGreaterThanOrEqual(20 * MSS);
    whole.onAck(cwnd, seqOf(100 * MSS), MSS, true);
    for (let i = 0; i < cwnd; i += MSS) pieces.onAck(MSS, seqOf(100 * MSS + i), MSS, true);
    expect(whole.cwnd).toBe(cwnd + MSS);
    expect(Math.abs(whole.cwnd - pieces.cwnd)).toBeLessThan(0.1 * MSS);
  });
});

describe('pace', () => {
  /** Segments that leave at `now`, and when the next may. */
  function burst(congestion: Congestion, now: Instant): { segments: number; next: Instant } {
    for (let segments = 0; segments < 10_000; segments++) {
      const next = congestion.pace(now, MSS, RTT, MSS);
      if (next > now) return { segments, next };
    }
    throw new Error('no end of the burst');
  }

  test('an initial window leaves at once, the next with the next slice of the round trip', () => {
    const { segments, next } = burst(new Congestion(MSS), START);
    expect(segments).toBe(10);
    expect(next).toBe(addTime(START, millis(10)));
  });

  test('a large window leaves within half a round trip', () => {
    const congestion = new Congestion(MSS);
    congestion.cwnd = 800 * MSS;
    let sent = 0;
    let now = START;
    while (sent < 800) {
      const { segments, next } = burst(congestion, now);
      sent += segments;
      now = next;
    }
    expect(now - START).toBe(RTT / 2);
  });

  test('where the target is near, nothing waits', () => {
    const congestion = new Congestion(MSS);
    for (let i = 0; i < 1000; i++) {
      expect(congestion.pace(START, MSS, micros(15_999), MSS)).toBe(START);
    }
  });
});
