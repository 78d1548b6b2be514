import { describe, expect } from 'vitest';
import { dialogue, establish } from '../../test/sim/dialogue.ts';
import { type Duration, type Instant, micros, millis, seconds } from '../base/time.ts';
import type { Dialogue } from '../testing/dialogue.ts';

const NO_LATENCY = { session: { simulateLatency: false } };

/** A request is out; the client is `rtt` milliseconds away, the target is near. */
function asked(d: Dialogue, rtt: number): void {
  establish(d, { rtt: millis(rtt), syn: { sackPermitted: true }, synAck: { sackPermitted: true } });
  d.client('PA', { seq: 1001, ack: 5001, data: 100 });
  d.expect('PA', { seq: 1001 });
}

/** Segment `n` of an answer. */
const segment = (d: Dialogue, n: number, flags = 'A'): void =>
  d.target(flags, { seq: 9001 + n * 1460, ack: 1101, data: 1460 });

const END = (n: number): number => 9001 + n * 1460;

describe('acknowledgements of a client that is further away than the copy', () => {
  dialogue('every second segment, a round trip later', (d) => {
    asked(d, 20);
    for (let n = 0; n < 6; n++) {
      segment(d, n);
      d.advance(millis(1));
    }
    d.silence(millis(14));
    d.advance(millis(8));
    const sent = d.takeSent();
    expect(sent.map((p) => [p.flags, p.ack])).toEqual([
      ['A', END(2)],
      ['A', END(4)],
      ['A', END(6)],
    ]);
    d.silence(seconds(1));
  });

  dialogue('they leave as far apart as they would have arrived', (d) => {
    asked(d, 20);
    segment(d, 0);
    segment(d, 1);
    d.advance(millis(10));
    segment(d, 2);
    segment(d, 3);
    d.silence(millis(9));
    d.advance(millis(2));
    d.expect('A', { ack: END(2) });
    d.silence(millis(8));
    d.advance(millis(2));
    d.expect('A', { ack: END(4) });
  });

  dialogue('a single segment: the delayed acknowledgement travels too', (d) => {
    asked(d, 20);
    segment(d, 0, 'PA');
    d.silence(millis(59));
    d.advance(millis(2));
    d.expect('A', { ack: END(1) });
  });

  dialogue('data and FIN carry the newest; the ones on their way are then of no use', (d) => {
    asked(d, 20);
    for (let n = 0; n < 4; n++) segment(d, n);
    d.client('PA', { seq: 1101, ack: 5001, data: 10 });
    d.expect('PA', { seq: 1101, ack: END(4) });
    d.silence(millis(100));
    d.target('PA', { seq: END(4), ack: 1111, data: 1460 });
    d.target('PA', { seq: END(5), ack: 1111, data: 1460 });
    d.client('FA', { seq: 1111, ack: 5001 });
    d.expect('FA', { seq: 1111, ack: END(6) });
    d.silence(millis(100));
  });

  dialogue('each segment out of order is one duplicate, and what fills the hole ends them', (d) => {
    asked(d, 20);
    segment(d, 0);
    segment(d, 1);
    for (const n of [3, 4, 5]) segment(d, n);
    d.silence(millis(19));
    d.advance(millis(2));
    const sent = d.takeSent();
    expect(sent.map((p) => p.ack)).toEqual([END(2), END(2), END(2), END(2)]);
    expect(sent.at(-1)?.options.sack).toEqual([[END(3), END(6)]]);
    segment(d, 2);
    d.silence(millis(19));
    d.advance(millis(2));
    expect(d.expect('A', { ack: END(6) }).options.sack).toBeUndefined();
  });

  dialogue('data that came twice is acknowledged each time, as late', (d) => {
    asked(d, 20);
    segment(d, 0);
    segment(d, 1);
    d.advance(millis(30));
    d.takeSent();
    segment(d, 0);
    segment(d, 1);
    d.silence(millis(19));
    d.advance(millis(2));
    expect(d.takeSent().map((p) => p.ack)).toEqual([END(2), END(2)]);
  });

  dialogue("the target's FIN is acknowledged as late", (d) => {
    asked(d, 20);
    d.target('FPA', { seq: 9001, ack: 1101, data: 10 });
    d.silence(millis(19));
    d.advance(millis(2));
    d.expect('A', { ack: 9012 });
  });

  dialogue('the echoed time stamp is that of the segment acknowledged', (d) => {
    establish(d, {
      rtt: millis(20),
      syn: { timestamps: [700, 0] },
      synAck: { timestamps: [50, 700] },
    });
    const data = (n: number, tsval: number): void =>
      d.target('A', { seq: 9001 + n * 1448, ack: 1001, data: 1448, timestamps: [tsval, 700] });
    data(0, 60);
    data(1, 61);
    d.advance(millis(5));
    data(2, 66);
    data(3, 67);
    d.advance(millis(40));
    expect(d.takeSent().map((p) => p.options.timestamps?.[1])).toEqual([61, 67]);
  });

  dialogue('as far as the target is away itself, it is not simulated', (d) => {
    d.client('S', { seq: 1000, mss: 1460 });
    d.expect('S');
    d.advance(millis(15));
    d.target('SA', { seq: 9000, ack: 1001, mss: 1460 });
    d.advance(millis(5));
    d.client('A', { seq: 1001, ack: 5001 });
    d.expect('A');
    d.target('A', { seq: 9001, ack: 1001, data: 1460 });
    d.target('A', { seq: END(1), ack: 1001, data: 1460 });
    d.silence(micros(4900));
    d.advance(millis(1));
    expect(d.takeSent().at(-1)?.ack).toBe(END(2));
  });

  for (const [name, rtt, options] of [
    ['a client on the LAN', 1, {}],
    ['no simulated latency', 20, NO_LATENCY],
  ] as const) {
    dialogue(
      `${name}: at once`,
      (d) => {
        asked(d, rtt);
        segment(d, 0);
        segment(d, 1);
        d.expect('A', { ack: END(2) });
        segment(d, 3);
        d.expect('A', { ack: END(2), sack: [[END(3), END(4)]] });
      },
      options,
    );
  }

  dialogue('the end of the copy leaves none behind', (d) => {
    asked(d, 200);
    for (let n = 0; n < 40; n++) segment(d, n);
    d.target('R', { seq: END(40) });
    d.silence(seconds(10));
    expect(d.replayer.context.spareSchedules).toHaveLength(1);
  });

  dialogue('the window is one that a Linux client comes to offer', (d) => {
    establish(d, { syn: { windowScale: 9 }, synAck: { windowScale: 7 } });
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.expect('PA', { window: (3 << 20) >> 9 });
  });
});

