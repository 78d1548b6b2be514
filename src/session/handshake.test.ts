import { describe, expect } from 'vitest';
import { CLIENT_ISN, dialogue, establish, TARGET_ISN } from '../../test/sim/dialogue.ts';
import { millis, seconds } from '../base/time.ts';
import { transfer } from '../testing/harness.ts';
import { Outcome } from './outcome.ts';
import { Verdict } from './verdict.ts';

describe('the handshake', () => {
  dialogue(
    "row 62: SYN keeps ISN, options, window, TTL and traffic class; its end is the target's",
    (d) => {
      const line = {
        seq: 0xffff_fff0,
        mss: 1400,
        windowScale: 7,
        sackPermitted: true,
        window: 64_240,
        ttl: 53,
        trafficClass: 0x28,
      };
      expect(d.client('S', { ...line, timestamps: [777, 0] })).toBe(Verdict.syn);
      const syn = d.expect('S', { ...line, ack: 0, timestamps: [777, 0] });
      expect(syn.from).toEqual({ address: '10.1.2.3', port: 40_000 });
      expect(syn.to).toEqual({ address: '10.9.0.1', port: 8080 });
      expect(syn.dontFragment).toBe(false);
    },
  );

  dialogue('a SYN offers only what the client offered', (d) => {
    d.client('S', { seq: 5, mss: 536 });
    expect(d.expect('S').options).toEqual({ mss: 536 });
  });

  dialogue('rows 63 and 64: what is captured before the SYN-ACK waits for it', (d) => {
    d.client('S', { seq: 1000, mss: 1460 });
    d.expect('S', { seq: 1000 });
    d.client('A', { seq: 1001, ack: 5001 });
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.silence(millis(900));
    d.target('SA', { seq: 9000, ack: 1001, mss: 1460 });
    d.expect('A', { seq: 1001, ack: 9001 });
    d.expect('PA', { seq: 1001, ack: 9001, data: 100, window: 65_535 });
    d.expectNothing();
  });

  dialogue('row 65: timestamps echo the target and never go back', (d) => {
    establish(d, { syn: { timestamps: [777, 0] }, synAck: { timestamps: [50, 777] } });
    d.advance(millis(10));
    d.client('PA', { seq: 1001, ack: 5001, data: 10, timestamps: [790, 9] });
    d.expect('PA', { data: 10, timestamps: [788, 50] });
    d.target('A', { seq: 9001, ack: 1011, timestamps: [60, 788] });
    d.client('PA', { seq: 1011, ack: 5001, data: 10, timestamps: [791, 9] });
    d.expect('PA', { data: 10, timestamps: [788, 60] });
    // PAWS: older than what has been seen (RFC 7323 §5.3).
    d.target('PA', { seq: 9001, ack: 1021, data: 5, timestamps: [59, 788] });
    d.expect('A', { ack: 9001, timestamps: [788, 60] });
  });

  dialogue('timestamps that only one side offers are not used', (d) => {
    establish(d, { syn: { timestamps: [777, 0] } });
    d.client('PA', { seq: 1001, ack: 5001, data: 10, timestamps: [790, 9] });
    expect(d.expect('PA', { data: 10 }).options).toEqual({});
  });

  dialogue('row 85: an unanswered SYN is sent again after 1, 3 and 7 s', (d) => {
    d.client('S', { seq: 1000 });
    d.expect('S');
    for (const pause of [1, 2, 4]) {
      d.silence(millis(pause * 1000 - 1));
      d.advance(millis(1));
      d.expect('S', { seq: 1000 });
    }
    d.target('SA', { seq: 9000, ack: 1001 });
    d.client('A', { seq: 1001, ack: 5001 });
    d.expect('A', { seq: 1001, ack: 9001 });
    expect(d.replayer.context.counters.retransmitted).toBe(3);
  });

  dialogue('the third segment leaves when the client sends its own', (d) => {
    d.client('S', { seq: 1000, mss: 1460 });
    d.expect('S');
    d.target('SA', { seq: 9000, ack: 1001, mss: 1460 });
    d.silence(millis(80));
    d.client('A', { seq: 1001, ack: 5001 });
    d.expect('A', { seq: 1001, ack: 9001 });
    d.client('A', { seq: 1001, ack: 5001 });
    d.expectNothing();
  });

  dialogue('where the capture missed the third segment, when the target asks again', (d) => {
    d.client('S', { seq: 1000, mss: 1460 });
    d.expect('S');
    d.target('SA', { seq: 9000, ack: 1001, mss: 1460 });
    d.silence(seconds(1));
    d.target('SA', { seq: 9000, ack: 1001, mss: 1460 });
    d.expect('A', { seq: 1001, ack: 9001 });
  });

  dialogue(
    'without simulated latency the third segment leaves at once',
    (d) => {
      d.client('S', { seq: 1000, mss: 1460 });
      d.expect('S');
      d.target('SA', { seq: 9000, ack: 1001, mss: 1460 });
      d.expect('A', { seq: 1001, ack: 9001 });
    },
    { session: { simulateLatency: false } },
  );

  dialogue(
    'row 86: without any SYN-ACK the copy ends after 15 s, with a reset that any state takes',
    (d) => {
      d.client('S', { seq: 1000 });
      d.advance(seconds(14));
      d.takeSent();
      d.advance(seconds(1.5));
      // Without ACK: there is nothing to acknowledge, and Linux ignores a reset of SYN-RECEIVED that acknowledges wrongly.
      const rst = d.takeSent().at(-1);
      expect(rst).toMatchObject({ flags: 'R', seq: 1001, ack: 0 });
      expect(d.replayer.ledger.outcomes[Outcome.handshakeTimeout]).toBe(1);
      d.advance(seconds(6));
      expect(d.replayer.size).toBe(0);
    },
  );

  dialogue(
    'row 88: a challenge ACK to our SYN is reset, and the SYN sent again after a round trip',
    (d) => {
      d.client('S', { seq: 1000 });
      d.expect('S');
      d.advance(millis(20));
      d.client('A', { seq: 1001, ack: 5001 });
      d.target('A', { seq: 70_000, ack: 4000 });
      d.expect('R', { seq: 4000 });
      d.silence(millis(19));
      d.advance(millis(1));
      d.expect('S', { seq: 1000 });
      d.target('SA', { seq: 9000, ack: 1001 });
      d.expect('A', { seq: 1001, ack: 9001 });
    },
  );

  dialogue('row 91: the same SYN again is ignored', (d) => {
    d.client('S', { seq: 1000 });
    d.expect('S');
    expect(d.client('S', { seq: 1000 })).toBe(Verdict.seenTwice);
    d.advance(millis(900));
    expect(d.client('S', { seq: 1000 })).toBe(Verdict.synAgain);
    d.expectNothing();
    expect(d.replayer.ledger.connections).toBe(1);
  });

  dialogue("the client's round trip counts from its last SYN", (d) => {
    d.client('S', { seq: 1000, mss: 1460 });
    d.advance(seconds(1));
    d.client('S', { seq: 1000, mss: 1460 });
    d.advance(millis(20));
    d.client('A', { seq: 1001, ack: 5001 });
    d.target('SA', { seq: 9000, ack: 1001, mss: 1460 });
    d.client('PA', { seq: 1001, ack: 5001, data: 10 });
    d.target('PA', { seq: 9001, ack: 1011, data: 30 });
    d.takeSent();
    d.client('PA', { seq: 1011, ack: 5031, data: 10 });
    d.silence(millis(19));
    d.advance(millis(1));
    d.expect('PA', { seq: 1011, data: 10 });
  });

  dialogue("the client's round trip is by the kernel's clock, not by that of a batch", (d) => {
    d.receivedAt = 5e6;
    d.client('S', { seq: 1000, mss: 1460 });
    d.receivedAt += 20_000;
    d.client('A', { seq: 1001, ack: 5001 });
    d.target('SA', { seq: 9000, ack: 1001, mss: 1460 });
    d.client('PA', { seq: 1001, ack: 5001, data: 10 });
    d.target('PA', { seq: 9001, ack: 1011, data: 30 });
    d.takeSent();
    d.client('PA', { seq: 1011, ack: 5031, data: 10 });
    d.silence(millis(19));
    d.advance(millis(1));
    d.expect('PA', { seq: 1011, data: 10 });
  });

  dialogue('a SYN-ACK that comes twice is acknowledged again', (d) => {
    establish(d);
    d.target('SA', { seq: TARGET_ISN, ack: CLIENT_ISN + 1, mss: 1460 });
    d.expect('A', { seq: 1001, ack: 9001 });
    d.expectNothing();
  });

  dialogue('a target that refuses ends the copy, and later data does not call again', (d) => {
    d.client('S', { seq: 1000 });
    d.expect('S');
    d.target('RA', { seq: 0, ack: 1001 });
    expect(d.replayer.ledger.outcomes[Outcome.refused]).toBe(1);
    d.client('A', { seq: 1001, ack: 5001 });
    expect(d.client('PA', { seq: 1001, ack: 5001, data: 10 })).toBe(Verdict.lostData);
    d.silence(seconds(1));
  });

  dialogue('a reset for something else does not end the handshake', (d) => {
    d.client('S', { seq: 1000 });
    d.expect('S');
    d.target('RA', { seq: 0, ack: 1000 });
    d.target('R', { seq: 1001 });
    expect(d.open).toBe(1);
    d.target('SA', { seq: 9000, ack: 1001 });
    d.client('A', { seq: 1001, ack: 5001 });
    d.expect('A', { seq: 1001 });
  });

  dialogue(
    'Fast Open: what the SYN carries follows it, and does not count as a round trip',
    (d) => {
      d.client('S', { seq: 1000, mss: 1460, data: 10 });
      d.expect('S', { seq: 1000, mss: 1460 });
      d.advance(millis(20));
      d.client('A', { seq: 1011, ack: 5001 });
      d.target('SA', { seq: 9000, ack: 1001, mss: 1460 });
      d.expect('A', { seq: 1001 });
      const [data] = d.takeSent();
      expect(data).toMatchObject({ seq: 1001 });
      expect(data?.payload).toHaveLength(10);
      d.target('PA', { seq: 9001, ack: 1011, data: 30 });
      d.client('PA', { seq: 1011, ack: 5031, data: 10 });
      d.silence(millis(19));
      d.advance(millis(1));
      d.expect('PA', { seq: 1011, data: 10 });
    },
  );

  dialogue(
    'without an intercept nothing is sent, and after the time for the handshake the copy ends',
    (d) => {
      d.hasIntercept = false;
      d.client('S', { seq: 1000 });
      d.silence(seconds(14));
      expect(d.replayer.ledger.outcomes[Outcome.unregistered]).toBe(0);
      d.silence(seconds(2));
      expect(d.replayer.ledger.outcomes[Outcome.unregistered]).toBe(1);
    },
  );

  dialogue(
    'a SYN waits for an intercept that comes back, and what was captured meanwhile follows it',
    (d) => {
      d.hasIntercept = false;
      d.client('S', { seq: 1000 });
      d.client('PA', { seq: 1001, ack: 5001, data: 10 });
      d.silence(seconds(3));
      d.regainIntercepts();
      d.expect('S', { seq: 1000 });
      d.target('SA', { seq: 9000, ack: 1001 });
      d.expect('A', { seq: 1001 });
      d.expect('PA', { seq: 1001, data: 10 });
    },
  );

  dialogue('a copy that has begun lives on without an intercept, and is registered again', (d) => {
    d.client('S', { seq: 1000 });
    d.expect('S', { seq: 1000 });
    d.target('SA', { seq: 9000, ack: 1001 });
    d.client('A', { seq: 1001, ack: 5001 });
    d.expect('A', { seq: 1001 });
    d.loseIntercepts();
    d.client('PA', { seq: 1001, ack: 5001, data: 10 });
    d.expect('PA', { seq: 1001, data: 10 });
    expect(d.routes).toHaveLength(0);
    d.regainIntercepts();
    expect(d.routes).toHaveLength(1);
    d.target('PA', { seq: 9001, ack: 1011, data: 30 });
    d.advance(seconds(1));
    d.expect('A', { seq: 1011, ack: 9031 });
  });

  dialogue(
    'IPv6: the same, with longer addresses',
    (d) => {
      const client = { address: 'fd00::7', port: 40_000 };
      const online = { address: 'fd00::80', port: 80 };
      const target = { address: 'fd01::9', port: 8080 };
      d.client0 = { from: client, to: online };
      d.target0 = { from: target, to: client };
      d.client('S', { seq: 1000, mss: 1440, trafficClass: 0x2e });
      d.expect('S', {
        seq: 1000,
        mss: 1440,
        from: client,
        to: target,
        ttl: 57,
        trafficClass: 0x2e,
      });
      d.client('PA', { seq: 1001, ack: 5001, data: 3000 });
      d.target('SA', { seq: 9000, ack: 1001, mss: 1440 });
      d.expect('A', { seq: 1001, ack: 9001 });
      d.expect('A', { seq: 1001, ack: 9001, data: 1440 });
      d.expect('A', { seq: 2441, ack: 9001, data: 1440 });
      d.expect('PA', { seq: 3881, ack: 9001, data: 120 });
    },
    { replayer: { transfers: [transfer(80, 'fd01::9', 8080)] } },
  );
});
