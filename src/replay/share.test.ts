import { describe, expect, it } from 'vitest';
import {
  CLIENT_ISN,
  dialogue,
  establish,
  ONLINE_ISN,
  TARGET_ISN,
} from '../../test/sim/dialogue.ts';
import { Random } from '../base/random.ts';
import { addTime, type Instant, seconds } from '../base/time.ts';
import { Verdict } from '../session/verdict.ts';
import { samplePoint } from './sampling.ts';
import { Share } from './share.ts';

const START = 5e6 as Instant;
const after = (s: number): Instant => addTime(START, seconds(s));

describe('the share that is copied', () => {
  it('is all for -r 0 and -r 100, and does not change without -g', () => {
    for (const [percentage, wanted] of [
      [0, 100],
      [100, 100],
      [12.5, 12.5],
    ] as const) {
      const share = new Share(percentage, undefined);
      expect([share.at(START), share.at(after(50)), share.lowest]).toEqual(Array(3).fill(wanted));
    }
  });

  it('row 50: -g raises it by about one percent a second, from the first connection on', () => {
    const share = new Share(0, { time: seconds(100), shape: 'linear' });
    expect(share.lowest).toBe(1);
    expect(share.at(START)).toBe(1);
    expect(share.at(after(50))).toBeCloseTo(50.5, 9);
    expect(share.at(after(100))).toBe(100);
    expect(share.at(after(1000))).toBe(100);
  });

  it('reaches that of -r in the time that is asked for', () => {
    const share = new Share(20, { time: seconds(10), shape: 'linear' });
    expect(share.at(START)).toBeCloseTo(0.2, 9);
    expect(share.at(after(10))).toBe(20);
  });

  it('grows by the same factor each second where it is exponential', () => {
    const share = new Share(0, { time: seconds(20), shape: 'exponential' });
    const shares = [0, 10, 20].map((s) => share.at(after(s)));
    [1, 10, 100].forEach((wanted, i) => expect(shares[i]).toBeCloseTo(wanted, 9));
  });
});

describe('the point of a connection', () => {
  it('puts as many below a fraction as it says', () => {
    const random = new Random(3);
    const points = Array.from({ length: 10_000 }, () =>
      samplePoint(0, 0, 0xffff, random.uint32(), random.int(1024, 65_536)),
    );
    const below = (share: number): number => points.filter((point) => point < share).length;
    for (const share of [1, 10, 50]) {
      expect(Math.abs(below(share) / 100 - share), `-r ${share}`).toBeLessThan(1);
    }
    expect(below(0.5) / below(1)).toBeGreaterThan(0.35);
    expect(below(0.5) / below(1)).toBeLessThan(0.65);
  });
});

// Its point lies between 31 and 32.
const CLIENT = { address: '10.1.2.3', port: 40_000 };

dialogue(
  'a connection is decided on when it begins: one left out is not joined when the share has grown',
  (d) => {
    expect(d.client('S', { seq: 1, from: CLIENT })).toBe(Verdict.notSampled);
    d.advance(seconds(6));
    expect(d.client('PA', { seq: 2, from: CLIENT, data: 5 })).toBe(Verdict.notSampled);
    expect(d.client('S', { seq: 900, from: CLIENT })).toBe(Verdict.syn);
    expect(d.client('PA', { seq: 901, from: CLIENT, data: 5 })).toBe(Verdict.data);
    expect(d.replayer.ledger).toMatchObject({ connections: 2, notSampled: 1, joined: 0 });
  },
  { replayer: { ramp: { time: seconds(10), shape: 'linear' } } },
);

dialogue(
  'one that has been copied goes on in another copy, however low the share was at the start',
  (d) => {
    expect(d.client('S', { seq: 1, from: CLIENT })).toBe(Verdict.notSampled);
    d.advance(seconds(6));
    establish(d);
    d.target('RA', { seq: TARGET_ISN + 1, ack: CLIENT_ISN + 1 });
    expect(d.client('PA', { seq: CLIENT_ISN + 1, ack: ONLINE_ISN + 1, data: 5 })).toBe(
      Verdict.data,
    );
    d.expect('S', { seq: CLIENT_ISN });
    expect(d.replayer.ledger).toMatchObject({ connections: 3, notSampled: 1, joined: 1 });
  },
  { replayer: { ramp: { time: seconds(10), shape: 'linear' } } },
);

describe('a share that is changed while connections come', () => {
  it('holds at once, or is approached from where it stands', () => {
    const share = new Share(10, undefined);
    share.change(START, 50, undefined);
    expect([share.at(START), share.lowest]).toEqual([50, 10]);
    share.change(after(1), 20, { time: seconds(10), shape: 'linear' });
    expect([1, 6, 11, 60].map((s) => share.at(after(s)))).toEqual([50, 35, 20, 20]);
    share.change(after(60), 80, { time: seconds(20), shape: 'exponential' });
    expect(share.at(after(70))).toBeCloseTo(40, 9);
    expect([share.at(after(80)), share.lowest]).toEqual([80, 10]);
    share.change(after(90), 5, undefined);
    share.change(after(90), 0, undefined);
    expect([share.at(after(90)), share.lowest]).toEqual([100, 5]);
  });

  it('changed in the midst of a ramp, goes on from what it has reached', () => {
    const share = new Share(100, { time: seconds(100), shape: 'linear' });
    share.at(START);
    const reached = share.at(after(50));
    share.change(after(50), 10, { time: seconds(10), shape: 'linear' });
    expect(share.at(after(50))).toBe(reached);
    expect(share.at(after(60))).toBe(10);
  });
});

dialogue(
  'a share that is raised or lowered joins no connection in its middle, and lets go of none',
  (d) => {
    const other = { address: '10.1.2.3', port: 40_001 };
    expect(d.client('S', { seq: 1, from: CLIENT })).toBe(Verdict.notSampled);
    d.command((replayer, now) => replayer.changeShare(now, 50, undefined));
    expect(d.client('PA', { seq: 2, ack: 1, from: CLIENT, data: 5 })).toBe(Verdict.notSampled);
    expect(d.client('S', { seq: 1, from: other })).toBe(Verdict.syn);
    d.expect('S', { seq: 1, from: other });
    d.command((replayer, now) => replayer.changeShare(now, 10, undefined));
    expect(d.client('PA', { seq: 2, ack: 1, from: other, data: 5 })).toBe(Verdict.data);
    expect(d.client('S', { seq: 900, from: CLIENT })).toBe(Verdict.notSampled);
    expect(d.replayer.ledger).toMatchObject({ connections: 3, notSampled: 2, joined: 0 });
  },
  { replayer: { percentage: 20 } },
);
