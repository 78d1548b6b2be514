import { describe, expect } from 'vitest';
import { dialogue, establish } from '../../test/sim/dialogue.ts';
import { millis, seconds } from '../base/time.ts';
import { OUTCOME_NAMES, Outcome } from '../session/outcome.ts';
import { Verdict } from '../session/verdict.ts';
import type { Dialogue } from '../testing/dialogue.ts';

/* A client uses its port again while the copy of its former connection has something left to do. */

/** How many connections have had each outcome. */
function outcomes(d: Dialogue): Record<string, number> {
  const found: Record<string, number> = {};
  d.replayer.ledger.outcomes.forEach((n, i) => {
    if (n > 0) found[OUTCOME_NAMES[i] as string] = n;
  });
  return found;
}

/** The client has been answered 300 octets, and has sent a second request; at the target the first one is not answered yet. */
function behind(d: Dialogue): void {
  establish(d);
  d.client('PA', { seq: 1001, ack: 5001, data: 100 });
  d.expect('PA', { seq: 1001, data: 100 });
  d.client('PA', { seq: 1101, ack: 5301, data: 50 });
  d.expectNothing();
}

/** The client begins anew and sends a request. */
function beginAnew(d: Dialogue, isn: number): void {
  expect(d.client('S', { seq: isn, mss: 1460 })).toBe(Verdict.syn);
  d.client('A', { seq: isn + 1, ack: 7001 });
  expect(d.client('PA', { seq: isn + 1, ack: 7001, data: 30 })).toBe(Verdict.data);
}

/** The target answers both requests that `behind` left. */
function answerBoth(d: Dialogue): void {
  d.target('PA', { seq: 9001, ack: 1101, data: 300 });
  d.expect('PA', { seq: 1101, data: 50 });
  d.target('A', { seq: 9301, ack: 1151 });
  d.expectNothing();
  d.target('PA', { seq: 9301, ack: 1151, data: 200 });
}

/** The connection that began at `isn` is made, and its request is answered. */
function serve(d: Dialogue, isn: number): void {
  d.expect('S', { seq: isn });
  d.target('SA', { seq: 80_000, ack: isn + 1, mss: 1460 });
  d.expect('A', { seq: isn + 1 });
  d.expect('PA', { seq: isn + 1, data: 30 });
  d.target('PA', { seq: 80_001, ack: isn + 31, data: 300 });
}

describe('what the former copy holds comes first', () => {
  dialogue('the client resets: its requests, its reset, its new connection', (d) => {
    behind(d);
    d.client('RA', { seq: 1151, ack: 5501 });
    beginAnew(d, 50_000);
    d.silence(millis(100));
    answerBoth(d);
    d.expect('RA', { seq: 1151 });
    serve(d, 50_000);
    expect(outcomes(d)).toEqual({ 'reset by client': 1 });
    expect(d.replayer.ledger).toMatchObject({ connections: 2, waited: 1 });
  });

  dialogue('the client closes: the new connection begins when both sides have closed', (d) => {
    behind(d);
    d.client('FA', { seq: 1151, ack: 5501 });
    beginAnew(d, 50_000);
    answerBoth(d);
    d.expect('FA', { seq: 1151 });
    d.advance(millis(100));
    d.takeSent();
    d.target('A', { seq: 9501, ack: 1152 });
    d.silence(seconds(2));
    d.target('FA', { seq: 9501, ack: 1152 });
    d.expect('A', { seq: 1152, ack: 9502 });
    serve(d, 50_000);
    expect(outcomes(d)).toEqual({ completed: 1 });
  });

  dialogue('its end was not captured: reset as soon as all of it has arrived', (d) => {
    behind(d);
    beginAnew(d, 50_000);
    d.target('PA', { seq: 9001, ack: 1101, data: 300 });
    d.expect('PA', { seq: 1101 });
    d.target('A', { seq: 9301, ack: 1151 });
    d.expect('RA', { seq: 1151 });
    serve(d, 50_000);
    expect(outcomes(d)).toEqual({ 'replaced by a new connection': 1 });
  });

  dialogue('the target resets the former: the next one begins at once', (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.expect('PA');
    beginAnew(d, 50_000);
    d.target('R', { seq: 9001 });
    serve(d, 50_000);
    expect(outcomes(d)).toEqual({ 'reset by target': 1 });
  });

  dialogue('three connections, one after the other', (d) => {
    behind(d);
    d.client('RA', { seq: 1151, ack: 5501 });
    beginAnew(d, 50_000);
    d.client('RA', { seq: 50_031, ack: 7301 });
    beginAnew(d, 60_000);
    answerBoth(d);
    d.expect('RA', { seq: 1151 });
    serve(d, 50_000);
    d.expect('RA', { seq: 50_031 });
    serve(d, 60_000);
    expect(outcomes(d)).toEqual({ 'reset by client': 2 });
  });

  dialogue('the SYN that waits comes again: ignored', (d) => {
    behind(d);
    beginAnew(d, 50_000);
    d.advance(millis(100));
    expect(d.client('S', { seq: 50_000, mss: 1460 })).toBe(Verdict.synAgain);
    d.expectNothing();
    expect(d.replayer.ledger.connections).toBe(2);
  });
});

