import { describe, expect, it } from 'vitest';
import { CLIENT_ISN, dialogue, ONLINE_ISN, TARGET_ISN } from '../../test/sim/dialogue.ts';
import { Random } from '../base/random.ts';
import { millis, seconds } from '../base/time.ts';
import { Outcome } from '../session/outcome.ts';
import { Verdict } from '../session/verdict.ts';
import type { Dialogue } from '../testing/dialogue.ts';
import type { Endpoint } from '../testing/packet.ts';
import { CopyNumber, lagOf } from './copy-number.ts';

/** Each copy's end, in the order in which they begin, after the target has answered each SYN. */
function openAll(d: Dialogue, n: number, isn = CLIENT_ISN): Endpoint[] {
  expect(d.client('S', { seq: isn, mss: 1460 })).toBe(Verdict.syn);
  d.client('A', { seq: isn + 1, ack: ONLINE_ISN + 1 });
  d.advance(millis(n));
  const ends = d.takeSent().map((p) => p.from);
  for (const to of ends) d.target('SA', { seq: TARGET_ISN, ack: isn + 1, mss: 1460, to });
  d.takeSent();
  return ends;
}

/** Lets the target close each of the copies at `ends`, which have sent `sent` octets and a FIN. */
function closeAll(d: Dialogue, ends: readonly Endpoint[], sent: number): void {
  for (const to of ends) {
    d.target('FA', { seq: TARGET_ISN + 1, ack: CLIENT_ISN + 2 + sent, to });
  }
}

describe('several copies (-n 3)', () => {
  const three = { replayer: { copies: 3 } };

  dialogue(
    'row 53: three SYNs from ports of their own, one after the other',
    (d) => {
      d.client('S', { seq: CLIENT_ISN });
      const ports = [d.expect('S', { seq: CLIENT_ISN }).from.port];
      for (let i = 1; i < 3; i++) {
        d.expectNothing();
        d.advance(millis(1));
        ports.push(d.expect('S', { seq: CLIENT_ISN }).from.port);
      }
      const [first = 0, second = 0, third = 0] = ports;
      const shift = second - first - 32;
      expect(first).toBe(40_000);
      expect(shift).toBeGreaterThanOrEqual(0);
      expect(shift).toBeLessThan(512);
      expect(third - first).toBe(96 + shift);
      expect(d.routes.map((route) => route.sourcePort)).toEqual(ports);
    },
    three,
  );

  dialogue(
    'row 55: with -f responses to the ports that it gives find their copies',
    (d) => {
      const ends = openAll(d, 3);
      expect(ends.map(({ port }) => Math.floor(port / 2048))).toEqual([2, 2, 2]);
      d.client('PA', { seq: CLIENT_ISN + 1, ack: ONLINE_ISN + 1, data: 10 });
      for (const from of ends) {
        // The acknowledgement number is what the response has brought.
        d.expect('PA', { from, seq: CLIENT_ISN + 1, ack: TARGET_ISN + 1, data: 10 });
        d.advance(millis(1));
      }
      expect(d.replayer.ledger.unknownResponses).toBe(0);
    },
    { replayer: { copies: 3, portRange: 2 } },
  );

  dialogue(
    'each gets what is captured, in memory that they share, and ends by itself',
    (d) => {
      const ends = openAll(d, 3);
      expect(new Set(ends.map((end) => end.port)).size).toBe(3);
      d.client('PA', { seq: CLIENT_ISN + 1, ack: ONLINE_ISN + 1, data: 1000 });
      expect(d.replayer.context.pool.used).toBe(1024);
      expect(d.replayer.context.store.used).toBe(3);
      d.expect('PA', { seq: CLIENT_ISN + 1, data: 1000, from: ends[0] as Endpoint });
      d.expectNothing();
      for (const from of ends.slice(1)) {
        d.advance(millis(1));
        d.expect('PA', { seq: CLIENT_ISN + 1, data: 1000, from });
      }
      const [first, second] = ends as [Endpoint, Endpoint];
      d.target('A', { seq: TARGET_ISN + 1, ack: CLIENT_ISN + 1001, to: first });
      d.target('RA', { seq: TARGET_ISN + 1, ack: CLIENT_ISN + 1001, to: second });
      // The third has still to be acknowledged.
      expect(d.replayer.context.pool.used).toBe(1024);
      d.target('A', { seq: TARGET_ISN + 1, ack: CLIENT_ISN + 1001, to: ends[2] as Endpoint });
      expect(d.replayer.context.pool.used).toBe(0);
      d.client('FA', { seq: CLIENT_ISN + 1001, ack: ONLINE_ISN + 1 });
      d.advance(millis(3));
      closeAll(d, [first, ends[2] as Endpoint], 1000);
      const { ledger } = d.replayer;
      expect(ledger).toMatchObject({ connections: 1, copies: 3, notBegun: 0, open: 0 });
      expect(ledger.outcomes[Outcome.completed]).toBe(2);
      expect(ledger.outcomes[Outcome.resetByTarget]).toBe(1);
      expect(d.verdicts(Verdict.data)).toBe(1);
    },
    three,
  );

  dialogue(
    'where the first has come to its end, the others go on',
    (d) => {
      const ends = openAll(d, 3);
      d.target('RA', { seq: TARGET_ISN + 1, ack: CLIENT_ISN + 1, to: ends[0] as Endpoint });
      d.advance(seconds(20));
      d.takeSent();
      d.client('PA', { seq: CLIENT_ISN + 1, ack: ONLINE_ISN + 1, data: 10 });
      d.advance(millis(3));
      const sent = d.takeSent().map((p) => `${p.flags} ${p.from.port}`);
      expect(sent).toEqual([`S ${ends[0]?.port}`, `PA ${ends[1]?.port}`, `PA ${ends[2]?.port}`]);
      expect(d.replayer.ledger).toMatchObject({ copies: 4, open: 3 });
    },
    three,
  );

  dialogue(
    'a damaged packet reaches none of them',
    (d) => {
      openAll(d, 3);
      const line = { seq: CLIENT_ISN + 1, ack: ONLINE_ISN + 1, data: 100, corrupt: 60 };
      expect(d.client('PA', line)).toBe(Verdict.badChecksum);
      expect(d.replayer.context.pool.used).toBe(0);
      d.silence(millis(10));
    },
    three,
  );

  dialogue(
    'a client that uses its port again: each copy waits for the end of its own',
    (d) => {
      const ends = openAll(d, 3);
      d.client('PA', { seq: CLIENT_ISN + 1, ack: ONLINE_ISN + 1, data: 100 });
      d.client('FA', { seq: CLIENT_ISN + 101, ack: ONLINE_ISN + 1 });
      d.advance(millis(3));
      d.takeSent();
      d.client('S', { seq: 70_000, mss: 1460 });
      d.client('PA', { seq: 70_001, ack: 800_001, data: 50 });
      d.silence(millis(3));
      expect(d.replayer.ledger).toMatchObject({ connections: 2, copies: 6, waited: 3, open: 6 });
      for (const to of ends.toReversed()) {
        d.target('A', { seq: TARGET_ISN + 1, ack: CLIENT_ISN + 102, to });
        d.target('FA', { seq: TARGET_ISN + 1, ack: CLIENT_ISN + 102, to });
        d.expect('A', { from: to });
        d.expect('S', { seq: 70_000, from: to });
      }
    },
    three,
  );

  dialogue(
    'those for which there is no room are counted, not the connection',
    (d) => {
      d.client('S', { seq: 1 });
      d.advance(millis(3));
      expect(d.takeSent()).toHaveLength(2);
      expect(d.replayer.ledger).toMatchObject({ connections: 1, copies: 3, notBegun: 1, open: 2 });
    },
    { replayer: { copies: 3, maxCopies: 2 } },
  );

  dialogue(
    'a connection open before the start is joined by all of them',
    (d) => {
      d.client('PA', { seq: 500, ack: 900, data: 20 });
      d.advance(millis(3));
      expect(d.takeSent().map((p) => p.flags)).toEqual(['S', 'S', 'S']);
      expect(d.replayer.ledger).toMatchObject({ connections: 1, joined: 1, copies: 3 });
    },
    three,
  );
});

