import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CLIENT_ISN, dialogue, establish } from '../../test/sim/dialogue.ts';
import { addTime, type Instant, micros, millis, NEVER, seconds } from '../base/time.ts';
import { Verdict } from '../session/verdict.ts';
import { NO_RATES, Throttle } from './throttle.ts';
import { TokenBucket } from './token-bucket.ts';

const START = 1e9 as Instant;

describe('a token bucket', () => {
  it('gives what its rate says, however it is asked', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.array(fc.integer({ min: 1, max: 50_000 }), { minLength: 1, maxLength: 300 }),
        fc.integer({ min: 1, max: 20 }),
        (rate, pauses, amount) => {
          const bucket = new TokenBucket();
          const most = Math.max(1, rate / 10);
          bucket.set(START, rate, most);
          let now = START;
          let spent = 0;
          for (const pause of pauses) {
            if (bucket.has(now)) {
              bucket.spend(amount);
              spent += amount;
            }
            now = addTime(now, micros(pause));
          }
          const passed = (now - START) / 1e6;
          expect(spent).toBeLessThanOrEqual(most + passed * rate + amount);
        },
      ),
    );
  });

  it('is ready when it says so, and not a moment before', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000_000 }),
        fc.integer({ min: 1, max: 100_000 }),
        (rate, amount) => {
          const bucket = new TokenBucket();
          bucket.set(START, rate, 1);
          bucket.spend(1 + amount);
          expect(bucket.has(START)).toBe(false);
          const at = bucket.readyAt;
          expect(bucket.has((at - 2) as Instant)).toBe(false);
          expect(bucket.has(addTime(at, micros(1)))).toBe(true);
        },
      ),
    );
  });

  it('without a rate holds nobody up', () => {
    const bucket = new TokenBucket();
    bucket.spend(1e9);
    expect([bucket.has(START), bucket.isLimiting]).toEqual([true, false]);
  });
});

describe('the throttle', () => {
  it('says when the next one may send, and nothing while nobody waits', () => {
    const throttle = new Throttle({ ...NO_RATES, packets: 1000 });
    expect(throttle.nextAt).toBe(NEVER);
    expect(throttle.mayPass(START)).toBe(true);
    throttle.noteSent(150, 0);
    expect(throttle.mayPass(START)).toBe(false);
    throttle.noteWaiting(START);
    expect(throttle.nextAt - START).toBeGreaterThan(50_000 - 10);
    expect(throttle.nextAt - START).toBeLessThan(50_000 + 10);
    throttle.noteNobodyWaits();
    expect(throttle.nextAt).toBe(NEVER);
  });
});

const client = (i: number) => ({ from: { address: '10.1.2.3', port: 10_000 + i } });
const rates = (limits: object) => ({ replayer: { rates: { ...NO_RATES, ...limits } } });

dialogue(
  'no more connections begin in a second than are to; the others stay left out',
  (d) => {
    const verdicts = Array.from({ length: 400 }, (_, i) => {
      const verdict = d.client('S', { seq: 1, ...client(i) });
      d.advance(millis(10));
      return verdict;
    });
    // Four seconds of a hundred a second, of which ten are copied.
    const begun = verdicts.filter((verdict) => verdict === Verdict.syn).length;
    expect(begun).toBeGreaterThanOrEqual(39);
    expect(begun).toBeLessThanOrEqual(42);
    expect(verdicts.filter((verdict) => verdict === Verdict.overRate)).toHaveLength(400 - begun);
    const { ledger } = d.replayer;
    expect(ledger.refused[Verdict.overRate]).toBe(400 - begun);
    const refused = verdicts.lastIndexOf(Verdict.overRate);
    d.advance(seconds(5));
    expect(d.client('PA', { seq: 2, ack: 1, data: 5, ...client(refused) })).toBe(Verdict.leftOut);
  },
  rates({ connections: 10 }),
);

dialogue(
  'what has to be sent waits for its turn, and all of it arrives in order',
  (d) => {
    establish(d);
    d.takeSent();
    const pieces = 60;
    for (let i = 0; i < pieces; i++) {
      d.client('PA', { seq: CLIENT_ISN + 1 + 10 * i, ack: 5001, data: 10 });
    }
    let next = CLIENT_ISN + 1;
    const perSecond: number[] = [];
    for (let s = 0; s < 8; s++) {
      let count = 0;
      for (let ms = 0; ms < 1000; ms += 10) {
        for (const p of d.takeSent()) {
          if (p.payload.length === 0) continue;
          expect(p.seq).toBe(next);
          next += p.payload.length;
          count++;
          d.target('A', { seq: 9001, ack: next });
        }
        d.advance(millis(10));
      }
      perSecond.push(count);
    }
    expect(next).toBe(CLIENT_ISN + 1 + 10 * pieces);
    // Twenty a second; a copy sends what its window allows, and its successors wait for that too.
    expect(Math.max(...perSecond.slice(1))).toBeLessThanOrEqual(24);
  },
  rates({ packets: 20 }),
);

dialogue(
  'octets are counted with their headers',
  (d) => {
    d.client('S', { seq: 1, mss: 1460, ...client(0) });
    const { sentPacketOctets } = d.replayer.context.counters;
    expect(sentPacketOctets).toBe(44);
    d.client('S', { seq: 1, mss: 1460, ...client(1) });
    d.client('S', { seq: 1, mss: 1460, ...client(2) });
    expect(d.takeSent().length).toBeLessThan(3);
    d.advance(millis(500));
    expect(d.replayer.context.counters.sentSyn).toBe(3);
  },
  rates({ octets: 440 }),
);

dialogue(
  'while others have waited for more than a second, no copy begins; afterwards they do',
  (d) => {
    for (let i = 0; i < 100; i++) d.client('S', { seq: 1, ...client(i) });
    expect(d.replayer.isThrottled(d.now)).toBe(true);
    d.advance(millis(1500));
    expect(d.client('S', { seq: 1, ...client(200) })).toBe(Verdict.overLoad);
    d.command((replayer, now) => replayer.changeRates(now, NO_RATES));
    expect(d.replayer.isThrottled(d.now)).toBe(false);
    const syns = d.takeSent().filter((p) => p.flags === 'S');
    expect(new Set(syns.map((p) => p.from.port)).size).toBe(100);
    expect(d.client('S', { seq: 1, ...client(201) })).toBe(Verdict.syn);
    d.expect('S', { seq: 1, ...client(201) });
  },
  rates({ packets: 20 }),
);

dialogue('a limit that is set while copies are open holds for what they send then', (d) => {
  establish(d);
  d.command((replayer, now) => replayer.changeRates(now, { ...NO_RATES, packets: 10 }));
  for (let i = 0; i < 40; i++) d.client('S', { seq: 1, ...client(i) });
  expect(d.takeSent().length).toBeLessThan(10);
  expect(d.replayer.isThrottled(d.now)).toBe(true);
});
