import { describe, expect, it } from 'vitest';
import { dialogue, establish } from '../../test/sim/dialogue.ts';
import { millis, seconds } from '../base/time.ts';
import type { RouteEnds } from '../ports/route-registrar.ts';
import { Outcome } from '../session/outcome.ts';
import { Verdict } from '../session/verdict.ts';
import type { Dialogue } from '../testing/dialogue.ts';
import { address } from '../testing/harness.ts';
import { ClientAddresses } from './client-addresses.ts';
import { Contest } from './contest.ts';

/* An intercept refuses the place of a copy, because another tcpcopy has it. */

const placeOf = (sourcePort: number, source = '10.1.2.3'): RouteEnds => ({
  source: address(source),
  sourcePort,
  target: address('10.9.0.1'),
  targetPort: 8080,
});

/** A copy begins from `port`, and is refused; returns where it begins instead. */
function refused(d: Dialogue, port = 40_000, seq = 1000): number {
  d.expect('S', { seq, from: { address: '10.1.2.3', port } });
  d.refuse(placeOf(port));
  const { from } = d.expect('S', { seq });
  expect(from.address).toBe('10.1.2.3');
  expect(from.port).not.toBe(port);
  return from.port;
}

const routesOf = (d: Dialogue): number[] => d.routes.map(({ sourcePort }) => sourcePort);

describe('a copy whose place is refused', () => {
  dialogue('begins anew from another port, with the client’s ISS and what was captured', (d) => {
    d.client('S', { seq: 1000, mss: 1460, timestamps: [70, 0] });
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    const port = refused(d);
    expect(routesOf(d)).toEqual([port]);
    const to = { address: '10.1.2.3', port };
    d.target('SA', { seq: 9000, ack: 1001, mss: 1460, to });
    d.expect('A', { seq: 1001, ack: 9001, from: to });
    d.expect('PA', { seq: 1001, data: 100, from: to });
    d.target('PA', { seq: 9001, ack: 1101, data: 30, to });
    expect(d.replayer.ledger).toMatchObject({ connections: 1, copies: 1, open: 1, moved: 1 });
  });

  dialogue('sends nothing more from there, and does not hear what is said to it', (d) => {
    d.client('S', { seq: 1000, mss: 1460 });
    const port = refused(d);
    d.target('SA', { seq: 9000, ack: 1001 });
    d.expectNothing();
    expect(d.replayer.ledger.unknownResponses).toBe(1);
    d.advance(seconds(1));
    expect(d.takeSent().map(({ from }) => from.port)).toEqual([port]);
  });

  dialogue('is refused again: it moves on', (d) => {
    d.client('S', { seq: 1000 });
    const port = refused(d);
    d.refuse(placeOf(port));
    const next = d.expect('S', { seq: 1000 }).from.port;
    expect([40_000, port]).not.toContain(next);
    expect(routesOf(d)).toEqual([next]);
    expect(d.replayer.ledger.moved).toBe(1);
  });

  dialogue(
    'stays when its handshake is complete, and nobody minds a refusal without a copy',
    (d) => {
      establish(d);
      for (const port of [40_000, 40_001]) d.refuse(placeOf(port));
      d.client('PA', { seq: 1001, ack: 5001, data: 10 });
      d.expect('PA', { seq: 1001, from: { address: '10.1.2.3', port: 40_000 } });
      expect(d.replayer.ledger).toMatchObject({ moved: 0, lateRefusals: 2, open: 1 });
    },
  );

  dialogue(
    'ends when a flood of refusals leaves it no place, without a word to the targets',
    (d) => {
      d.client('S', { seq: 1000 });
      d.client('PA', { seq: 1001, ack: 5001, data: 100 });
      let { port } = d.expect('S').from;
      let moves = 0;
      for (; d.open > 0; moves++) {
        d.refuse(placeOf(port));
        const [packet] = d.takeSent();
        if (packet !== undefined) ({ port } = packet.from);
      }
      expect(moves).toBe(17);
      expect(d.replayer.ledger.outcomes[Outcome.noFreePort]).toBe(1);
      expect(d.replayer.context.pool.used).toBe(0);
      // What the client goes on with would only be refused again.
      d.client('PA', { seq: 1101, ack: 5101, data: 10 });
      d.silence(seconds(1));
      expect(d.verdicts(Verdict.lostData)).toBe(1);
    },
  );

  dialogue('has no more time for its handshake than one that is not', (d) => {
    d.client('S', { seq: 1000 });
    d.advance(seconds(14));
    d.takeSent();
    d.refuse(placeOf(40_000));
    d.expect('S');
    d.advance(seconds(2));
    expect(d.replayer.ledger.outcomes[Outcome.handshakeTimeout]).toBe(1);
  });

  dialogue('that is opened again keeps its place, and may lose it before the handshake', (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.expect('PA');
    d.target('FA', { seq: 9001, ack: 1101 });
    d.advance(millis(100));
    d.client('PA', { seq: 1101, ack: 5301, data: 50 });
    d.advance(millis(100));
    const packets = d.takeSent();
    expect(packets.at(-1)).toMatchObject({ flags: 'S', seq: 1100, from: { port: 40_000 } });
    expect(routesOf(d)).toEqual([40_000]);
    d.refuse(placeOf(40_000));
    const { from: to } = d.expect('S', { seq: 1100 });
    expect(routesOf(d)).toEqual([to.port]);
    d.target('SA', { seq: 70_000, ack: 1101, mss: 1460, to });
    d.expect('A', { seq: 1101, from: to });
    d.expect('PA', { seq: 1101, data: 50, from: to });
    expect(d.replayer.ledger).toMatchObject({ copies: 1, moved: 1, open: 1 });
  });

  dialogue('takes those that wait for its place along', (d) => {
    d.client('S', { seq: 1000, mss: 1460 });
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.client('FA', { seq: 1101, ack: 5001 });
    d.expect('S');
    d.client('S', { seq: 70_000, mss: 1460 });
    d.expectNothing();
    d.refuse(placeOf(40_000));
    const { from: to } = d.expect('S', { seq: 1000 });
    d.target('RA', { seq: 0, ack: 1001, to });
    d.expect('S', { seq: 70_000, from: to });
    expect(routesOf(d)).toEqual([to.port]);
    expect(d.replayer.ledger.outcomes[Outcome.refused]).toBe(1);
  });
});

