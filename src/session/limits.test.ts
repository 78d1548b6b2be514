import { describe, expect, it } from 'vitest';
import { dialogue, establish } from '../../test/sim/dialogue.ts';
import { millis, seconds } from '../base/time.ts';
import type { Dialogue } from '../testing/dialogue.ts';
import { isForGood, Outcome, OUTCOME_NAMES } from './outcome.ts';
import { Verdict } from './verdict.ts';

/** The one outcome that there is. */
function expectOutcome(d: Dialogue, outcome: Outcome): void {
  const { outcomes } = d.replayer.ledger;
  const found = OUTCOME_NAMES.filter((_, i) => (outcomes[i] as number) > 0);
  expect(found).toEqual([OUTCOME_NAMES[outcome]]);
}

/** A request is out and answered. */
function answered(d: Dialogue): void {
  establish(d);
  d.client('PA', { seq: 1001, ack: 5001, data: 100 });
  d.expect('PA', { seq: 1001 });
  d.target('PA', { seq: 9001, ack: 1101, data: 300 });
  d.advance(millis(50));
  d.expect('A', { ack: 9301 });
}

describe('limits of what is held', () => {
  it('every outcome has a name of its own', () => {
    expect(OUTCOME_NAMES).toHaveLength(Object.keys(Outcome).length);
    expect(new Set(OUTCOME_NAMES).size).toBe(OUTCOME_NAMES.length);
    const forGood = OUTCOME_NAMES.filter((_, i) => isForGood(i as Outcome));
    expect(forGood).toHaveLength(6);
    for (const name of forGood) expect(name).toMatch(/--max-held-|\(-m\)|\(-c\)/);
  });

  dialogue(
    'octets of one connection: exactly as many are held, one more ends it',
    (d) => {
      establish(d);
      d.target('A', { seq: 9001, ack: 1001, window: 0 });
      for (let i = 0; i < 10; i++) d.client('PA', { seq: 1001 + i * 100, ack: 5001, data: 100 });
      expect(d.open).toBe(1);
      expect(d.client('PA', { seq: 2001, ack: 5001, data: 1 })).toBe(Verdict.overLimit);
      expectOutcome(d, Outcome.octetLimit);
      expect(d.client('PA', { seq: 2002, ack: 5001, data: 1 })).toBe(Verdict.lostData);
    },
    { session: { maxOctets: 1000 } },
  );

  dialogue(
    'pieces in all: the connection that asks for more ends, the other goes on',
    (d) => {
      establish(d);
      const other = { from: { address: '10.1.2.4', port: 40_000 } };
      d.client('S', { seq: 1000, mss: 1460, ...other });
      d.expect('S');
      for (let i = 0; i < 3; i++)
        d.client('PA', { seq: 1101 + i * 10, ack: 5001, data: 10, ...other });
      expect(d.client('PA', { seq: 1001, ack: 5001, data: 100 })).toBe(Verdict.data);
      d.expect('PA', { seq: 1001, data: 100 });
      expect(d.client('PA', { seq: 1131, ack: 5001, data: 10, ...other })).toBe(Verdict.overLimit);
      expectOutcome(d, Outcome.totalSegmentLimit);
      d.takeSent();
      d.target('A', { seq: 9001, ack: 1101 });
      expect(d.client('PA', { seq: 1101, ack: 5001, data: 100 })).toBe(Verdict.data);
      d.expect('PA', { seq: 1101, data: 100 });
    },
    { session: { maxSegmentsTotal: 4 } },
  );

  for (const [of, outcome] of [
    ['--max-held-octets-total', Outcome.totalOctetLimit],
    ['-m', Outcome.shed],
  ] as const) {
    dialogue(
      `memory in all, by ${of}`,
      (d) => {
        establish(d);
        d.target('A', { seq: 9001, ack: 1001, window: 0 });
        let verdict: number = Verdict.data;
        for (let seq = 1001; verdict === Verdict.data && seq < 10_000_000; seq += 65_000) {
          verdict = d.client('A', { seq, ack: 5001, data: 65_000 });
        }
        expectOutcome(d, outcome);
      },
      {
        replayer: { maxPayload: 1 },
        session: { isPoolByMemoryLimit: outcome === Outcome.shed },
      },
    );
  }
});

