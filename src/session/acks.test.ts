import { describe, expect } from 'vitest';
import { dialogue, establish } from '../../test/sim/dialogue.ts';
import { millis, seconds } from '../base/time.ts';
import type { Dialogue } from '../testing/dialogue.ts';
import { Outcome } from './outcome.ts';

/** A request of 100 octets is out. */
function outstanding(d: Dialogue): void {
  establish(d);
  d.client('PA', { seq: 1001, ack: 5001, data: 100 });
  d.expect('PA', { seq: 1001, data: 100 });
}

/** `n` segments of 1000 octets are out. */
function burst(d: Dialogue, n: number): void {
  establish(d, { synAck: { mss: 1000 } });
  for (let i = 0; i < n; i++) d.client('A', { seq: 1001 + i * 1000, ack: 5001, data: 1000 });
  expect(d.takeSent()).toHaveLength(n);
}

describe('acknowledging the target', () => {
  dialogue('row 69: one segment is acknowledged after 40 ms', (d) => {
    outstanding(d);
    d.target('PA', { seq: 9001, ack: 1101, data: 280 });
    d.silence(millis(39));
    d.advance(millis(1));
    d.expect('A', { seq: 1101, ack: 9281 });
    d.silence(seconds(1));
  });

  dialogue('every second full segment is acknowledged at once', (d) => {
    outstanding(d);
    for (let i = 0; i < 3; i++) {
      d.target('A', { seq: 9001 + i * 2920, ack: 1101, data: 1460 });
      d.expectNothing();
      d.target('A', { seq: 10_461 + i * 2920, ack: 1101, data: 1460 });
      d.expect('A', { seq: 1101, ack: 11_921 + i * 2920 });
    }
    d.silence(seconds(1));
  });

  dialogue('data acknowledges what has come', (d) => {
    outstanding(d);
    d.target('PA', { seq: 9001, ack: 1101, data: 280 });
    d.client('PA', { seq: 1101, ack: 5281, data: 10 });
    d.expect('PA', { seq: 1101, ack: 9281 });
    d.silence(millis(100));
  });

  dialogue(
    'E22: what comes out of order is acknowledged at once with what is missing, a FIN too',
    (d) => {
      outstanding(d);
      d.target('FPA', { seq: 9101, ack: 1101, data: 100 });
      d.expect('A', { seq: 1101, ack: 9001 });
      d.target('A', { seq: 9301, ack: 1101, data: 10 });
      d.expect('A', { seq: 1101, ack: 9001 });
      d.target('A', { seq: 9001, ack: 1101, data: 100 });
      d.expect('A', { seq: 1101, ack: 9202 });
      expect(d.replayer.context.counters.receivedFin).toBe(1);
    },
  );

  dialogue('ranges out of order may overlap and come in any order', (d) => {
    outstanding(d);
    for (const [from, to] of [
      [9101, 9201],
      [9301, 9401],
      [9150, 9350],
      [9501, 9601],
      [9001, 9050],
    ] as const) {
      d.target('A', { seq: from, ack: 1101, data: to - from });
    }
    expect(d.takeSent().at(-1)).toMatchObject({ ack: 9050 });
    d.target('A', { seq: 9040, ack: 1101, data: 100 });
    d.expect('A', { ack: 9401 });
    d.target('A', { seq: 9401, ack: 1101, data: 100 });
    d.expect('A', { ack: 9601 });
  });

  dialogue('what comes twice is acknowledged at once, and counts once', (d) => {
    outstanding(d);
    d.target('PA', { seq: 9001, ack: 1101, data: 280 });
    d.target('PA', { seq: 9001, ack: 1101, data: 280 });
    d.expect('A', { seq: 1101, ack: 9281 });
    d.expectNothing();
    expect(d.replayer.context.counters.receivedStale).toBe(1);
  });

  dialogue('an acknowledgement of what was not sent is answered and not believed', (d) => {
    outstanding(d);
    d.target('PA', { seq: 9001, ack: 1102, data: 10 });
    d.expect('A', { seq: 1101, ack: 9001 });
    d.target('A', { seq: 9001, ack: 1101 });
    d.silence(seconds(1));
  });

  dialogue('nothing can follow a FIN of the target, nor a second FIN', (d) => {
    outstanding(d);
    d.target('FPA', { seq: 9001, ack: 1101, data: 10 });
    d.expect('A', { ack: 9012 });
    d.target('FPA', { seq: 9012, ack: 1101, data: 10 });
    d.expect('A', { ack: 9012 });
    expect(d.replayer.context.counters.receivedFin).toBe(1);
  });

  dialogue('a segment without ACK is dropped, and takes no acknowledgement with it', (d) => {
    outstanding(d);
    d.target('F', { seq: 9001 });
    d.expectNothing();
    expect(d.replayer.context.counters.receivedFin).toBe(0);
  });

  dialogue('a SYN in the window is challenged', (d) => {
    outstanding(d);
    d.target('SA', { seq: 9001, ack: 1101 });
    d.expect('A', { seq: 1101, ack: 9001 });
  });

  dialogue('a reset beside what is expected is challenged, the exact one believed', (d) => {
    outstanding(d);
    d.target('R', { seq: 9005 });
    d.expect('A', { seq: 1101, ack: 9001 });
    d.target('R', { seq: 9001 });
    expect(d.replayer.ledger.outcomes[Outcome.resetByTarget]).toBe(1);
    d.expectNothing();
  });
});

