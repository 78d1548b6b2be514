import { describe, expect } from 'vitest';
import { millis, seconds } from '../../src/base/time.ts';
import { OUTCOME_NAMES, Outcome } from '../../src/session/outcome.ts';
import { Verdict } from '../../src/session/verdict.ts';
import type { Dialogue } from '../../src/testing/dialogue.ts';
import { dialogue, establish } from './dialogue.ts';

/* Targets that do what targets should not, and how their connections end. */

function expectOutcome(d: Dialogue, outcome: Outcome): void {
  const { outcomes } = d.replayer.ledger;
  const found = OUTCOME_NAMES.filter((_, i) => (outcomes[i] as number) > 0);
  expect(found).toEqual([OUTCOME_NAMES[outcome]]);
}

/** A request of 100 octets is out. */
function outstanding(d: Dialogue): void {
  establish(d);
  d.client('PA', { seq: 1001, ack: 5001, data: 100 });
  d.expect('PA', { seq: 1001, data: 100 });
}

/** And answered with 300. */
function answered(d: Dialogue): void {
  outstanding(d);
  d.target('PA', { seq: 9001, ack: 1101, data: 300 });
  d.advance(millis(50));
  d.expect('A', { ack: 9301 });
}

/** Both sides close. */
function close(d: Dialogue, seq: number, rcvNxt: number): void {
  d.client('FA', { seq, ack: 5301 });
  d.expect('FA', { seq });
  d.target('FA', { seq: rcvNxt, ack: seq + 1 });
  d.expect('A', { seq: seq + 1, ack: rcvNxt + 1 });
}

/** `passing` of time in which every segment of ours is answered alike. */
function answerFor(d: Dialogue, secondsLong: number, line: object): void {
  for (let i = 0; i < secondsLong * 10; i++) {
    d.advance(millis(100));
    if (d.takeSent().length > 0) d.target('A', line);
  }
}

describe('windows', () => {
  dialogue(
    'a window closed for 10 s: the rest is sent when it opens, and all is completed',
    (d) => {
      outstanding(d);
      d.target('A', { seq: 9001, ack: 1101, window: 0 });
      d.client('PA', { seq: 1101, ack: 5001, data: 500 });
      answerFor(d, 10, { seq: 9001, ack: 1101, window: 0 });
      d.target('A', { seq: 9001, ack: 1101, window: 5000 });
      d.expect('PA', { seq: 1101, data: 500 });
      d.target('PA', { seq: 9001, ack: 1601, data: 300 });
      d.client('FA', { seq: 1601, ack: 5301 });
      d.advance(millis(50));
      d.takeSent();
      d.target('FA', { seq: 9301, ack: 1602 });
      expectOutcome(d, Outcome.completed);
    },
  );

  dialogue('a target that stops reading and answers every probe is given up after 600 s', (d) => {
    outstanding(d);
    d.target('A', { seq: 9001, ack: 1101, window: 0 });
    d.client('PA', { seq: 1101, ack: 5001, data: 500 });
    answerFor(d, 590, { seq: 9001, ack: 1101, window: 0 });
    expect(d.open).toBe(1);
    answerFor(d, 20, { seq: 9001, ack: 1101, window: 0 });
    expectOutcome(d, Outcome.responseTimeout);
  });

  dialogue('an idle connection whose next request comes just before 600 s is not given up', (d) => {
    answered(d);
    d.advance(seconds(599));
    d.client('PA', { seq: 1101, ack: 5301, data: 10 });
    d.expect('PA', { seq: 1101 });
    d.advance(seconds(3));
    expect(d.open).toBe(1);
  });
});