describe('waiting has its limits', () => {
  dialogue('a target that says nothing for 30 s: the former copy is cut short', (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.client('RA', { seq: 1101, ack: 5301 });
    beginAnew(d, 50_000);
    d.advance(seconds(29));
    expect(d.takeSent().every((p) => p.flags !== 'S')).toBe(true);
    d.advance(seconds(1.5));
    expect(d.takeSent().map((p) => p.flags)).toEqual(['RA', 'S']);
    expect(outcomes(d)).toEqual({ 'replaced by a new connection': 1 });
  });

  dialogue('no more than 64 wait behind one: of those too many the last one goes', (d) => {
    behind(d);
    d.client('RA', { seq: 1151, ack: 5501 });
    for (let i = 1; i <= 66; i++) {
      beginAnew(d, i * 50_000);
      d.client('RA', { seq: i * 50_000 + 31, ack: 7301 });
    }
    expect(outcomes(d)).toEqual({ 'replaced by a new connection': 2 });
    expect(d.replayer.size).toBe(65);
    answerBoth(d);
    d.expect('RA', { seq: 1151 });
    for (const i of [...Array.from({ length: 63 }, (_, n) => n + 1), 66]) {
      serve(d, i * 50_000);
      d.expect('RA', { seq: i * 50_000 + 31 });
    }
    d.expectNothing();
    expect(d.open).toBe(0);
  });

  dialogue('of 64 that wait one ends: there is room for another', (d) => {
    behind(d);
    d.client('RA', { seq: 1151, ack: 5501 });
    for (let i = 1; i <= 63; i++) beginAnew(d, i * 50_000);
    beginAnew(d, 64 * 50_000);
    d.client('PA', { seq: 64 * 50_000 + 131, ack: 7301, data: 10 });
    d.advance(seconds(11));
    expect(outcomes(d)).toEqual({ 'capture gap': 1 });
    beginAnew(d, 65 * 50_000);
    expect(outcomes(d)).toEqual({ 'capture gap': 1 });
    beginAnew(d, 66 * 50_000);
    expect(outcomes(d)).toEqual({ 'capture gap': 1, 'replaced by a new connection': 1 });
  });

  dialogue(
    'where there is no room for a copy more, the former is replaced at once',
    (d) => {
      behind(d);
      beginAnew(d, 50_000);
      d.expect('RA', { seq: 1101 });
      serve(d, 50_000);
      expect(outcomes(d)).toEqual({ 'replaced by a new connection': 1 });
    },
    { replayer: { maxCopies: 1 } },
  );

  dialogue('one that waits misses a packet: it ends, and the former goes on', (d) => {
    behind(d);
    d.client('FA', { seq: 1151, ack: 5501 });
    beginAnew(d, 50_000);
    d.client('PA', { seq: 50_131, ack: 7301, data: 10 });
    d.advance(seconds(11));
    expect(outcomes(d)).toEqual({ 'capture gap': 1 });
    d.takeSent();
    d.target('PA', { seq: 9001, ack: 1101, data: 300 });
    d.expect('PA', { seq: 1101, data: 50 });
    d.target('PA', { seq: 9301, ack: 1151, data: 200 });
    d.expect('FA', { seq: 1151 });
    d.target('FA', { seq: 9501, ack: 1152 });
    expect(outcomes(d)).toEqual({ completed: 1, 'capture gap': 1 });
  });

  dialogue(
    'the last of two that wait ends: what its client sends goes to none of the others',
    (d) => {
      behind(d);
      d.client('RA', { seq: 1151, ack: 5501 });
      beginAnew(d, 50_000);
      beginAnew(d, 60_000);
      d.client('PA', { seq: 60_131, ack: 7301, data: 10 });
      d.advance(seconds(11));
      expect(outcomes(d)).toEqual({ 'capture gap': 1 });
      d.takeSent();
      const lost = { seq: 60_141, ack: 7301, data: 10 };
      expect(d.client('PA', lost)).toBe(Verdict.lostData);
      expect(d.client('A', { seq: 60_151, ack: 7301 })).toBe(Verdict.afterEnd);
      answerBoth(d);
      d.expect('RA', { seq: 1151 });
      d.expect('S', { seq: 50_000 });
      d.target('SA', { seq: 80_000, ack: 50_001, mss: 1460 });
      d.expect('A', { seq: 50_001 });
      d.expect('PA', { seq: 50_001, data: 30 });
      expect(d.client('PA', lost)).toBe(Verdict.lostData);
      beginAnew(d, 70_000);
      d.expectNothing();
      d.target('A', { seq: 80_001, ack: 50_031 });
      d.expect('RA', { seq: 50_031 });
      serve(d, 70_000);
      expect(d.replayer.ledger.connections).toBe(4);
    },
  );

  dialogue('the program ends meanwhile: both are counted', (d) => {
    behind(d);
    beginAnew(d, 50_000);
    d.stop();
    d.expect('RA', { seq: 1101 });
    d.expectNothing();
    expect(outcomes(d)).toEqual({ 'stopped with the program': 2 });
  });
});

dialogue(
  'a client that was started anew: its reset of what the server remembers ends nothing',
  (d) => {
    establish(d);
    d.client('S', { seq: 90_000_000, mss: 1460 });
    d.expect('RA', { seq: 1001 });
    d.expect('S', { seq: 90_000_000 });
    expect(d.client('R', { seq: 1001 })).toBe(Verdict.outOfWindow);
    d.advance(millis(500));
    expect(d.client('S', { seq: 90_000_000, mss: 1460 })).toBe(Verdict.synAgain);
    d.target('SA', { seq: 80_000, ack: 90_000_001, mss: 1460 });
    d.expect('A', { seq: 90_000_001 });
    expect(d.replayer.ledger.outcomes[Outcome.resetByClient]).toBe(0);
  },
);