describe('limits of what is done', () => {
  dialogue(
    'reconnections',
    (d) => {
      answered(d);
      d.target('FA', { seq: 9301, ack: 1101 });
      d.expect('A', { ack: 9302 });
      d.client('PA', { seq: 1101, ack: 5301, data: 70 });
      d.expect('RA', { seq: 1101 });
      d.advance(millis(1));
      d.expect('S', { seq: 1100 });
      d.target('SA', { seq: 70_000, ack: 1101, mss: 1460 });
      d.takeSent();
      d.target('FPA', { seq: 70_001, ack: 1171, data: 10 });
      d.advance(millis(50));
      d.takeSent();
      d.client('PA', { seq: 1171, ack: 5311, data: 70 });
      d.expect('RA', { seq: 1171 });
      d.silence(seconds(1));
      expectOutcome(d, Outcome.reconnectionLimit);
    },
    { session: { maxReconnections: 1 } },
  );

  dialogue(
    'retransmissions in a row; what the target acknowledges lets it start anew',
    (d) => {
      establish(d);
      d.client('PA', { seq: 1001, ack: 5001, data: 100 });
      d.advance(millis(700));
      expect(d.takeSent()).toHaveLength(3);
      d.target('A', { seq: 9001, ack: 1051 });
      d.advance(seconds(2));
      expect(d.open).toBe(1);
      d.advance(seconds(4));
      expectOutcome(d, Outcome.retransmissionLimit);
      expect(d.takeSent().at(-1)?.flags).toBe('RA');
    },
    { session: { maxRetransmissions: 2 } },
  );
});

describe('time in each phase', () => {
  dialogue(
    'SYN-SENT',
    (d) => {
      d.client('S', { seq: 1000, mss: 1460 });
      d.advance(seconds(3));
      expect(d.open).toBe(1);
      d.advance(seconds(2));
      expectOutcome(d, Outcome.handshakeTimeout);
    },
    { session: { handshakeTimeout: seconds(4) } },
  );

  dialogue(
    'CLOSE-WAIT',
    (d) => {
      answered(d);
      d.target('FA', { seq: 9301, ack: 1101 });
      d.expect('A', { ack: 9302 });
      d.silence(seconds(3));
      d.advance(seconds(2));
      d.expect('RA', { seq: 1101 });
      expectOutcome(d, Outcome.closeWaitTimeout);
    },
    { session: { closeWaitTime: seconds(4) } },
  );

  const CLOSING = { session: { closingTimeout: seconds(100) } };

  dialogue(
    'FIN-WAIT-2: counts from the last word of the target',
    (d) => {
      answered(d);
      d.client('FA', { seq: 1101, ack: 5301 });
      d.expect('FA');
      d.target('A', { seq: 9301, ack: 1102 });
      d.advance(seconds(90));
      d.target('PA', { seq: 9301, ack: 1102, data: 10 });
      d.advance(seconds(90));
      d.takeSent();
      expect(d.open).toBe(1);
      d.advance(seconds(20));
      d.expect('RA', { seq: 1102 });
      expectOutcome(d, Outcome.closingTimeout);
    },
    CLOSING,
  );

  dialogue(
    'FIN-WAIT-1 and LAST-ACK: the FIN is never acknowledged',
    (d) => {
      answered(d);
      d.target('FA', { seq: 9301, ack: 1101 });
      d.expect('A', { ack: 9302 });
      d.client('FA', { seq: 1101, ack: 5302 });
      d.advance(seconds(99));
      expect(d.open).toBe(1);
      d.advance(seconds(2));
      expectOutcome(d, Outcome.closingTimeout);
    },
    CLOSING,
  );
});