describe('a reset in each state', () => {
  dialogue('SYN-SENT: refused', (d) => {
    d.client('S', { seq: 1000, mss: 1460 });
    d.expect('S');
    d.target('RA', { seq: 0, ack: 1001 });
    expectOutcome(d, Outcome.refused);
  });

  dialogue('ESTABLISHED, before any data', (d) => {
    establish(d);
    d.target('R', { seq: 9001 });
    expectOutcome(d, Outcome.resetByTarget);
  });

  dialogue('ESTABLISHED, instead of an answer', (d) => {
    outstanding(d);
    d.target('RA', { seq: 9001, ack: 1101 });
    expectOutcome(d, Outcome.resetByTarget);
    d.expectNothing();
  });

  dialogue('FIN-WAIT-1', (d) => {
    answered(d);
    d.client('FA', { seq: 1101, ack: 5301 });
    d.expect('FA');
    d.target('R', { seq: 9301 });
    expectOutcome(d, Outcome.resetByTarget);
  });

  dialogue('FIN-WAIT-2', (d) => {
    answered(d);
    d.client('FA', { seq: 1101, ack: 5301 });
    d.expect('FA');
    d.target('A', { seq: 9301, ack: 1102 });
    d.target('R', { seq: 9301 });
    expectOutcome(d, Outcome.resetByTarget);
  });

  dialogue('CLOSE-WAIT', (d) => {
    answered(d);
    d.target('FA', { seq: 9301, ack: 1101 });
    d.expect('A', { ack: 9302 });
    d.target('R', { seq: 9302 });
    expectOutcome(d, Outcome.resetByTarget);
  });

  dialogue('CLOSING', (d) => {
    answered(d);
    d.client('FA', { seq: 1101, ack: 5301 });
    d.expect('FA');
    d.target('FA', { seq: 9301, ack: 1101 });
    d.expect('A', { ack: 9302 });
    d.target('R', { seq: 9302 });
    expectOutcome(d, Outcome.resetByTarget);
  });

  dialogue('LAST-ACK', (d) => {
    answered(d);
    d.target('FA', { seq: 9301, ack: 1101 });
    d.expect('A', { ack: 9302 });
    d.client('FA', { seq: 1101, ack: 5302 });
    d.expect('FA');
    d.target('R', { seq: 9302 });
    expectOutcome(d, Outcome.resetByTarget);
  });

  dialogue('TIME-WAIT: completed before', (d) => {
    answered(d);
    close(d, 1101, 9301);
    d.target('R', { seq: 9302 });
    expectOutcome(d, Outcome.completed);
    d.silence(seconds(1));
  });
});

