import { describe, expect } from 'vitest';
import { dialogue, establish } from '../../test/sim/dialogue.ts';
import { millis, seconds } from '../base/time.ts';
import type { Dialogue } from '../testing/dialogue.ts';
import { Outcome } from './outcome.ts';
import { Verdict } from './verdict.ts';

const count = (d: Dialogue, outcome: Outcome): number =>
  d.replayer.ledger.outcomes[outcome] as number;

/** A request is out and answered; the client has seen the answer. */
function answered(d: Dialogue): void {
  establish(d);
  d.client('PA', { seq: 1001, ack: 5001, data: 100 });
  d.expect('PA', { seq: 1001 });
  d.target('PA', { seq: 9001, ack: 1101, data: 300 });
  d.advance(millis(50));
  d.expect('A', { ack: 9301 });
}

describe('closing', () => {
  dialogue('row 72: the client closes, the target follows; the copy lingers 6 s', (d) => {
    answered(d);
    d.client('FA', { seq: 1101, ack: 5301 });
    d.expect('FA', { seq: 1101, ack: 9301 });
    d.target('FA', { seq: 9301, ack: 1102 });
    d.expect('A', { seq: 1102, ack: 9302 });
    expect(count(d, Outcome.completed)).toBe(1);
    expect(d.replayer.size).toBe(1);
    d.target('FA', { seq: 9301, ack: 1102 });
    d.expect('A', { seq: 1102, ack: 9302 });
    d.silence(seconds(7));
    expect(d.replayer.size).toBe(0);
  });

  dialogue('the client closes half, and the target still answers', (d) => {
    establish(d);
    d.client('FPA', { seq: 1001, ack: 5001, data: 100 });
    d.expect('FPA', { seq: 1001, data: 100 });
    d.target('A', { seq: 9001, ack: 1102 });
    for (let i = 0; i < 10; i++) d.target('A', { seq: 9001 + i * 1460, ack: 1102, data: 1460 });
    const acks = d.takeSent();
    expect(acks).toHaveLength(5);
    expect(acks.at(-1)).toMatchObject({ seq: 1102, ack: 23_601 });
    d.target('FA', { seq: 23_601, ack: 1102 });
    d.expect('A', { seq: 1102, ack: 23_602 });
    expect(count(d, Outcome.completed)).toBe(1);
  });

  dialogue('row 74: the target closes first, then the client', (d) => {
    answered(d);
    d.target('FA', { seq: 9301, ack: 1101 });
    d.expect('A', { seq: 1101, ack: 9302 });
    d.silence(seconds(2));
    d.client('FA', { seq: 1101, ack: 5302 });
    d.expect('FA', { seq: 1101, ack: 9302 });
    d.target('A', { seq: 9302, ack: 1102 });
    d.expectNothing();
    expect(count(d, Outcome.completed)).toBe(1);
  });

  dialogue('row 74: a client that never closes is reset after 60 s', (d) => {
    answered(d);
    d.target('FA', { seq: 9301, ack: 1101 });
    d.expect('A', { seq: 1101, ack: 9302 });
    d.silence(seconds(59));
    d.advance(seconds(2));
    d.expect('RA', { seq: 1101, ack: 9302 });
    expect(count(d, Outcome.closeWaitTimeout)).toBe(1);
  });

  dialogue('both close at once', (d) => {
    answered(d);
    d.client('FA', { seq: 1101, ack: 5301 });
    d.expect('FA', { seq: 1101 });
    d.target('FA', { seq: 9301, ack: 1101 });
    d.expect('A', { seq: 1102, ack: 9302 });
    expect(count(d, Outcome.completed)).toBe(0);
    d.target('A', { seq: 9302, ack: 1102 });
    expect(count(d, Outcome.completed)).toBe(1);
  });

  dialogue("the target's FIN waits for the data before it", (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.client('PA', { seq: 1101, ack: 5301, data: 100 });
    d.expect('PA', { seq: 1001 });
    d.target('FA', { seq: 9301, ack: 1101 });
    d.expect('A', { seq: 1101, ack: 9001 });
    d.silence(millis(100));
  });

  dialogue('a client that resets after its FIN: the reset goes out once', (d) => {
    answered(d);
    d.client('FA', { seq: 1101, ack: 5301 });
    d.expect('FA', { seq: 1101 });
    d.client('R', { seq: 1102 });
    d.expectNothing();
    d.target('FA', { seq: 9301, ack: 1102 });
    const sent = d.takeSent();
    expect(sent.filter((p) => p.flags.includes('R')).length).toBeLessThan(2);
    d.target('A', { seq: 9302, ack: 1102 });
    d.target('FA', { seq: 9301, ack: 1102 });
    d.advance(millis(1));
    expect(d.takeSent().filter((p) => p.flags.includes('R')).length).toBeLessThan(2);
  });

  dialogue('a reset waits until what was sent before it has arrived', (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.expect('PA');
    d.client('RA', { seq: 1101, ack: 5001 });
    d.expectNothing();
    d.advance(millis(210));
    d.expect('PA', { seq: 1001, data: 100 });
    d.target('A', { seq: 9001, ack: 1101 });
    d.expect('RA', { seq: 1101 });
    expect(count(d, Outcome.resetByClient)).toBe(1);
  });

  dialogue('row 92: an ended copy answers what the target still sends with resets', (d) => {
    establish(d);
    d.client('RA', { seq: 1001, ack: 5001 });
    d.expect('RA', { seq: 1001 });
    d.target('PA', { seq: 9001, ack: 1001, data: 10 });
    d.expect('R', { seq: 1001 });
    d.target('R', { seq: 9001 });
    d.target('F', { seq: 9001 });
    d.expectNothing();
  });

  dialogue('when the program stops, open copies are reset', (d) => {
    answered(d);
    d.stop();
    d.expect('RA', { seq: 1101, ack: 9301 });
    expect(count(d, Outcome.stopped)).toBe(1);
  });
});

