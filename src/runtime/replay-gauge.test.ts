import { describe, expect, it } from 'vitest';
import { CLIENT_ISN, establish, ONLINE_ISN, TARGET_ISN } from '../../test/sim/dialogue.ts';
import { millis, seconds } from '../base/time.ts';
import { Verdict } from '../session/verdict.ts';
import { Dialogue } from '../testing/dialogue.ts';
import { ReplayGauge } from './replay-gauge.ts';

const gaugeOf = (d: Dialogue, isPaced = true, maxSegments = 1000): ReplayGauge =>
  new ReplayGauge(
    d.replayer,
    { now: () => d.now },
    { maxConnections: 10, maxSegments, maxOctets: 1 << 20, isPaced, patience: seconds(60) },
  );

/** One request and its answer, of so many octets each. */
function exchange(d: Dialogue): void {
  d.client('PA', { seq: CLIENT_ISN + 1, ack: ONLINE_ISN + 1, data: 10 });
  d.expect('PA', { seq: CLIENT_ISN + 1 });
  d.target('PA', { seq: TARGET_ISN + 1, ack: CLIENT_ISN + 11, data: 20 });
}

describe('when a replay is over', () => {
  it('O4: at once when every copy has ended', () => {
    const d = new Dialogue({});
    expect(gaugeOf(d).isDone(d.now)).toBe(true);
    d.client('S', { seq: CLIENT_ISN });
    expect(gaugeOf(d).isDone(d.now)).toBe(false);
  });

  it('not while a copy connects, waits for an answer or closes', () => {
    const d = new Dialogue({});
    const gauge = gaugeOf(d);
    const since = d.now;
    const staysBusy = (): void => {
      d.advance(seconds(2));
      expect(d.replayer.isBusy, d.transcript).toBe(true);
      expect(gauge.isDone(since)).toBe(false);
    };
    d.client('S', { seq: CLIENT_ISN });
    d.advance(millis(100));
    expect(d.replayer.isBusy).toBe(true);
    d.target('SA', { seq: TARGET_ISN, ack: CLIENT_ISN + 1 });
    expect(d.replayer.isBusy).toBe(false);
    d.client('PA', { seq: CLIENT_ISN + 1, ack: ONLINE_ISN + 1, data: 10 });
    d.target('A', { seq: TARGET_ISN + 1, ack: CLIENT_ISN + 11 });
    staysBusy();
    d.target('PA', { seq: TARGET_ISN + 1, ack: CLIENT_ISN + 11, data: 20 });
    expect(d.replayer.isBusy).toBe(false);
    d.client('FA', { seq: CLIENT_ISN + 11, ack: ONLINE_ISN + 21 });
    staysBusy();
  });

  it('a second after the last word where connections stay open and idle', () => {
    const d = new Dialogue({});
    const gauge = gaugeOf(d);
    establish(d);
    const since = d.now;
    exchange(d);
    expect(gauge.isDone(since)).toBe(false);
    d.advance(millis(900));
    expect(gauge.isDone(since)).toBe(false);
    d.target('PA', { seq: TARGET_ISN + 21, ack: CLIENT_ISN + 11, data: 20 });
    expect(gauge.isDone(since)).toBe(false);
    d.advance(millis(900));
    expect(gauge.isDone(since)).toBe(false);
    d.advance(millis(200));
    expect(gauge.isDone(since)).toBe(true);
  });

  it('whatever happens, when its patience is over', () => {
    const d = new Dialogue({});
    d.client('S', { seq: CLIENT_ISN });
    expect(gaugeOf(d).isDone((d.now - 59e6) as typeof d.now)).toBe(false);
    expect(gaugeOf(d).isDone((d.now - 61e6) as typeof d.now)).toBe(true);
  });
});

describe('room', () => {
  it('is there until the targets have as much to take as the limits and the pace allow', () => {
    const d = new Dialogue({});
    d.client('S', { seq: CLIENT_ISN });
    const paced = gaugeOf(d, true, 10);
    for (let i = 0; i < 8; i++) {
      expect(paced.hasRoom(), `after ${i}`).toBe(true);
      d.client('PA', { seq: CLIENT_ISN + 1 + 10 * i, ack: ONLINE_ISN + 1, data: 10 });
    }
    expect(paced.hasRoom()).toBe(false);
    expect(gaugeOf(d, false, 100_000).hasRoom()).toBe(true);
  });
});

describe('the next round', () => {
  it('row 111: copies the same SYN again, once what is open is stopped and forgotten', () => {
    const d = new Dialogue({});
    establish(d);
    d.advance(millis(10));
    expect(d.client('S', { seq: CLIENT_ISN })).toBe(Verdict.synAgain);
    d.stop();
    expect(d.takeSent().map(({ flags }) => flags)).toEqual(['RA']);
    d.replayer.forgetRound(d.now);
    expect(d.replayer.size).toBe(0);
    expect(d.client('S', { seq: CLIENT_ISN })).toBe(Verdict.syn);
    d.expect('S', { seq: CLIENT_ISN });
    d.finish();
  });
});
