import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  buildDatagram,
  buildFragment,
  type Datagram,
  datagram,
  datagram6,
  fragmentsOf,
  type Piece,
  piecesOf,
} from '../../test/property/udp-packets.ts';
import { memoryOf } from '../../test/property/wire-packets.ts';
import { addTime, type Instant, millis, NEVER } from '../base/time.ts';
import { FragmentResult } from './incomplete-datagram.ts';
import { PacketError } from './packet-error.ts';
import { MAX_INCOMPLETE, REASSEMBLY_TIME, Reassembler } from './reassembly.ts';
import { DatagramView } from './udp.ts';

const { held, complete, repeated, overlapping, impossible } = FragmentResult;
const START = 1e6 as Instant;

/** A reassembler, and what it lost. */
class Bench {
  readonly lost = { timedOut: 0, evicted: 0, overlapping: 0 };
  readonly reassembler = new Reassembler((why, packets) => {
    this.lost[why] += packets;
  });
  now = START;

  add(octets: Uint8Array): FragmentResult {
    const view = new DatagramView();
    const error = view.parse(memoryOf(octets), 0, octets.length, octets.length);
    expect(error).toBe(PacketError.fragment);
    return this.reassembler.add(this.now, view);
  }

  /** The octets of the whole packet, after `complete`. */
  whole(): Uint8Array {
    const { memory, offset, length } = this.reassembler;
    return memory.bytes.slice(offset, offset + length);
  }

  pieces(d: Datagram, ...pieces: readonly Piece[]): FragmentResult[] {
    return pieces.map((piece) => this.add(buildFragment(d, piece, 7)));
  }
}

const long = (size: number, given: Partial<Datagram> = {}): Datagram =>
  datagram({ payload: Uint8Array.from({ length: size }, (_, i) => i * 7), ...given });

const piece = (offset: number, length: number, more: boolean): Piece => ({
  offset,
  data: new Uint8Array(length).fill(offset),
  more,
});

const families = [
  ['IPv4', datagram],
  ['IPv6', datagram6],
] as const;