describe('a target that ends the connection while the client goes on', () => {
  dialogue(
    'row 87: reset while a request is held: a new connection for it after a round trip',
    (d) => {
      establish(d, { rtt: millis(20) });
      d.client('PA', { seq: 1001, ack: 5001, data: 100 });
      d.expect('PA', { seq: 1001 });
      d.target('A', { seq: 9001, ack: 1101, data: 200 });
      d.client('PA', { seq: 1101, ack: 5301, data: 50 });
      d.target('RA', { seq: 9201, ack: 1101 });
      d.expect('RA', { seq: 1101 });
      d.silence(millis(19));
      d.advance(millis(1));
      d.expect('S', { seq: 1100, mss: 1460 });
      d.target('SA', { seq: 70_000, ack: 1101, mss: 1460 });
      d.expect('A', { seq: 1101, ack: 70_001 });
      d.expect('PA', { seq: 1101, ack: 70_001, data: 50 });
      expect(d.replayer.context.counters.reconnects).toBe(1);
      d.target('PA', { seq: 70_001, ack: 1151, data: 20 });
      d.client('PA', { seq: 1151, ack: 5321, data: 50 });
      d.advance(millis(20));
      d.expect('PA', { seq: 1151, ack: 70_021, data: 50 });
    },
  );

  dialogue('what came out of order on the old connection does not count on the new one', (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.client('PA', { seq: 1101, ack: 5301, data: 50 });
    d.target('A', { seq: 9001, ack: 1101, data: 200 });
    d.target('A', { seq: 9401, ack: 1101, data: 100 });
    d.target('R', { seq: 9201 });
    d.advance(millis(2));
    d.target('SA', { seq: 9350, ack: 1101, mss: 1460 });
    d.takeSent();
    d.target('PA', { seq: 9351, ack: 1151, data: 60 });
    d.advance(millis(50));
    d.expect('A', { ack: 9411 });
  });

  dialogue('a reset in the middle of a request ends the copy: its rest would mean nothing', (d) => {
    establish(d, { synAck: { window: 1000, mss: 1000 } });
    d.client('A', { seq: 1001, ack: 5001, data: 1000 });
    d.client('PA', { seq: 2001, ack: 5001, data: 1000 });
    d.expect('A', { seq: 1001, data: 1000 });
    d.target('R', { seq: 9001 });
    d.silence(millis(100));
    expect(count(d, Outcome.resetByTarget)).toBe(1);
    expect(d.replayer.context.counters.reconnects).toBe(0);
  });

  dialogue('what the client retransmits meanwhile is not sent on the new connection', (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.expect('PA', { seq: 1001 });
    d.target('A', { seq: 9001, ack: 1001, data: 200 });
    d.client('PA', { seq: 1101, ack: 5301, data: 50 });
    d.target('R', { seq: 9201 });
    d.expect('RA', { seq: 1101 });
    expect(d.client('PA', { seq: 1001, ack: 5001, data: 100 })).toBe(Verdict.seenTwice);
    d.advance(millis(1));
    d.expect('S', { seq: 1100 });
    expect(d.client('PA', { seq: 1001, ack: 5001, data: 100 })).toBe(Verdict.retransmission);
    d.target('SA', { seq: 70_000, ack: 1101, mss: 1460 });
    d.expect('A', { seq: 1101 });
    d.expect('PA', { seq: 1101, data: 50 });
    d.expectNothing();
  });

  dialogue('timestamps come off the MSS once, however often the copy connects', (d) => {
    establish(d, { syn: { timestamps: [700, 0] }, synAck: { timestamps: [50, 700] } });
    let [irs, seq] = [9000, 1001];
    for (let i = 0; i < 3; i++) {
      d.client('PA', { seq, ack: 5001 + 10 * i, data: 1000, timestamps: [701, 1] });
      d.expect('PA', { seq, data: 1000 });
      d.target('PA', { seq: irs + 1, ack: seq + 1000, data: 10, timestamps: [51, 701] });
      seq += 1000;
      d.client('PA', { seq, ack: 5011 + 10 * i, data: 2000, timestamps: [701, 1] });
      d.takeSent();
      d.target('PA', { seq: irs + 11, ack: seq, data: 5, timestamps: [51, 701] });
      d.takeSent();
      seq += 2000;
      d.target('FA', { seq: irs + 16, ack: seq, timestamps: [51, 701] });
      d.takeSent();
      d.client('PA', { seq, ack: 5015 + 10 * i, data: 1600, timestamps: [702, 1] });
      d.expect('RA');
      d.advance(millis(2));
      d.expect('S', { seq: seq - 1 });
      irs += 100_000;
      d.target('SA', { seq: irs, ack: seq, mss: 1460, timestamps: [51, 701] });
      const first = d.takeSent().find((p) => p.payload.length > 0);
      expect(first?.payload).toHaveLength(1448);
      d.target('PA', { seq: irs + 1, ack: seq + 1600, data: 0, timestamps: [51, 701] });
      seq += 1600;
      d.client('PA', { seq, ack: 5015 + 10 * i, data: 1, timestamps: [702, 1] });
      d.takeSent();
      d.target('PA', { seq: irs + 1, ack: seq + 1, data: 0, timestamps: [51, 701] });
      seq += 1;
    }
  });

  dialogue('a request sent in part is not carried on elsewhere', (d) => {
    establish(d, { synAck: { window: 1000, mss: 1000 } });
    d.client('PA', { seq: 1001, ack: 5001, data: 3000 });
    d.expect('A', { seq: 1001, data: 1000 });
    d.target('FA', { seq: 9001, ack: 2001, window: 0 });
    d.takeSent();
    d.advance(seconds(70));
    d.advance(seconds(700));
    expect(count(d, Outcome.closedByTarget)).toBe(1);
    expect(d.replayer.context.counters.reconnects).toBe(0);
  });

  dialogue('a new request after the target has closed begins a new connection', (d) => {
    answered(d);
    d.target('FA', { seq: 9301, ack: 1101 });
    d.expect('A', { ack: 9302 });
    d.client('PA', { seq: 1101, ack: 5301, data: 70 });
    d.expect('RA', { seq: 1101 });
    d.advance(millis(1));
    d.expect('S', { seq: 1100 });
    d.target('SA', { seq: 70_000, ack: 1101, mss: 1460 });
    d.expect('A', { seq: 1101 });
    d.expect('PA', { seq: 1101, data: 70 });
  });

  dialogue('where the reset before a new connection was lost, the old one is reset again', (d) => {
    answered(d);
    d.target('FA', { seq: 9301, ack: 1101 });
    d.client('PA', { seq: 1101, ack: 5301, data: 70 });
    d.advance(millis(1));
    d.takeSent();
    // The SYN lies just before what the old connection expects: its challenge acknowledges what the SYN-ACK would.
    d.target('A', { seq: 9302, ack: 1101 });
    d.expect('R', { seq: 1101 });
    d.advance(millis(1));
    d.expect('S', { seq: 1100 });
    d.target('SA', { seq: 70_000, ack: 1101, mss: 1460 });
    d.expect('A', { seq: 1101 });
    d.expect('PA', { seq: 1101, data: 70 });
  });

  dialogue('a target that resets everything is not called without end', (d) => {
    establish(d);
    let seq = 1001;
    let irs = 9000;
    let syns = 0;
    for (let i = 0; i < 20; i++) {
      d.client('PA', { seq, ack: 5001 + i, data: 10 });
      d.client('PA', { seq: seq + 10, ack: 5002 + i, data: 10 });
      seq += 20;
      d.target('RA', { seq: irs + 1, ack: seq });
      d.advance(millis(5));
      const sent = d.takeSent();
      syns += sent.filter((p) => p.flags === 'S').length;
      const syn = sent.findLast((p) => p.flags === 'S');
      if (syn !== undefined) {
        irs += 1000;
        d.target('SA', { seq: irs, ack: syn.seq + 1 });
      }
    }
    expect(syns).toBeLessThanOrEqual(20);
  });
});