describe('a fraction (-n 1.5)', () => {
  it('gives one copy more to half of the connections, in no order', () => {
    const number = new CopyNumber(1.5, new Random(5));
    const numbers = Array.from({ length: 2000 }, () => number.next());
    const sum = numbers.reduce((a, b) => a + b);
    expect(Math.abs(sum - 3000)).toBeLessThanOrEqual(1);
    expect(new Set(numbers)).toEqual(new Set([1, 2]));
    const even = numbers.filter((n, i) => i % 2 === 0 && n === 2).length;
    expect(even).toBeGreaterThan(400);
    expect(even).toBeLessThan(600);
  });

  it('a whole number is the same for all', () => {
    const number = new CopyNumber(7, new Random(5));
    expect([number.most, number.next(), number.next()]).toEqual([7, 7, 7]);
  });

  dialogue(
    'a copy that the next connection of the same port has not, ends with its own connection',
    (d) => {
      for (let round = 0; round < 20; round++) {
        const isn = 1_000_000 * (round + 1);
        d.client('S', { seq: isn, mss: 1460 });
        d.advance(millis(3));
        const ends = d
          .takeSent()
          .filter((p) => p.flags === 'S')
          .map((p) => p.from);
        for (const to of ends) d.target('SA', { seq: TARGET_ISN, ack: isn + 1, mss: 1460, to });
        d.client('PA', { seq: isn + 1, ack: ONLINE_ISN + 1, data: 10 });
        d.advance(millis(3));
        const sent = d.takeSent().filter((p) => p.payload.length > 0);
        expect(sent.map((p) => p.from.port)).toEqual(ends.map((end) => end.port));
        for (const to of ends) d.target('A', { seq: TARGET_ISN + 1, ack: isn + 11, to });
      }
      const { ledger } = d.replayer;
      expect(ledger.connections).toBe(20);
      expect(Math.abs(ledger.copies - 30)).toBeLessThanOrEqual(1);
      expect(ledger.open).toBeLessThanOrEqual(2);
    },
    { replayer: { copies: 1.5 } },
  );
});

it('copies begin 50 ms apart, or so much faster that the last one does within --spread', () => {
  expect([lagOf(0, 3, seconds(5)), lagOf(2, 3, seconds(5))]).toEqual([0, millis(100)]);
  expect(lagOf(1022, 1023, seconds(5))).toBeLessThanOrEqual(seconds(5));
  expect(lagOf(1022, 1023, seconds(5))).toBeGreaterThan(millis(4900));
  expect(lagOf(1022, 1023, millis(0))).toBe(0);
});
