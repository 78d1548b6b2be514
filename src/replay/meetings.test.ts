import { describe, expect } from 'vitest';
import { CLIENT_ISN, dialogue, establish } from '../../test/sim/dialogue.ts';
import { type Duration, millis, seconds } from '../base/time.ts';
import { Outcome } from '../session/outcome.ts';
import { Verdict } from '../session/verdict.ts';
import type { Dialogue } from '../testing/dialogue.ts';
import { NO_RATES } from './throttle.ts';

/* What happens where two features meet. */

const client = (i: number) => ({ from: { address: '10.1.2.4', port: 10_000 + i } });
const rates = (limits: object) => ({ ...NO_RATES, ...limits });

/** A connection with two copies, both established. */
function establishTwo(d: Dialogue): void {
  d.client('S', { seq: CLIENT_ISN, mss: 1460 });
  d.target('SA', { seq: 9000, ack: CLIENT_ISN + 1, mss: 1460 });
  d.advance(millis(1));
  d.client('A', { seq: CLIENT_ISN + 1, ack: 5001 });
  d.advance(millis(100));
}

/** More to send than the limit lets pass, so that whatever becomes ready waits. */
function exhaust(d: Dialogue): void {
  d.command((r, now) => r.changeRates(now, rates({ packets: 10 })));
  for (let i = 0; i < 10; i++) d.client('S', { seq: 1, ...client(i) });
}

describe('-n and limits', () => {
  dialogue(
    'A: a connection that is refused has no copy at all',
    (d) => {
      for (let i = 0; i < 20; i++) d.client('S', { seq: 1, ...client(i) });
      expect(d.open).toBe(2);
    },
    { replayer: { copies: 2, rates: rates({ connections: 10 }) } },
  );

  dialogue(
    'D: nor has one that is not sampled, though its port had copies',
    (d) => {
      establishTwo(d);
      d.client('PA', { seq: CLIENT_ISN + 1, ack: 5001, data: 10 });
      d.command((r, now) => r.changeShare(now, 0.000001, undefined));
      expect(d.client('S', { seq: CLIENT_ISN + 50_000, mss: 1460 })).toBe(Verdict.notSampled);
      expect(d.replayer.ledger.copies).toBe(2);
    },
    { replayer: { copies: 2 } },
  );

  dialogue(
    'H: the first copy goes on though the second was shed',
    (d) => {
      establishTwo(d);
      d.command((r, now) => expect(r.shed(now, 1)).toBe(1));
      d.advance(seconds(7));
      d.client('PA', { seq: CLIENT_ISN + 1, ack: 5001, data: 10 });
      d.target('PA', { seq: 9001, ack: CLIENT_ISN + 11, data: 5 });
      d.target('R', { seq: 9006, ack: CLIENT_ISN + 11 });
      expect(d.client('PA', { seq: CLIENT_ISN + 11, ack: 5006, data: 10 })).toBe(Verdict.data);
    },
    { replayer: { copies: 2 } },
  );
});

describe('a port that is used again', () => {
  dialogue('B: octets of a connection that is refused never leave on the copy before', (d) => {
    establish(d);
    d.client('PA', { seq: CLIENT_ISN + 1, ack: 5001, data: 10 });
    d.advance(millis(50));
    d.command((r) => r.noteMemory(true));
    expect(d.client('S', { seq: CLIENT_ISN + 10, mss: 1460 })).toBe(Verdict.overMemory);
    d.takeSent();
    expect(d.client('PA', { seq: CLIENT_ISN + 11, ack: 5001, data: 20 })).toBe(Verdict.leftOut);
    d.expectNothing();
  });

  dialogue(
    'G: one that waits begins, though the one before is forgotten while it waits for its turn',
    (d) => {
      establish(d);
      d.client('PA', { seq: CLIENT_ISN + 1, ack: 5001, data: 10 });
      d.client('S', { seq: CLIENT_ISN + 50_000, mss: 1460 });
      exhaust(d);
      d.target('R', { seq: 9001, ack: CLIENT_ISN + 11 });
      d.command((r, now) => r.forgetRound(now));
      d.command((r, now) => r.changeRates(now, NO_RATES));
      d.advance(seconds(3000) as Duration);
      d.stop();
    },
  );

  dialogue(
    'F: after a round that ends while copies wait for their turn, nothing is left of them',
    (d) => {
      establish(d);
      d.client('PA', { seq: CLIENT_ISN + 1, ack: 5001, data: 10 });
      d.client('S', { seq: CLIENT_ISN + 50_000, mss: 1460 });
      exhaust(d);
      d.command((r, now) => r.stop(now));
      d.command((r, now) => r.forgetRound(now));
      d.command((r, now) => r.changeRates(now, NO_RATES));
      d.advance(seconds(100));
      expect(d.client('PA', { seq: CLIENT_ISN + 5, ack: 777, data: 5 })).toBe(Verdict.data);
    },
  );
});

describe('a limit on packets', () => {
  dialogue(
    'gives each copy the whole time for its handshake, from its turn on',
    (d) => {
      d.batch(() => {
        for (let i = 0; i < 60; i++) d.client('S', { seq: 1, mss: 1460, ...client(i) });
      });
      const first = new Map<number, number>();
      for (let s = 0; s < 60; s++) {
        for (const p of d.takeSent()) {
          if (p.flags !== 'S') continue;
          first.set(p.from.port, first.get(p.from.port) ?? s);
          if (s > (first.get(p.from.port) ?? s) + 1)
            d.target('SA', { seq: 9000, ack: 2, mss: 1460, to: p.from });
        }
        d.advance(seconds(1));
      }
      // Each was heard of, and those that were answered late are open.
      expect(first.size).toBe(60);
      expect(d.replayer.ledger.outcomes[Outcome.unregistered]).toBe(0);
    },
    { replayer: { rates: rates({ packets: 4 }) } },
  );

  dialogue(
    'lets the resets of the end pass at once',
    (d) => {
      for (let i = 0; i < 5; i++) {
        d.client('S', { seq: 1, mss: 1460, ...client(i) });
        d.advance(seconds(1));
        d.target('SA', { seq: 9000, ack: 2, mss: 1460, to: client(i).from });
        d.advance(seconds(1));
      }
      d.takeSent();
      d.command((r, now) => r.stop(now));
      expect(d.takeSent().filter((p) => p.flags.includes('R'))).toHaveLength(5);
    },
    { replayer: { rates: rates({ packets: 2 }) } },
  );
});

dialogue(
  'copies of a connection that are further behind than a handshake may take begin all the same',
  (d) => {
    d.client('S', { seq: CLIENT_ISN, mss: 1460 });
    d.advance(seconds(40));
    const syns = d.takeSent().filter((p) => p.flags === 'S');
    expect(new Set(syns.map((p) => p.from.port)).size).toBe(400);
  },
  { replayer: { copies: 400, spread: seconds(60) } },
);

dialogue('what is shed is forgotten for its memory, and what has ended otherwise is not', (d) => {
  establish(d);
  d.client('PA', { seq: CLIENT_ISN + 1, ack: 5001, data: 100 });
  d.target('R', { seq: 9001, ack: CLIENT_ISN + 1 });
  d.client('S', { seq: 1, ...client(0) });
  d.command((r, now) => expect(r.shed(now, 1)).toBe(1));
  expect(d.replayer.size).toBe(2);
  d.command((r, now) => r.forgetShed(now));
  expect(d.replayer.size).toBe(1);
  // The rest of a request that was sent in part means nothing on another connection.
  expect(d.client('PA', { seq: CLIENT_ISN + 101, ack: 5001, data: 50 })).toBe(Verdict.lostData);
});