describe('windows', () => {
  dialogue(
    'our own window counts with the scale that our SYN offered, if the target offers one',
    (d) => {
      establish(d, { syn: { windowScale: 7 }, synAck: { windowScale: 0 } });
      d.target('A', { seq: 109_001, ack: 1001, data: 10 });
      d.expect('A', { ack: 9001 });
      for (let seq = 9001; seq < 109_001; seq += 50_000) {
        d.target('A', { seq, ack: 1001, data: 50_000 });
      }
      expect(d.takeSent().at(-1)).toMatchObject({ ack: 109_011 });
    },
  );

  dialogue('and without, it does not', (d) => {
    establish(d, { syn: { windowScale: 7 } });
    d.target('A', { seq: 109_001, ack: 1001, data: 10 });
    d.expect('A', { ack: 9001 });
    d.target('A', { seq: 9001, ack: 1001, data: 50_000 });
    d.target('A', { seq: 59_001, ack: 1001, data: 50_000 });
    expect(d.takeSent().at(-1)).toMatchObject({ ack: 109_001 });
  });

  dialogue('row 70: what does not fit is held until there is room', (d) => {
    establish(d, { synAck: { window: 1000 } });
    d.client('PA', { seq: 1001, ack: 5001, data: 900 });
    d.expect('PA', { seq: 1001, data: 900 });
    d.client('PA', { seq: 1901, ack: 5001, data: 200 });
    d.expectNothing();
    d.target('A', { seq: 9001, ack: 1901, window: 1000 });
    d.expect('PA', { seq: 1901, data: 200 });
  });

  dialogue('the window is scaled once both sides offered it', (d) => {
    establish(d, { syn: { windowScale: 7 }, synAck: { windowScale: 3, window: 100, mss: 1000 } });
    d.client('PA', { seq: 1001, ack: 5001, data: 1000 });
    expect(d.takeSent().map((p) => p.payload.length)).toEqual([100]);
    d.target('A', { seq: 9001, ack: 1101, window: 100 });
    d.expect('A', { seq: 1101, data: 800 });
    d.target('A', { seq: 9001, ack: 1901, window: 100 });
    d.expect('PA', { seq: 1901, data: 100 });
  });

  dialogue('a window scale that only the target offers does not count', (d) => {
    establish(d, { synAck: { windowScale: 3, window: 100, mss: 1000 } });
    d.client('PA', { seq: 1001, ack: 5001, data: 1000 });
    d.expect('A', { seq: 1001, data: 100 });
    d.target('A', { seq: 9001, ack: 1101, window: 100 });
    d.expect('A', { seq: 1101, data: 100 });
  });

  dialogue('rows 89 and E8: a closed window is probed, and sending resumes when it opens', (d) => {
    outstanding(d);
    d.target('A', { seq: 9001, ack: 1101, window: 0 });
    d.client('PA', { seq: 1101, ack: 5001, data: 50 });
    d.expectNothing();
    d.advance(millis(210));
    const probe = d.expect('A', { seq: 1100, ack: 9001 });
    expect(probe.payload).toHaveLength(0);
    d.target('A', { seq: 9001, ack: 1101, window: 0 });
    d.advance(seconds(300));
    expect(d.takeSent().length).toBeGreaterThan(5);
    d.target('A', { seq: 9001, ack: 1101, window: 500 });
    d.expect('PA', { seq: 1101, data: 50 });
  });

  dialogue('a SYN-ACK with a closed window is no dead end', (d) => {
    establish(d, { synAck: { window: 0 } });
    d.client('PA', { seq: 1001, ack: 5001, data: 50 });
    d.advance(seconds(3));
    expect(d.takeSent().length).toBeGreaterThan(1);
    d.target('A', { seq: 9001, ack: 1001, window: 500 });
    d.expect('PA', { seq: 1001, data: 50 });
  });

  dialogue('a window closed over what is in flight: sent again as soon as it opens', (d) => {
    outstanding(d);
    d.target('A', { seq: 9001, ack: 1001, window: 0 });
    d.advance(seconds(30));
    d.takeSent();
    d.target('A', { seq: 9001, ack: 1001, window: 500 });
    d.expect('PA', { seq: 1001, data: 100 });
    d.target('A', { seq: 9001, ack: 1101, window: 500 });
    d.silence(seconds(10));
  });

  dialogue('an old segment does not bring back an old window', (d) => {
    outstanding(d);
    d.target('PA', { seq: 9001, ack: 1101, data: 10, window: 100 });
    d.target('A', { seq: 9001, ack: 1101, window: 9000 });
    d.client('PA', { seq: 1101, ack: 5011, data: 200 });
    const sent = d.takeSent().filter((p) => p.payload.length > 0);
    expect(sent.map((p) => p.payload.length)).toEqual([100]);
  });
});

