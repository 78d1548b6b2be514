import { describe, expect } from 'vitest';
import { dialogue, establish } from '../../test/sim/dialogue.ts';
import { millis, seconds } from '../base/time.ts';
import type { Dialogue } from '../testing/dialogue.ts';
import { Outcome, OUTCOME_NAMES } from './outcome.ts';

/** Every count that is not 0, by name; that they add up is checked after each step. */
function expectRequests(d: Dialogue, wanted: Readonly<Record<string, number>>): void {
  const { requests } = d.replayer.context;
  const { captured, answered, unanswered, overtaken, open } = requests;
  const found: Record<string, number> = { captured, answered, unanswered, overtaken, open };
  OUTCOME_NAMES.forEach((name, i) => {
    found[`cut: ${name}`] = requests.cutOff[i] as number;
    found[`never: ${name}`] = requests.neverSent[i] as number;
  });
  for (const name of Object.keys(found)) if (found[name] === 0) delete found[name];
  expect(found).toEqual(wanted);
}

/** A request in two pieces, answered online with 300 octets. */
function request(d: Dialogue, n: number): void {
  const seq = 1001 + n * 100;
  const ack = 5001 + n * 300;
  d.client('A', { seq, ack, data: 60 });
  d.client('PA', { seq: seq + 60, ack, data: 40 });
}

const answer = (d: Dialogue, n: number, flags = 'PA'): void =>
  d.target(flags, { seq: 9001 + n * 300, ack: 1101 + n * 100, data: 300 });

describe('the account of requests', () => {
  dialogue('answered in turn, the last one at the end of the copy', (d) => {
    establish(d);
    for (let n = 0; n < 3; n++) request(d, n);
    expectRequests(d, { captured: 3, open: 3 });
    answer(d, 0);
    expectRequests(d, { captured: 3, answered: 1, open: 2 });
    answer(d, 1);
    answer(d, 2);
    expectRequests(d, { captured: 3, answered: 2, open: 1 });
    d.client('FA', { seq: 1301, ack: 5901 });
    d.target('FA', { seq: 9901, ack: 1302 });
    expectRequests(d, { captured: 3, answered: 3 });
  });

  dialogue('a target that closes with its answer has answered', (d) => {
    establish(d);
    request(d, 0);
    answer(d, 0, 'A');
    d.target('FA', { seq: 9301, ack: 1101 });
    d.advance(seconds(61));
    expectRequests(d, { captured: 1, answered: 1 });
  });

  dialogue('patience is over: not answered', (d) => {
    establish(d);
    request(d, 0);
    request(d, 1);
    d.target('A', { seq: 9001, ack: 1101 });
    d.advance(seconds(31));
    expectRequests(d, { captured: 2, unanswered: 1, open: 1 });
    d.stop();
    expectRequests(d, { captured: 2, unanswered: 1, 'cut: stopped with the program': 1 });
  });

  dialogue('reset in the middle of an answer: this one is cut off, the next is never sent', (d) => {
    establish(d);
    request(d, 0);
    request(d, 1);
    d.target('A', { seq: 9001, ack: 1101, data: 200 });
    d.stop();
    expectRequests(d, {
      captured: 2,
      'cut: stopped with the program': 1,
      'never: stopped with the program': 1,
    });
  });

  dialogue('refused: never sent', (d) => {
    d.client('S', { seq: 1000 });
    request(d, 0);
    d.target('RA', { seq: 0, ack: 1001 });
    expectRequests(d, { captured: 1, 'never: refused by target': 1 });
  });

  dialogue('reset without an answer; the next one goes to a new connection', (d) => {
    establish(d);
    request(d, 0);
    request(d, 1);
    d.target('R', { seq: 9001 });
    expectRequests(d, { captured: 2, 'cut: reset by target': 1, open: 1 });
    d.advance(millis(1));
    d.target('SA', { seq: 70_000, ack: 1101, mss: 1460 });
    d.target('PA', { seq: 70_001, ack: 1201, data: 20 });
    d.client('FA', { seq: 1201, ack: 5601 });
    d.advance(millis(10));
    d.target('FA', { seq: 70_021, ack: 1202 });
    expectRequests(d, { captured: 2, 'cut: reset by target': 1, answered: 1 });
    expect(d.replayer.ledger.outcomes[Outcome.completed]).toBe(1);
  });

  dialogue('what comes again or out of order is counted once', (d) => {
    establish(d);
    d.client('PA', { seq: 1061, ack: 5001, data: 40 });
    d.client('A', { seq: 1001, ack: 5001, data: 60 });
    request(d, 0);
    expectRequests(d, { captured: 1, open: 1 });
    request(d, 2);
    request(d, 1);
    request(d, 2);
    expectRequests(d, { captured: 3, open: 3 });
    answer(d, 0);
    answer(d, 1);
    expectRequests(d, { captured: 3, answered: 2, open: 1 });
  });

  dialogue('a keep-alive captured before the request whose last octet it repeats', (d) => {
    establish(d);
    request(d, 0);
    answer(d, 0);
    d.target('A', { seq: 9301, ack: 1101 });
    d.takeSent();
    d.client('A', { seq: 1200, ack: 5601, data: 1 });
    d.client('PA', { seq: 1201, ack: 5601, data: 100 });
    d.client('PA', { seq: 1101, ack: 5301, data: 100 });
    expectRequests(d, { captured: 3, answered: 1, open: 2 });
    d.expect('A', { seq: 1101, data: 99 });
    d.expect('A', { seq: 1200, data: 1 });
    d.expectNothing();
    answer(d, 1);
    d.expect('PA', { seq: 1201 });
  });

  dialogue('pipelined requests count as one', (d) => {
    establish(d);
    for (let i = 0; i < 5; i++) d.client('PA', { seq: 1001 + i * 10, ack: 5001, data: 10 });
    d.client('PA', { seq: 1051, ack: 5901, data: 10 });
    expectRequests(d, { captured: 2, open: 2 });
  });

  dialogue(
    'with -W what is not waited for is told apart',
    (d) => {
      establish(d);
      request(d, 0);
      request(d, 1);
      expectRequests(d, { captured: 2, overtaken: 1, open: 1 });
      answer(d, 1);
      request(d, 2);
      d.target('R', { seq: 9001 });
      expectRequests(d, { captured: 3, overtaken: 2, 'cut: reset by target': 1 });
    },
    { session: { holdRequests: false } },
  );

  dialogue('damaged ones, and those of a copy that has ended, count only as packets', (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 100, corrupt: 45 });
    d.client('R', { seq: 1001 });
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    expectRequests(d, { captured: 1, open: 1 });
  });
});
