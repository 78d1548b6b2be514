import { describe, expect } from 'vitest';
import { dialogue, establish } from '../../test/sim/dialogue.ts';
import { millis, seconds } from '../base/time.ts';
import type { Dialogue } from '../testing/dialogue.ts';
import { Outcome, OUTCOME_NAMES } from './outcome.ts';
import { Verdict } from './verdict.ts';

const CLOSE = { session: { onGap: 'close' } } as const;

/** A segment of the online server, seen by the capture. */
function online(d: Dialogue, flags: string, ack: number): void {
  const { from, to } = d.client0;
  expect(d.client(flags, { seq: 5001, ack, from: to, to: from })).toBe(Verdict.onlineServer);
}

function expectGap(d: Dialogue): void {
  const { outcomes } = d.replayer.ledger;
  expect(OUTCOME_NAMES.filter((_, i) => (outcomes[i] as number) > 0)).toEqual([
    OUTCOME_NAMES[Outcome.captureGap],
  ]);
}

/** A request has arrived; of the next one octets 1101 to 1150 are missing, 1151 to 1200 are there. */
function gap(d: Dialogue): void {
  establish(d);
  d.client('PA', { seq: 1001, ack: 5001, data: 100 });
  d.expect('PA');
  d.target('A', { seq: 9001, ack: 1101 });
  d.client('PA', { seq: 1151, ack: 5001, data: 50 });
  d.expectNothing();
}

describe('a hole that the online server has acknowledged', () => {
  dialogue('will not be filled: the copy ends 50 ms later', (d) => {
    gap(d);
    online(d, 'A', 1101);
    d.silence(millis(100));
    online(d, 'PA', 1201);
    d.silence(millis(49));
    d.advance(millis(2));
    d.expect('RA', { seq: 1101, ack: 9001 });
    expectGap(d);
    expect(d.replayer.context.store.used).toBe(0);
  });

  dialogue('may have been late only', (d) => {
    gap(d);
    online(d, 'A', 1201);
    d.advance(millis(30));
    d.client('A', { seq: 1101, ack: 5001, data: 50 });
    d.expect('A', { seq: 1101, data: 50 });
    d.expect('PA', { seq: 1151, data: 50 });
    d.target('A', { seq: 9001, ack: 1201 });
    d.silence(seconds(60));
    expect(d.open).toBe(1);
  });

  dialogue('is noticed at the end too, where nothing was captured behind it', (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.expect('PA');
    online(d, 'A', 1301);
    d.target('A', { seq: 9001, ack: 1101 });
    d.silence(millis(49));
    d.advance(millis(2));
    d.expect('RA', { seq: 1101 });
    expectGap(d);
  });

  dialogue('after another that was filled', (d) => {
    gap(d);
    online(d, 'A', 1301);
    d.advance(millis(40));
    d.client('A', { seq: 1101, ack: 5001, data: 50 });
    expect(d.takeSent()).toHaveLength(2);
    d.target('A', { seq: 9001, ack: 1201 });
    d.silence(millis(49));
    d.advance(millis(2));
    d.expect('RA', { seq: 1201 });
    expectGap(d);
  });

  dialogue('other copies go on', (d) => {
    gap(d);
    const other = { from: { address: '10.1.2.4', port: 40_000 } };
    d.client('S', { seq: 1000, mss: 1460, ...other });
    d.expect('S');
    online(d, 'A', 1201);
    d.advance(millis(60));
    d.expect('RA', { seq: 1101 });
    d.target('SA', { seq: 9000, ack: 1001, to: other.from });
    d.client('PA', { seq: 1001, ack: 5001, data: 10, ...other });
    d.expect('A', { seq: 1001 });
    d.expect('PA', { seq: 1001, data: 10 });
  });

  dialogue('what is nowhere near, resets and foreign connections say nothing', (d) => {
    gap(d);
    online(d, 'A', 1201 + (1 << 25));
    online(d, 'RA', 1201);
    const { from, to } = d.client0;
    const foreign = { seq: 1, ack: 1201, from: to, to: { ...from, port: 9 } };
    expect(d.client('A', foreign)).toBe(Verdict.onlineServer);
    d.silence(seconds(9));
    expect(d.open).toBe(1);
  });
});

