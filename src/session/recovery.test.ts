import { describe, expect } from 'vitest';
import { dialogue, establish } from '../../test/sim/dialogue.ts';
import { millis, seconds } from '../base/time.ts';
import type { Dialogue } from '../testing/dialogue.ts';

const SACK = { sackPermitted: true };

/** `n` segments of 1000 octets are out, to a target that sends SACK blocks. */
function burst(d: Dialogue, n: number, synAck: object = {}): void {
  establish(d, { syn: SACK, synAck: { mss: 1000, ...SACK, ...synAck } });
  for (let i = 0; i < n; i++) d.client('A', { seq: 1001 + i * 1000, ack: 5001, data: 1000 });
  expect(d.takeSent()).toHaveLength(n);
}

/** Sequence numbers of the data sent since the last look. */
const sentData = (d: Dialogue): number[] =>
  d
    .takeSent()
    .filter((p) => p.payload.length > 0)
    .map((p) => p.seq);

describe('selective acknowledgements of the target', () => {
  dialogue('three segments beyond a hole: what is missing is sent again, and only that', (d) => {
    burst(d, 8);
    d.target('A', { seq: 9001, ack: 1001, sack: [[2001, 3001]] });
    d.target('A', { seq: 9001, ack: 1001, sack: [[2001, 4001]] });
    expect(sentData(d)).toEqual([]);
    d.target('A', { seq: 9001, ack: 1001, sack: [[2001, 5001]] });
    expect(sentData(d)).toEqual([1001]);
    for (const right of [6001, 7001, 8001, 9001]) {
      d.target('A', { seq: 9001, ack: 1001, sack: [[2001, right]] });
    }
    expect(sentData(d)).toEqual([]);
    d.target('A', { seq: 9001, ack: 9001 });
    d.silence(seconds(10));
  });

  dialogue('several holes are sent again in one round trip', (d) => {
    burst(d, 10);
    d.target('A', { seq: 9001, ack: 1001, sack: [[2001, 3001]] });
    d.target('A', {
      seq: 9001,
      ack: 1001,
      sack: [
        [4001, 5001],
        [2001, 3001],
      ],
    });
    d.target('A', {
      seq: 9001,
      ack: 1001,
      sack: [
        [6001, 7001],
        [4001, 5001],
      ],
    });
    expect(sentData(d)).toEqual([1001]);
    d.target('A', {
      seq: 9001,
      ack: 1001,
      sack: [
        [6001, 8001],
        [4001, 5001],
      ],
    });
    d.target('A', {
      seq: 9001,
      ack: 1001,
      sack: [
        [6001, 9001],
        [4001, 5001],
      ],
    });
    d.target('A', {
      seq: 9001,
      ack: 1001,
      sack: [
        [6001, 10_001],
        [4001, 5001],
      ],
    });
    d.target('A', {
      seq: 9001,
      ack: 1001,
      sack: [
        [6001, 11_001],
        [4001, 5001],
      ],
    });
    expect(sentData(d)).toEqual([3001, 5001]);
    d.target('A', {
      seq: 9001,
      ack: 3001,
      sack: [
        [6001, 11_001],
        [4001, 5001],
      ],
    });
    d.target('A', { seq: 9001, ack: 5001, sack: [[6001, 11_001]] });
    d.target('A', { seq: 9001, ack: 11_001 });
    expect(sentData(d)).toEqual([]);
    d.silence(seconds(10));
  });

  dialogue('at the tail, all but one segment beyond the hole will do', (d) => {
    burst(d, 3);
    d.target('A', { seq: 9001, ack: 1001, sack: [[2001, 3001]] });
    expect(sentData(d)).toEqual([]);
    d.target('A', { seq: 9001, ack: 1001, sack: [[2001, 4001]] });
    expect(sentData(d)).toEqual([1001]);
  });

  dialogue('E15: acknowledgements without news of what has come mean no loss', (d) => {
    burst(d, 8);
    for (let i = 0; i < 6; i++) d.target('A', { seq: 9001, ack: 1001, sack: [[2001, 3001]] });
    for (let i = 0; i < 6; i++) d.target('A', { seq: 9001, ack: 1001 });
    expect(sentData(d)).toEqual([]);
  });

  dialogue('blocks of what was never sent, or is acknowledged, are not believed', (d) => {
    burst(d, 8);
    for (const sack of [
      [9001, 12_001],
      [500, 900],
      [1001, 2001],
      [3001, 2001],
    ] as const) {
      for (let i = 0; i < 4; i++) d.target('A', { seq: 9001, ack: 1001, sack: [sack] });
    }
    expect(sentData(d)).toEqual([]);
    d.advance(millis(210));
    expect(sentData(d)).toEqual([1001]);
  });

  dialogue('after a timeout, what has arrived is not sent again', (d) => {
    burst(d, 4);
    d.target('A', { seq: 9001, ack: 1001, sack: [[2001, 3001]] });
    d.advance(millis(210));
    expect(sentData(d)).toEqual([1001]);
    d.target('A', { seq: 9001, ack: 3001 });
    expect(sentData(d)).toEqual([3001, 4001]);
  });

  dialogue('a target that forgets what it had SACKed gets it again after a second timeout', (d) => {
    burst(d, 4);
    d.target('A', { seq: 9001, ack: 1001, sack: [[2001, 5001]] });
    expect(sentData(d)).toEqual([1001]);
    d.target('A', { seq: 9001, ack: 2001 });
    d.advance(seconds(3));
    expect(sentData(d)).toContain(2001);
    d.target('A', { seq: 9001, ack: 3001 });
    d.advance(seconds(3));
    expect(sentData(d)).toContain(3001);
  });

  dialogue('a hole that is a FIN is filled too', (d) => {
    burst(d, 2);
    d.client('FA', { seq: 3001, ack: 5001 });
    d.expect('FA', { seq: 3001 });
    d.target('A', { seq: 9001, ack: 1001, sack: [[2001, 3001]] });
    d.target('A', { seq: 9001, ack: 3001 });
    d.advance(millis(300));
    expect(d.takeSent().some((p) => p.flags === 'FA' && p.seq === 3001)).toBe(true);
  });
});