describe('retransmission', () => {
  dialogue('what acknowledges something new brings its window, though its text is old', (d) => {
    establish(d, { synAck: { mss: 1000, window: 4000 } });
    d.client('A', { seq: 1001, ack: 5001, data: 8000 });
    expect(d.takeSent()).toHaveLength(4);
    d.target('A', { seq: 9101, ack: 1001, window: 4000 });
    d.target('PA', { seq: 9001, ack: 3001, data: 100, window: 2500 });
    expect(d.takeSent().filter((p) => p.payload.length > 0)).toHaveLength(0);
  });

  dialogue(
    'rows 84 and E5: after 200 ms, then with back-off, with current ack and timestamps',
    (d) => {
      establish(d, { syn: { timestamps: [700, 0] }, synAck: { timestamps: [50, 700] } });
      d.client('PA', { seq: 1001, ack: 5001, data: 100, timestamps: [701, 1] });
      d.expect('PA');
      d.target('PA', { seq: 9001, ack: 1101, data: 30, timestamps: [51, 701] });
      d.client('PA', { seq: 1101, ack: 5031, data: 100, timestamps: [701, 2] });
      d.expect('PA', { seq: 1101, ack: 9031, timestamps: [701, 51] });
      d.target('A', { seq: 9001, ack: 1101, timestamps: [52, 701] });
      d.takeSent();
      let value = 701;
      for (const pause of [200, 400, 800, 1600]) {
        d.silence(millis(pause - 2));
        d.advance(millis(2));
        const [again] = d.takeSent();
        expect(again).toMatchObject({ seq: 1101, ack: 9031 });
        expect(again?.payload).toHaveLength(100);
        expect(again?.options.timestamps?.[0]).toBeGreaterThan(value);
        value = again?.options.timestamps?.[0] ?? 0;
      }
      d.target('PA', { seq: 9031, ack: 1201, data: 30, timestamps: [60, 900] });
      d.advance(millis(50));
      d.expect('A', { seq: 1201, ack: 9061 });
      d.silence(seconds(60));
    },
  );

  dialogue('row 83: three duplicate acknowledgements, exactly one retransmission', (d) => {
    burst(d, 8);
    for (let i = 0; i < 2; i++) d.target('A', { seq: 9001, ack: 1001 });
    d.expectNothing();
    d.target('A', { seq: 9001, ack: 1001 });
    d.expect('A', { seq: 1001, data: 1000 });
    for (let i = 0; i < 4; i++) d.target('A', { seq: 9001, ack: 1001 });
    d.expectNothing();
    d.target('A', { seq: 9001, ack: 9001 });
    d.silence(seconds(10));
  });

  dialogue('E15: window updates and data are no duplicate acknowledgements', (d) => {
    burst(d, 3);
    for (let i = 1; i <= 5; i++) d.target('A', { seq: 9001, ack: 1001, window: 60_000 + i });
    for (let i = 0; i < 5; i++)
      d.target('A', { seq: 9001 + i, ack: 1001, data: 1, window: 60_005 });
    expect(d.takeSent().every((p) => p.payload.length === 0)).toBe(true);
  });

  dialogue('a fast retransmission goes no further than the window that cut the piece', (d) => {
    establish(d, { synAck: { mss: 1000, window: 300 } });
    d.client('PA', { seq: 1001, ack: 5001, data: 1000 });
    d.expect('A', { seq: 1001, data: 300 });
    for (let i = 0; i < 3; i++) d.target('A', { seq: 9001, ack: 1001, window: 300 });
    d.expect('A', { seq: 1001, data: 300 });
  });

  dialogue('a partial acknowledgement in recovery: the next hole is sent again at once', (d) => {
    burst(d, 8);
    for (let i = 0; i < 3; i++) d.target('A', { seq: 9001, ack: 1001 });
    d.expect('A', { seq: 1001 });
    d.target('A', { seq: 9001, ack: 4001 });
    d.expect('A', { seq: 4001, data: 1000 });
    d.target('A', { seq: 9001, ack: 9001 });
    d.silence(seconds(10));
  });

  dialogue('E14: a segment acknowledged in part is sent again from its middle', (d) => {
    outstanding(d);
    d.target('A', { seq: 9001, ack: 1041 });
    d.advance(millis(250));
    d.expect('PA', { seq: 1041, data: 60 });
  });

  dialogue('after a timeout everything unacknowledged is sent again as the window opens', (d) => {
    burst(d, 8);
    d.advance(millis(210));
    d.expect('A', { seq: 1001, data: 1000 });
    d.expectNothing();
    d.target('A', { seq: 9001, ack: 2001 });
    d.expect('A', { seq: 2001 });
    d.expect('A', { seq: 3001 });
    // The others had arrived: nothing of them is sent again, and the duplicates on their way mean no loss.
    for (let i = 0; i < 4; i++) d.target('A', { seq: 9001, ack: 2001 });
    d.expectNothing();
    d.target('A', { seq: 9001, ack: 9001 });
    d.silence(seconds(10));
  });

  dialogue('a FIN is sent again too (E6)', (d) => {
    establish(d);
    d.client('FA', { seq: 1001, ack: 5001 });
    d.expect('FA', { seq: 1001 });
    d.advance(millis(210));
    d.expect('FA', { seq: 1001 });
    d.advance(millis(410));
    d.expect('FA', { seq: 1001 });
    d.target('FA', { seq: 9001, ack: 1002 });
    d.expect('A', { seq: 1002, ack: 9002 });
    d.silence(seconds(1));
    expect(d.replayer.ledger.outcomes[Outcome.completed]).toBe(1);
  });

  dialogue(
    'a target that says nothing any more is given up after 15 retransmissions',
    (d) => {
      outstanding(d);
      d.advance(seconds(590));
      expect(d.replayer.ledger.outcomes[Outcome.retransmissionLimit]).toBe(1);
      const sent = d.takeSent();
      expect(sent.filter((p) => p.payload.length === 100)).toHaveLength(15);
      expect(sent.at(-1)).toMatchObject({ seq: 1101, ack: 9001 });
      expect(sent.at(-1)?.flags).toBe('RA');
    },
    { session: { maxRetransmissions: 15 } },
  );

  dialogue('row 94: an idle connection is kept for 720 s', (d) => {
    outstanding(d);
    d.target('PA', { seq: 9001, ack: 1101, data: 10 });
    d.advance(seconds(710));
    expect(d.open).toBe(1);
    d.advance(seconds(20));
    expect(d.replayer.ledger.outcomes[Outcome.idleTimeout]).toBe(1);
  });

  dialogue('two headers of one batch are both heard', (d) => {
    burst(d, 8);
    for (let i = 0; i < 3; i++) d.target('A', { seq: 9001, ack: 1001 });
    d.takeSent();
    d.batch(() => {
      d.target('A', { seq: 9001, ack: 2001 });
      d.target('A', { seq: 9001, ack: 9001 });
    });
    d.client('PA', { seq: 9001, ack: 5001, data: 5000 });
    expect(d.takeSent().map((p) => p.seq)).toEqual([9001, 10_001, 11_001, 12_001]);
  });
});