describe('a target that comes and goes', () => {
  dialogue('closes before the request comes: it is asked again, on a new connection', (d) => {
    establish(d);
    d.target('FA', { seq: 9001, ack: 1001 });
    d.expect('A', { seq: 1001, ack: 9002 });
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.expect('RA', { seq: 1001, ack: 9002 });
    d.advance(millis(1));
    d.expect('S', { seq: 1000 });
    d.target('SA', { seq: 70_000, ack: 1001, mss: 1460 });
    d.expect('A', { seq: 1001 });
    d.expect('PA', { seq: 1001, data: 100 });
  });

  dialogue('closes whatever comes, before any request: it is not asked without end', (d) => {
    d.client('S', { seq: 1000, mss: 1460 });
    d.client('A', { seq: 1001, ack: 5001 });
    let syns = 0;
    for (let i = 0; i < 20; i++) {
      for (const p of d.takeSent().filter(({ flags }) => flags === 'S')) {
        syns++;
        const seq = 9000 + i * 1000;
        d.batch(() => {
          d.target('SA', { seq, ack: p.seq + 1, mss: 1460 });
          d.target('FA', { seq: seq + 1, ack: p.seq + 1 });
          if (i === 0) d.client('PA', { seq: 1001, ack: 5001, data: 100 });
        });
      }
      d.advance(millis(2));
    }
    expect(syns).toBe(2);
    expectOutcome(d, Outcome.closedByTarget);
  });

  dialogue('closes in the middle of its answer: the client closes too', (d) => {
    outstanding(d);
    d.target('FPA', { seq: 9001, ack: 1101, data: 100 });
    d.expect('A', { ack: 9102 });
    d.client('FA', { seq: 1101, ack: 5302 });
    d.advance(millis(10));
    d.expect('FA', { seq: 1101 });
    d.target('A', { seq: 9102, ack: 1102 });
    expectOutcome(d, Outcome.completed);
  });

  dialogue('is killed and started again: what was not sent yet goes to the new one', (d) => {
    answered(d);
    // It has forgotten the connection: the next request is answered with a reset.
    d.client('PA', { seq: 1101, ack: 5301, data: 50 });
    d.expect('PA', { seq: 1101 });
    d.client('PA', { seq: 1151, ack: 5601, data: 50 });
    d.expectNothing();
    d.target('R', { seq: 9301 });
    d.expect('RA', { seq: 1151 });
    d.advance(millis(1));
    d.expect('S', { seq: 1150 });
    d.target('SA', { seq: 70_000, ack: 1151, mss: 1460 });
    d.expect('A', { seq: 1151 });
    d.expect('PA', { seq: 1151, data: 50 });
    d.target('PA', { seq: 70_001, ack: 1201, data: 300 });
    d.advance(millis(50));
    d.takeSent();
    d.client('FA', { seq: 1201, ack: 5901 });
    d.expect('FA', { seq: 1201 });
    d.target('FA', { seq: 70_301, ack: 1202 });
    d.expect('A');
    expectOutcome(d, Outcome.completed);
  });

  dialogue('is killed and does not answer: refused, and the copy ends', (d) => {
    answered(d);
    d.client('PA', { seq: 1101, ack: 5301, data: 50 });
    d.client('PA', { seq: 1151, ack: 5601, data: 50 });
    d.target('R', { seq: 9301 });
    d.advance(millis(1));
    d.target('RA', { seq: 0, ack: 1151 });
    expectOutcome(d, Outcome.refused);
  });

  dialogue('has a full backlog: SYNs are dropped for 7 s, then it takes the connection', (d) => {
    d.client('S', { seq: 1000, mss: 1460 });
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.advance(seconds(7.1));
    expect(d.takeSent().map((p) => p.flags)).toEqual(['S', 'S', 'S', 'S']);
    d.target('SA', { seq: 9000, ack: 1001, mss: 1460 });
    d.expect('A');
    d.expect('PA', { seq: 1001, data: 100 });
    d.target('PA', { seq: 9001, ack: 1101, data: 300 });
    d.advance(millis(50));
    d.takeSent();
    close(d, 1101, 9301);
    expectOutcome(d, Outcome.completed);
  });

  dialogue(
    'has a full accept queue: our third segment is dropped, its SYN-ACK comes again',
    (d) => {
      outstanding(d);
      d.advance(millis(210));
      d.expect('PA', { seq: 1001 });
      d.advance(millis(300));
      d.target('SA', { seq: 9000, ack: 1001, mss: 1460 });
      d.expect('A', { seq: 1101, ack: 9001 });
      d.advance(millis(110));
      d.expect('PA', { seq: 1001, data: 100 });
      d.target('PA', { seq: 9001, ack: 1101, data: 300 });
      d.advance(millis(50));
      d.takeSent();
      close(d, 1101, 9301);
      expectOutcome(d, Outcome.completed);
    },
  );

  dialogue('uses SYN cookies: no options come back, and a lost third segment is made good', (d) => {
    const syn = { windowScale: 7, sackPermitted: true, timestamps: [700, 0] as const };
    establish(d, { syn, synAck: { mss: 536, window: 500 } });
    // The third segment is lost and the target has kept nothing: the data that follows carries the cookie.
    d.client('PA', { seq: 1001, ack: 5001, data: 700, timestamps: [701, 1] });
    expect(d.expect('A', { seq: 1001, ack: 9001, data: 500 }).options).toEqual({});
    d.target('A', { seq: 9001, ack: 1501, window: 5000 });
    d.expect('PA', { seq: 1501, data: 200 });
    d.target('PA', { seq: 9001, ack: 1701, data: 300 });
    d.advance(millis(50));
    d.expect('A', { ack: 9301 });
    close(d, 1701, 9301);
    expectOutcome(d, Outcome.completed);
  });

  dialogue('uses SYN cookies, and ours has expired: reset', (d) => {
    outstanding(d);
    d.target('R', { seq: 9001 });
    expectOutcome(d, Outcome.resetByTarget);
    expect(d.client('PA', { seq: 1001, ack: 5001, data: 100 })).toBe(Verdict.afterEnd);
  });
});

describe('a target that asks whether we are there', () => {
  dialogue('a keep-alive is answered, however often it comes', (d) => {
    answered(d);
    for (let i = 0; i < 3; i++) {
      d.advance(seconds(75));
      d.target('A', { seq: 9300, ack: 1101 });
      d.expect('A', { seq: 1101, ack: 9301 });
    }
  });

  dialogue('RFC 5961: a flood of what cannot be right is answered twice a second', (d) => {
    answered(d);
    let challenges = 0;
    for (let i = 0; i < 200; i++) {
      d.target('A', { seq: 9300, ack: 1101 });
      d.target('SA', { seq: 9301, ack: 1101 });
      d.target('R', { seq: 9305 });
      d.target('A', { seq: 9301, ack: 5000 });
      d.advance(millis(5));
      challenges += d.takeSent().length;
    }
    expect(challenges).toBe(2);
    expect(d.open).toBe(1);
  });
});
