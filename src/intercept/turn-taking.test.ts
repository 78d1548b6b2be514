import { expect, test } from 'vitest';
import type { Instant } from '../base/time.ts';
import { buildPacket, memoryOf } from '../../test/property/wire-packets.ts';
import { PacketView } from '../wire/packet-view.ts';
import { TurnTaking } from './turn-taking.ts';

const answerTo = (port: number, payload = [1]): PacketView => {
  const octets = buildPacket({ destinationPort: port, payload });
  const view = new PacketView();
  view.parse(memoryOf(octets), 0, octets.length, octets.length);
  return view;
};

/** Answers on `connections` in turn, one each `gap` microseconds, over a second. */
function isQuick(connections: number, gap: number, payload?: number[]): boolean {
  const turns = new TurnTaking();
  for (let t = 0, i = 0; t < 1e6; t += gap, i++) {
    turns.note(t as Instant, answerTo(40_000 + (i % connections), payload));
  }
  return turns.take();
}

test('one connection that is answered every half millisecond is in quick turns', () => {
  expect(isQuick(1, 500)).toBe(true);
});

test('32 connections that share 5,000 answers a second are not', () => {
  expect(isQuick(32, 200)).toBe(false);
});

test('acknowledgements alone are no turns', () => {
  expect(isQuick(1, 500, [])).toBe(false);
});