describe.each(families)('fragments over %s', (_, make) => {
  it('of any size, in any order, with repetitions, are the datagram that they are of', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 8, maxLength: 3000 }),
        fc.integer({ min: 1, max: 60 }),
        fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
        (payload, units, chances) => {
          const d = make({ payload });
          const whole = fragmentsOf(d, 8 * units, 7);
          if (whole.length < 2) return;
          const keys = new Map(whole.map((fragment) => [fragment, chances.next().value as number]));
          const order = whole.toSorted((a, b) => (keys.get(a) ?? 0) - (keys.get(b) ?? 0));
          const last = order.pop() as Uint8Array;
          const bench = new Bench();
          for (const fragment of order) {
            expect(bench.add(fragment)).toBe(held);
            if ((chances.next().value as number) < 0.2) expect(bench.add(fragment)).toBe(repeated);
          }
          expect(bench.add(last)).toBe(complete);
          const expected = buildDatagram(d);
          expect(bench.whole()).toEqual(expected);
          expect(bench.reassembler.packets).toBe(whole.length);
          expect(bench.reassembler.size).toBe(0);
          expect(bench.lost).toEqual({ timedOut: 0, evicted: 0, overlapping: 0 });
        },
      ),
      { numRuns: 500, seed: 791 },
    );
  });

  it('of the longest datagram become one', () => {
    const d = make({ payload: new Uint8Array(65_507).fill(3) });
    const bench = new Bench();
    const said = fragmentsOf(d, 1480, 7).map((fragment) => bench.add(fragment));
    expect(said.pop()).toBe(complete);
    expect(new Set(said)).toEqual(new Set([held]));
    expect(bench.whole()).toEqual(buildDatagram(d));
  });

  it('with other identifications, addresses or none of these in common are kept apart', () => {
    const bench = new Bench();
    const a = make({ payload: new Uint8Array(20).fill(1) });
    const b = make({ payload: new Uint8Array(20).fill(2) });
    const c = { ...a, from: { ...a.to, port: 1 } };
    const all = [fragmentsOf(a, 16, 1), fragmentsOf(b, 16, 2), fragmentsOf(c, 16, 1)];
    for (const [first] of all) expect(bench.add(first as Uint8Array)).toBe(held);
    for (const [i, [, second]] of all.entries()) {
      expect(bench.add(second as Uint8Array)).toBe(complete);
      expect(bench.whole()).toEqual(buildDatagram([a, b, c][i] as Datagram, [1, 2, 1][i]));
    }
  });

  it.each([
    ['front', [piece(16, 16, true), piece(8, 16, true)]],
    ['back', [piece(16, 16, true), piece(24, 16, true)]],
    ['both sides', [piece(16, 16, true), piece(8, 32, true)]],
    ['beyond the end', [piece(16, 8, false), piece(24, 8, true)]],
    ['up to the end, but more follow', [piece(16, 8, false), piece(8, 16, true)]],
    ['two ends', [piece(16, 8, false), piece(24, 8, false)]],
    ['an end before what came', [piece(24, 8, true), piece(8, 8, false)]],
    ['an end within what came', [piece(0, 24, true), piece(8, 8, false)]],
    ['an end of another length', [piece(16, 7, false), piece(16, 8, false)]],
  ] as const)('that overlap or contradict (%s) spoil their datagram', (_name, pieces) => {
    const bench = new Bench();
    const d = make();
    expect(bench.pieces(d, ...pieces)).toEqual([held, overlapping]);
    expect(bench.lost.overlapping).toBe(1);
    // What comes of it later is dropped, too, and cannot begin it anew (RFC 5722 §4).
    expect(bench.pieces(d, piece(0, 8, true), piece(40, 8, true))).toEqual([
      overlapping,
      overlapping,
    ]);
    expect(bench.lost.overlapping).toBe(1);
    bench.reassembler.handleTimeout(addTime(START, REASSEMBLY_TIME));
    expect(bench.reassembler.size).toBe(0);
    expect(bench.lost.timedOut).toBe(0);
  });

  it.each([
    ['empty', piece(16, 0, true)],
    ['not a multiple of 8', piece(16, 12, true)],
    ['beyond the longest packet', piece(65_528, 8, false)],
  ])('that cannot be (%s) begin nothing', (_name, bad) => {
    const bench = new Bench();
    expect(bench.pieces(make(), bad)).toEqual([impossible]);
    expect(bench.reassembler.size).toBe(0);
  });

  it('of which one repeats a part of what has come are repetitions, whatever they say', () => {
    const bench = new Bench();
    const d = make({ payload: Uint8Array.from({ length: 40 }, (_v, i) => i) });
    const [first, second] = piecesOf(d, 32) as [Piece, Piece];
    expect(bench.pieces(d, first, piece(8, 16, true), second)).toEqual([held, repeated, complete]);
    expect(bench.whole()).toEqual(buildDatagram(d));
  });
});

describe('Reassembler', () => {
  it('lets go of what is not complete in time, the oldest first', () => {
    const bench = new Bench();
    expect(bench.reassembler.pollTimeout()).toBe(NEVER);
    const [a, b] = [long(100), long(100, { from: { address: '10.1.2.4', port: 1 } })];
    const [first, second] = fragmentsOf(a, 40, 1) as [Uint8Array, Uint8Array];
    bench.add(first);
    bench.now = addTime(START, millis(10));
    bench.add(second);
    bench.add(fragmentsOf(b, 40, 1)[0] as Uint8Array);
    const due = bench.reassembler.pollTimeout();
    expect(due).toBe(START + REASSEMBLY_TIME);
    bench.reassembler.handleTimeout((due - 1) as Instant);
    expect(bench.lost.timedOut).toBe(0);
    bench.reassembler.handleTimeout(due);
    expect(bench.lost.timedOut).toBe(2);
    expect(bench.reassembler.size).toBe(1);
    bench.reassembler.stop();
    expect(bench.lost.timedOut).toBe(3);
    expect(bench.reassembler.pollTimeout()).toBe(NEVER);
  });

  it('makes room under a flood by evicting the oldest, and serves what becomes complete', () => {
    const bench = new Bench();
    const d = long(100);
    for (let id = 1; id <= 10_000; id++) {
      expect(bench.add(fragmentsOf(d, 40, id)[0] as Uint8Array)).toBe(held);
    }
    expect(bench.reassembler.size).toBe(MAX_INCOMPLETE);
    expect(bench.lost.evicted).toBe(10_000 - MAX_INCOMPLETE);
    const [, second, third] = fragmentsOf(d, 40, 10_000) as [Uint8Array, Uint8Array, Uint8Array];
    expect([bench.add(third), bench.add(second)]).toEqual([held, complete]);
    expect(bench.whole()).toEqual(buildDatagram(d, 10_000));
    expect(bench.reassembler.size).toBe(MAX_INCOMPLETE - 1);
  });
});