describe('think time', () => {
  /** Online the client has acknowledged the answer, thought for `think` ms, and asked again; the target has said nothing so far. */
  function thought(d: Dialogue, rtt: number, think: number): void {
    asked(d, rtt);
    d.target('A', { seq: 9001, ack: 1101 });
    d.client('A', { seq: 1101, ack: 5301 });
    d.advance(millis(think));
    d.client('PA', { seq: 1101, ack: 5301, data: 50 });
    d.target('PA', { seq: 9001, ack: 1101, data: 300 });
  }

  dialogue('passes after an answer that came late, less an eighth', (d) => {
    thought(d, 1, 80);
    d.silence(millis(39));
    d.advance(millis(30));
    expect(d.takeSent().map((p) => p.payload.length)).toEqual([0]); // The delayed acknowledgement.
    d.advance(millis(2));
    d.expect('PA', { seq: 1101, data: 50 });
  });

  dialogue('comes on top of the round trip', (d) => {
    thought(d, 20, 80);
    d.advance(millis(89));
    expect(d.takeSent().filter((p) => p.payload.length > 0)).toEqual([]);
    d.advance(millis(2));
    expect(d.takeSent().at(-1)?.payload).toHaveLength(50);
  });

  dialogue('of less than 5 ms is none', (d) => {
    thought(d, 1, 4);
    d.expect('PA', { seq: 1101 });
  });

  dialogue('of more than 5 s counts as that', (d) => {
    thought(d, 1, 9000);
    d.advance(millis(4999));
    expect(d.takeSent().filter((p) => p.payload.length > 0)).toEqual([]);
    d.advance(millis(2));
    d.expect('PA', { seq: 1101 });
  });

  dialogue('is over for a request that comes after it', (d) => {
    asked(d, 1);
    d.client('A', { seq: 1101, ack: 5301 });
    d.target('PA', { seq: 9001, ack: 1101, data: 300 });
    d.advance(millis(80));
    d.takeSent();
    d.client('PA', { seq: 1101, ack: 5301, data: 50 });
    d.expect('PA', { seq: 1101 });
  });

  dialogue('is not known where the client acknowledged only with its request', (d) => {
    asked(d, 1);
    d.client('A', { seq: 1101, ack: 5201 });
    d.advance(millis(80));
    d.client('PA', { seq: 1101, ack: 5301, data: 50 });
    d.target('PA', { seq: 9001, ack: 1101, data: 300 });
    d.expect('PA', { seq: 1101 });
  });

  dialogue('is measured by the time stamps of the capture, also across their 32 bits', (d) => {
    asked(d, 1);
    const late = (5 * 2 ** 32 - 40_000) as Instant;
    d.receivedAt = late;
    d.client('A', { seq: 1101, ack: 5301 });
    d.receivedAt = late + (millis(80) as Duration);
    d.client('PA', { seq: 1101, ack: 5301, data: 50 });
    d.target('PA', { seq: 9001, ack: 1101, data: 300 });
    d.advance(millis(69));
    expect(d.takeSent().filter((p) => p.payload.length > 0)).toEqual([]);
    d.advance(millis(2));
    d.expect('PA', { seq: 1101 });
  });

  dialogue(
    'does not pass without simulated latency',
    (d) => {
      thought(d, 20, 80);
      d.expect('PA', { seq: 1101 });
    },
    NO_LATENCY,
  );
});