describe('the end of a copy that is cut', () => {
  dialogue('comes when all before the hole has arrived, in its turn', (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.expect('PA', { seq: 1001 });
    d.client('PA', { seq: 1101, ack: 5301, data: 100 });
    d.client('PA', { seq: 1251, ack: 5301, data: 50 });
    d.target('A', { seq: 9001, ack: 1101 });
    online(d, 'A', 1301);
    d.silence(millis(500));
    expect(d.client('PA', { seq: 1201, ack: 5301, data: 50 })).toBe(Verdict.lostData);
    expect(d.client('PA', { seq: 1101, ack: 5301, data: 100 })).toBe(Verdict.retransmission);
    d.target('PA', { seq: 9001, ack: 1101, data: 300 });
    d.expect('PA', { seq: 1101, data: 100 });
    d.silence(millis(30));
    d.target('A', { seq: 9301, ack: 1201 });
    d.expect('RA', { seq: 1201, ack: 9301 });
    expectGap(d);
    const { requests } = d.replayer.context;
    expect([requests.captured, requests.answered]).toEqual([2, 1]);
    expect(requests.cutOff[Outcome.captureGap]).toBe(1);
  });

  dialogue('requests behind the hole are never sent, and begin nothing but a new one does', (d) => {
    gap(d);
    d.client('PA', { seq: 1201, ack: 5301, data: 50 });
    online(d, 'A', 1251);
    d.advance(millis(51));
    d.expect('RA', { seq: 1101 });
    const { requests, counters } = d.replayer.context;
    expect(requests.neverSent[Outcome.captureGap]).toBe(1);
    expect(counters.unsentOctets).toBe(100);
    expect(d.client('PA', { seq: 1251, ack: 5301, data: 50 })).toBe(Verdict.lostData);
    expect(d.client('PA', { seq: 1301, ack: 5601, data: 50 })).toBe(Verdict.data);
    d.expect('S', { seq: 1300 });
  });

  dialogue('nor does the rest of a request of which a part came while the copy was ending', (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.client('PA', { seq: 1151, ack: 5001, data: 50 });
    online(d, 'A', 1201);
    d.advance(millis(51));
    expect(d.client('PA', { seq: 1201, ack: 5301, data: 50 })).toBe(Verdict.lostData);
    d.takeSent();
    d.target('A', { seq: 9001, ack: 1101 });
    d.expect('RA', { seq: 1101 });
    expect(d.client('PA', { seq: 1251, ack: 5301, data: 50 })).toBe(Verdict.lostData);
    expect(d.client('PA', { seq: 1301, ack: 5601, data: 50 })).toBe(Verdict.data);
  });

  dialogue('at once, where the target has not been asked yet and there is nothing before', (d) => {
    d.client('S', { seq: 1000 });
    d.expect('S');
    d.client('PA', { seq: 1051, ack: 5001, data: 50 });
    online(d, 'A', 1101);
    d.advance(millis(51));
    d.expect('R', { seq: 1001 });
    expectGap(d);
    expect(d.client('PA', { seq: 1101, ack: 5001, data: 50 })).toBe(Verdict.lostData);
  });

  dialogue(
    'with FIN, where that is asked for; it is a gap all the same',
    (d) => {
      gap(d);
      online(d, 'A', 1201);
      d.advance(millis(51));
      d.expect('FA', { seq: 1101 });
      d.target('PA', { seq: 9001, ack: 1102, data: 20 });
      d.target('FA', { seq: 9021, ack: 1102 });
      d.expect('A', { seq: 1102, ack: 9022 });
      expectGap(d);
    },
    CLOSE,
  );

  dialogue(
    'with FIN after what waits, also where one octet only is missing',
    (d) => {
      establish(d);
      d.client('PA', { seq: 1001, ack: 5001, data: 100 });
      d.expect('PA');
      d.client('PA', { seq: 1101, ack: 5301, data: 50 });
      d.client('FPA', { seq: 1152, ack: 5301, data: 50 });
      online(d, 'A', 1203);
      d.advance(millis(51));
      d.expectNothing();
      d.target('PA', { seq: 9001, ack: 1101, data: 300 });
      d.expect('PA', { seq: 1101, data: 50 });
      d.expect('FA', { seq: 1151 });
      d.target('R', { seq: 9301 });
      expectGap(d);
    },
    CLOSE,
  );

  for (const when of ['before', 'after'] as const) {
    dialogue(
      `a reset of the client ${when} it adds nothing`,
      (d) => {
        gap(d);
        if (when === 'before') d.client('RA', { seq: 1201, ack: 5001 });
        online(d, 'A', 1201);
        d.advance(millis(51));
        d.expect('FA', { seq: 1101 });
        if (when === 'after') d.client('RA', { seq: 1201, ack: 5001 });
        d.target('A', { seq: 9001, ack: 1102 });
        d.expectNothing();
        d.target('FA', { seq: 9001, ack: 1102 });
        d.expect('A', { seq: 1102 });
        expectGap(d);
      },
      CLOSE,
    );
  }
});