describe('routes that are left', () => {
  dialogue('are given up when the client begins anew elsewhere', (d) => {
    d.client('S', { seq: 1000, mss: 1460 });
    const former = refused(d);
    d.target('SA', { seq: 9000, ack: 1001, to: { address: '10.1.2.3', port: former } });
    d.client('A', { seq: 1001, ack: 5001 });
    d.expect('A');
    d.client('S', { seq: 70_000, mss: 1460 });
    const [reset, syn] = d.takeSent();
    expect(reset).toMatchObject({ flags: 'RA', from: { port: former } });
    // The place that is the client's own is left alone for a minute.
    expect(syn?.from.port).not.toBe(40_000);
    expect(routesOf(d)).toEqual([syn?.from.port]);
    d.advance(seconds(60));
    d.takeSent();
    d.client('S', { seq: 90_000, mss: 1460 });
    d.expect('S', { from: { address: '10.1.2.3', port: 40_000 } });
  });

  dialogue('are given up when everything is forgotten', (d) => {
    establish(d);
    d.stop();
    d.replayer.forgetRound(d.now);
    d.batch(() => undefined);
    expect(d.routes).toEqual([]);
  });
});

dialogue(
  'of several copies only the one that is refused moves',
  (d) => {
    d.client('S', { seq: 1000 });
    d.advance(millis(2));
    const ports = d.takeSent().map(({ from }) => from.port);
    d.refuse(placeOf(ports[1] as number));
    const moved = d.expect('S', { seq: 1000 }).from.port;
    d.expectNothing();
    expect(new Set(routesOf(d))).toEqual(new Set([ports[0], ports[2], moved]));
  },
  { replayer: { copies: 3 } },
);

const C = ['172.16.0.1', '172.16.0.2'];
dialogue(
  'with -c another port of the same address is looked for first',
  (d) => {
    d.client('S', { seq: 1000 });
    d.expect('S', { from: { address: '172.16.0.1', port: 40_000 } });
    d.refuse(placeOf(40_000, '172.16.0.1'));
    expect(d.expect('S', { seq: 1000 }).from.address).toBe('172.16.0.1');
  },
  {
    replayer: {
      clientAddresses: { v4: new ClientAddresses(C.map(address)), v6: undefined },
    },
  },
);

describe('a tcpcopy with the same clients', () => {
  dialogue('is noticed after some refusals, and all ports are moved up by one number', (d) => {
    const begin = (port: number): number => {
      const from = { address: '10.1.2.3', port };
      d.client('S', { seq: port, from });
      return d.expect('S', { seq: port }).from.port;
    };
    for (let port = 30_000; port < 30_009; port++) {
      expect(begin(port)).toBe(port);
      d.refuse(placeOf(port));
      d.expect('S');
    }
    const offset = begin(30_100) - 30_100;
    expect(offset).not.toBe(0);
    expect(begin(30_200) - 30_200).toBe(offset);
  });

  it('is not suspected where few are refused', () => {
    const contest = new Contest();
    for (let i = 0; i < 1000; i++) {
      for (let j = 0; j < 17; j++) contest.noteWanted();
      expect(contest.noteRefused()).toBe(false);
    }
    for (let i = 0; i < 8; i++) expect(contest.noteRefused()).toBe(i === 7);
  });
});