describe('our own selective acknowledgements', () => {
  const request = (d: Dialogue, stamps: boolean): void => {
    const syn = stamps ? { ...SACK, timestamps: [700, 0] as const } : SACK;
    const synAck = stamps ? { ...SACK, timestamps: [50, 700] as const } : SACK;
    establish(d, { syn, synAck });
    d.client('PA', { seq: 1001, ack: 5001, data: 10, ...(stamps ? { timestamps: [1, 2] } : {}) });
    d.takeSent();
  };

  dialogue('name what came out of order, the latest first, and no more when it is whole', (d) => {
    request(d, false);
    for (const seq of [9101, 9301, 9501, 9701, 9901]) {
      d.target('A', { seq, ack: 1011, data: 100 });
    }
    d.target('A', { seq: 9201, ack: 1011, data: 50 });
    const sacks = d.takeSent().map((p) => p.options.sack);
    expect(sacks[0]).toEqual([[9101, 9201]]);
    expect(sacks.at(-1)).toEqual([
      [9101, 9251],
      [9901, 10_001],
      [9701, 9801],
      [9501, 9601],
    ]);
    d.target('A', { seq: 9001, ack: 1011, data: 1000 });
    expect(d.expect('A', { ack: 10_001 }).options).toEqual({});
  });

  dialogue('three blocks fit beside timestamps', (d) => {
    request(d, true);
    for (const seq of [9101, 9301, 9501, 9701]) {
      d.target('A', { seq, ack: 1011, data: 100, timestamps: [51, 701] });
    }
    const last = d.takeSent().at(-1)?.options;
    expect(last?.sack).toHaveLength(3);
    expect(last?.timestamps?.[1]).toBe(50);
  });

  dialogue('follow the data that left at the same time, which has no room for them', (d) => {
    request(d, false);
    d.batch(() => {
      d.target('A', { seq: 9101, ack: 1011, data: 100 });
      d.client('PA', { seq: 1011, ack: 5001, data: 10 });
    });
    expect(d.expect('PA', { seq: 1011, ack: 9001 }).options).toEqual({});
    d.expect('A', { seq: 1021, ack: 9001, sack: [[9101, 9201]] });
    d.expectNothing();
  });

  dialogue('are left out unless both sides want them', (d) => {
    establish(d, { syn: SACK });
    d.target('A', { seq: 9101, ack: 1001, data: 100 });
    expect(d.expect('A', { ack: 9001 }).options).toEqual({});
  });
});

describe('without selective acknowledgements', () => {
  dialogue('the first two duplicates let new segments out (RFC 3042)', (d) => {
    establish(d, { synAck: { mss: 1000 } });
    d.client('A', { seq: 1001, ack: 5001, data: 20_000 });
    expect(sentData(d)).toHaveLength(10);
    d.target('A', { seq: 9001, ack: 1001 });
    expect(sentData(d)).toEqual([11_001]);
    d.target('A', { seq: 9001, ack: 1001 });
    expect(sentData(d)).toEqual([12_001]);
    d.target('A', { seq: 9001, ack: 1001 });
    expect(sentData(d)).toEqual([1001]);
  });
});
