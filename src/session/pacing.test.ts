import { describe, expect } from 'vitest';
import { dialogue, establish } from '../../test/sim/dialogue.ts';
import { micros, millis, seconds } from '../base/time.ts';
import type { Dialogue } from '../testing/dialogue.ts';

const NO_HOLD = { session: { holdRequests: false } };

/** A request of 100 octets is out; online, the answer had 300. */
function outstanding(d: Dialogue, rtt: number): void {
  establish(d, { rtt: millis(rtt) });
  d.client('PA', { seq: 1001, ack: 5001, data: 100 });
  d.expect('PA', { seq: 1001, data: 100 });
}

describe('pacing', () => {
  dialogue(
    'row 67: a request is held until the response is complete and the round trip has passed',
    (d) => {
      outstanding(d, 20);
      d.client('PA', { seq: 1101, ack: 5301, data: 50 });
      d.silence(millis(100));
      d.target('A', { seq: 9001, ack: 1101, data: 200 });
      d.advance(millis(5));
      d.target('PA', { seq: 9201, ack: 1101, data: 100 });
      d.silence(millis(19));
      d.advance(millis(1));
      d.expect('PA', { seq: 1101, ack: 9301, data: 50 });
    },
  );

  dialogue('row 67: with a round trip of a millisecond or less, at once', (d) => {
    outstanding(d, 1);
    d.client('PA', { seq: 1101, ack: 5301, data: 50 });
    d.target('PA', { seq: 9001, ack: 1101, data: 299 });
    d.expectNothing();
    d.target('PA', { seq: 9300, ack: 1101, data: 1 });
    d.expect('PA', { seq: 1101, ack: 9301, data: 50 });
  });

  dialogue(
    'row 11: -R counts in place of the round trip that was measured',
    (d) => {
      outstanding(d, 20);
      d.client('PA', { seq: 1101, ack: 5301, data: 50 });
      d.target('PA', { seq: 9001, ack: 1101, data: 300 });
      d.silence(millis(49));
      d.advance(millis(1));
      d.expect('PA', { seq: 1101, ack: 9301, data: 50 });
    },
    { session: { clientRtt: millis(50) } },
  );

  dialogue('a longer response is complete where the target pushed it', (d) => {
    outstanding(d, 1);
    d.client('PA', { seq: 1101, ack: 5301, data: 50 });
    d.target('A', { seq: 9001, ack: 1101, data: 350 });
    d.expectNothing();
    d.target('PA', { seq: 9351, ack: 1101, data: 50 });
    d.expect('PA', { seq: 1101, ack: 9401 });
  });

  dialogue('a shorter response is complete when the target falls silent', (d) => {
    outstanding(d, 20);
    d.client('PA', { seq: 1101, ack: 5301, data: 50 });
    d.target('PA', { seq: 9001, ack: 1101, data: 200 });
    d.silence(millis(29));
    d.advance(millis(1));
    d.expect('PA', { seq: 1101, ack: 9201, data: 50 });
  });

  describe('after answers as long as online, one that stalls', () => {
    /** 200 octets of 300 have come; the next request, answered by 50 online, has left after a silence; and another waits. */
    const stalled = (d: Dialogue): void => {
      outstanding(d, 1);
      d.client('PA', { seq: 1101, ack: 5301, data: 50 });
      d.target('PA', { seq: 9001, ack: 1101, data: 200 });
      d.advance(millis(5));
      d.expect('PA', { seq: 1101, data: 50 });
      d.client('PA', { seq: 1151, ack: 5351, data: 50 });
    };

    dialogue('has its rest taken for what it is', (d) => {
      stalled(d);
      d.target('PA', { seq: 9201, ack: 1151, data: 100 });
      d.silence(millis(30));
      d.expectNothing();
      d.target('PA', { seq: 9301, ack: 1151, data: 50 });
      d.expect('PA', { seq: 1151, ack: 9351, data: 50 });
      expect(d.replayer.context.counters.releasedUnanswered).toBe(0);
    });

    dialogue('may bring its rest in pieces, and the next answer with it', (d) => {
      stalled(d);
      d.target('PA', { seq: 9201, ack: 1101, data: 60 });
      d.expectNothing();
      d.target('PA', { seq: 9261, ack: 1151, data: 90 });
      d.expect('PA', { seq: 1151, ack: 9351, data: 50 });
      // Both streams correspond again.
      d.client('PA', { seq: 1201, ack: 5651, data: 50 });
      d.target('PA', { seq: 9351, ack: 1201, data: 299 });
      d.expectNothing();
      d.target('PA', { seq: 9650, ack: 1201, data: 1 });
      d.expect('PA', { seq: 1201, ack: 9651, data: 50 });
    });

    dialogue('may have been shorter after all: the next answer is known by its length', (d) => {
      stalled(d);
      d.target('PA', { seq: 9201, ack: 1151, data: 50 });
      d.expect('PA', { seq: 1151, ack: 9251, data: 50 });
    });

    dialogue('and shorter by just what the next one has: a second is lost, once', (d) => {
      stalled(d);
      d.target('PA', { seq: 9201, ack: 1151, data: 100 });
      d.advance(millis(50));
      d.expect('A', { ack: 9301 });
      d.silence(millis(949));
      d.advance(millis(1));
      d.expect('PA', { seq: 1151, data: 50 });
      d.client('PA', { seq: 1201, ack: 5651, data: 50 });
      d.target('PA', { seq: 9301, ack: 1201, data: 100 });
      d.advance(millis(5));
      d.expect('PA', { seq: 1201, data: 50 });
    });
  });

  dialogue(
    'a distant target is silent between the windows of a long response, which goes on',
    (d) => {
      d.client('S', { seq: 1000, mss: 1460 });
      d.expect('S', { seq: 1000 });
      d.advance(millis(1));
      d.client('A', { seq: 1001, ack: 5001 });
      d.advance(millis(99));
      d.target('SA', { seq: 9000, ack: 1001, mss: 1460 });
      d.expect('A', { ack: 9001 });
      d.client('PA', { seq: 1001, ack: 5001, data: 100 });
      d.expect('PA', { seq: 1001, data: 100 });
      d.client('FA', { seq: 1101, ack: 9001 });
      d.advance(millis(100));
      // The end of a write, but not of the response.
      d.target('A', { seq: 9001, ack: 1101, data: 1460 });
      d.target('PA', { seq: 10_461, ack: 1101, data: 1460 });
      d.expect('A', { ack: 11_921 });
      d.silence(millis(150));
      d.target('A', { seq: 11_921, ack: 1101, data: 1000 });
      d.target('PA', { seq: 12_921, ack: 1101, data: 80 });
      d.expect('FA', { seq: 1101, ack: 13_001 });
    },
  );

  dialogue('a response with a hole in it, or without an end, is not over', (d) => {
    outstanding(d, 1);
    d.client('PA', { seq: 1101, ack: 5301, data: 50 });
    d.target('A', { seq: 9001, ack: 1101, data: 100 });
    d.target('PA', { seq: 9201, ack: 1101, data: 50 });
    d.expect('A', { ack: 9101 });
    d.silence(seconds(3));
    d.target('A', { seq: 9101, ack: 1101, data: 100 });
    d.expect('A', { ack: 9251 });
    d.target('A', { seq: 9251, ack: 1101, data: 10 });
    d.advance(millis(50));
    d.expect('A', { ack: 9261 });
    d.silence(millis(4900));
    d.advance(millis(50));
    d.expect('PA', { seq: 1101, data: 50 });
  });

  dialogue('what fills a hole of the capture waits for the answer as all does', (d) => {
    outstanding(d, 1);
    d.client('A', { seq: 1151, ack: 5301, data: 10 });
    d.client('PA', { seq: 1101, ack: 5301, data: 100 });
    d.silence(millis(100));
    d.target('PA', { seq: 9001, ack: 1101, data: 300 });
    expect(d.takeSent().map((p) => p.seq)).toEqual([1101, 1151, 1161]);
  });

  dialogue('a keep-alive that overtakes the request does not hold its last octet', (d) => {
    establish(d);
    d.client('A', { seq: 1100, ack: 5301, data: 1 });
    d.expectNothing();
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.expect('A', { seq: 1001, data: 99 });
    d.expect('A', { seq: 1100, data: 1 });
  });

  dialogue(
    'a longer answer, of which a segment ends where the one online did, is waited for',
    (d) => {
      establish(d);
      d.client('PA', { seq: 1001, ack: 5001, data: 100 });
      d.client('PA', { seq: 1101, ack: 5301, data: 50 });
      d.expect('PA', { seq: 1001 });
      d.target('A', { seq: 9001, ack: 1101, data: 300 });
      d.expectNothing();
      d.target('PA', { seq: 9301, ack: 1101, data: 60 });
      d.expect('PA', { seq: 1101, ack: 9361, data: 50 });
    },
  );

  dialogue('as much as online, but not pushed: a moment more, not the time of a lost end', (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.client('PA', { seq: 1101, ack: 5301, data: 50 });
    d.expect('PA', { seq: 1001 });
    d.target('A', { seq: 9001, ack: 1101, data: 300 });
    d.expectNothing();
    d.advance(millis(10));
    d.expect('PA', { seq: 1101, data: 50 });
  });

  dialogue('a repetition does not make the next request one that crosses an answer', (d) => {
    establish(d, { rtt: millis(80) });
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.expect('PA', { seq: 1001 });
    d.target('A', { seq: 9001, ack: 1101 });
    d.advance(millis(80));
    // A keep-alive, and in the same instant the next request: the client had its answer before.
    d.client('A', { seq: 1100, ack: 5301, data: 1 });
    d.client('PA', { seq: 1101, ack: 5301, data: 50 });
    d.silence(seconds(20));
    d.target('PA', { seq: 9001, ack: 1101, data: 300 });
    d.advance(millis(80));
    expect(d.takeSent().some((p) => p.payload.length === 50)).toBe(true);
  });

  dialogue('a first request that was captured late is answered before the second leaves', (d) => {
    d.client('S', { seq: 1000, mss: 1460 });
    d.expect('S');
    d.client('A', { seq: 1101, ack: 5301 });
    d.client('PA', { seq: 1101, ack: 5301, data: 50 });
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.target('SA', { seq: 9000, ack: 1001, mss: 1460 });
    d.expect('A', { seq: 1001, ack: 9001 });
    d.expect('PA', { seq: 1001, data: 100 });
    d.target('A', { seq: 9001, ack: 1101 });
    d.silence(seconds(1));
    d.target('PA', { seq: 9001, ack: 1101, data: 300 });
    d.expect('PA', { seq: 1101, data: 50 });
  });

  dialogue(
    'row 68: with -W nothing is held',
    (d) => {
      outstanding(d, 20);
      d.client('PA', { seq: 1101, ack: 5301, data: 50 });
      d.expect('PA', { seq: 1101, data: 50 });
    },
    NO_HOLD,
  );

  dialogue(
    'pipelined requests leave at once; the one after an answer waits for one answer only',
    (d) => {
      outstanding(d, 1);
      d.client('PA', { seq: 1101, ack: 5001, data: 100 });
      d.expect('PA', { seq: 1101, data: 100 });
      d.client('PA', { seq: 1201, ack: 5301, data: 100 });
      d.expectNothing();
      d.target('PA', { seq: 9001, ack: 1201, data: 300 });
      d.expect('PA', { seq: 1201, ack: 9301, data: 100 });
      d.client('PA', { seq: 1301, ack: 5601, data: 100 });
      d.expectNothing();
      d.target('PA', { seq: 9301, ack: 1301, data: 300 });
      d.expect('PA', { seq: 1301, ack: 9601, data: 100 });
    },
  );

  dialogue('a client that sends while it is being answered is not held for ever', (d) => {
    outstanding(d, 1);
    // Online, the two halves of the next request crossed the answer: one after 100 octets of it, one after all 300.
    d.target('PA', { seq: 9001, ack: 1101, data: 300 });
    d.client('A', { seq: 1101, ack: 5101, data: 50 });
    d.client('PA', { seq: 1151, ack: 5301, data: 50 });
    d.advance(seconds(2));
    expect(d.takeSent().map((p) => [p.seq, p.payload.length])).toContainEqual([1151, 50]);
  });

  dialogue(
    'a request across an answer that is shorter than online is held a second, no more',
    (d) => {
      outstanding(d, 1);
      // Online, two pieces crossed an answer of 300 octets; the target's has 150.
      d.target('PA', { seq: 9001, ack: 1101, data: 150 });
      d.client('A', { seq: 1101, ack: 5101, data: 50 });
      d.expect('A', { seq: 1101, data: 50 });
      d.client('PA', { seq: 1151, ack: 5301, data: 50 });
      d.target('A', { seq: 9151, ack: 1151 });
      d.silence(millis(999));
      d.advance(millis(1));
      d.expect('PA', { seq: 1151, data: 50 });
      expect(d.replayer.context.counters.releasedUnanswered).toBe(1);
    },
  );

  dialogue('a target that was slow to begin an answer is given twice that time to go on', (d) => {
    outstanding(d, 1);
    d.target('A', { seq: 9001, ack: 1101 });
    d.advance(seconds(2));
    d.target('PA', { seq: 9001, ack: 1101, data: 150 });
    d.client('A', { seq: 1101, ack: 5101, data: 50 });
    d.expect('A', { seq: 1101, data: 50 });
    d.client('PA', { seq: 1151, ack: 5301, data: 50 });
    d.target('A', { seq: 9151, ack: 1151 });
    d.silence(millis(3999));
    d.advance(millis(1));
    d.expect('PA', { seq: 1151, data: 50 });
  });

  dialogue('answers of 10 s are not overtaken, whatever the answers before', (d) => {
    outstanding(d, 1);
    d.target('PA', { seq: 9001, ack: 1101, data: 150 });
    d.client('PA', { seq: 1101, ack: 5301, data: 50 });
    d.advance(millis(5));
    d.expect('PA', { seq: 1101, data: 50 });
    d.client('PA', { seq: 1151, ack: 5601, data: 50 });
    d.target('A', { seq: 9151, ack: 1151 });
    d.silence(seconds(10));
    d.target('PA', { seq: 9151, ack: 1151, data: 300 });
    d.expect('PA', { seq: 1151, data: 50 });
    expect(d.replayer.context.counters.releasedUnanswered).toBe(0);
  });

  dialogue('nor are they where the answers are longer than online', (d) => {
    outstanding(d, 1);
    d.target('A', { seq: 9001, ack: 1101 });
    d.advance(millis(2));
    let [seq, ack, rcv] = [1101, 5301, 9001];
    for (let i = 0; i < 3; i++) {
      d.client('PA', { seq, ack, data: 50 });
      d.silence(seconds(10));
      d.target('PA', { seq: rcv, ack: seq, data: 700 });
      d.expect('PA', { seq, data: 50 });
      seq += 50;
      ack += 300;
      rcv += 700;
      d.target('A', { seq: rcv, ack: seq });
      d.advance(millis(100));
    }
  });

  dialogue('what the online server said unasked is missed for half a minute only', (d) => {
    outstanding(d, 1);
    d.target('PA', { seq: 9001, ack: 1101, data: 300 });
    d.client('PA', { seq: 1101, ack: 5301, data: 50 });
    d.expect('PA', { seq: 1101, data: 50 });
    d.advance(millis(2));
    d.client('PA', { seq: 1151, ack: 5333, data: 50 });
    d.advance(millis(98));
    d.target('A', { seq: 9301, ack: 1151 });
    d.silence(millis(29_999));
    d.advance(millis(1));
    d.expect('PA', { seq: 1151, data: 50 });
  });

  dialogue('nothing is overtaken that has not arrived', (d) => {
    outstanding(d, 1);
    d.advance(millis(2));
    d.client('PA', { seq: 1101, ack: 5301, data: 50 });
    d.advance(seconds(100));
    expect(d.takeSent().every((p) => p.seq === 1001)).toBe(true);
    d.target('A', { seq: 9001, ack: 1101 });
    d.silence(seconds(29));
  });

  dialogue('row 71: a login waits for the greeting, and leaves right after it', (d) => {
    establish(d, { rtt: micros(300) });
    d.client('A', { seq: 1001, ack: 5078 });
    d.client('PA', { seq: 1001, ack: 5078, data: 60 });
    d.silence(seconds(3));
    d.target('PA', { seq: 9001, ack: 1001, data: 77 });
    d.expect('PA', { seq: 1001, ack: 9078, data: 60 });
  });

  dialogue(
    'row 71: with -W too',
    (d) => {
      establish(d, { rtt: micros(300) });
      d.client('PA', { seq: 1001, ack: 5078, data: 60 });
      d.silence(millis(100));
      d.target('PA', { seq: 9001, ack: 1001, data: 77 });
      d.expect('PA', { seq: 1001, ack: 9078, data: 60 });
    },
    NO_HOLD,
  );

  dialogue('row 73: a FIN is held until the response is complete', (d) => {
    outstanding(d, 1);
    d.client('FA', { seq: 1101, ack: 5301 });
    d.silence(millis(20));
    d.target('PA', { seq: 9001, ack: 1101, data: 300 });
    d.expect('FA', { seq: 1101, ack: 9301 });
  });

  dialogue('row 75: a reset of an idle client is sent at once', (d) => {
    establish(d);
    d.client('RA', { seq: 1001, ack: 5001 });
    d.expect('RA', { seq: 1001, ack: 9001 });
  });

  dialogue('row 75: a reset is held until the response is complete', (d) => {
    outstanding(d, 1);
    d.client('RA', { seq: 1101, ack: 5301 });
    d.silence(millis(20));
    d.target('PA', { seq: 9001, ack: 1101, data: 300 });
    d.expect('RA', { seq: 1101, ack: 9301 });
  });

  dialogue(
    'an acknowledgement captured after data does not stand for what the data had seen',
    (d) => {
      d.client('S', { seq: 1000, mss: 1460 });
      d.client('PA', { seq: 1001, ack: 5001, data: 100 });
      d.client('A', { seq: 1101, ack: 5301 });
      d.client('PA', { seq: 1101, ack: 5301, data: 100 });
      d.target('SA', { seq: 9000, ack: 1001, mss: 1460 });
      d.expect('S');
      d.expect('A');
      d.expect('PA', { seq: 1001, data: 100 });
      d.silence(millis(50));
      d.target('PA', { seq: 9001, ack: 1101, data: 300 });
      d.expect('PA', { seq: 1101, data: 100 });
    },
  );
});
