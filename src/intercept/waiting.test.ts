import { describe, expect, it } from 'vitest';
import { buildPacket, memoryOf } from '../../test/property/wire-packets.ts';
import { FlowKey } from '../base/flow-table.ts';
import type { Memory } from '../base/memory.ts';
import { Random } from '../base/random.ts';
import { addTime, type Instant, NEVER, seconds } from '../base/time.ts';
import { PacketView } from '../wire/packet-view.ts';
import { Waiting } from './waiting.ts';

const at = (s: number): Instant => addTime(0 as Instant, seconds(s));

function keyOf(n: number): FlowKey {
  const key = new FlowKey();
  key.setAddress(0, 0, 0, 0xffff, n);
  return key;
}

function response(seq: number): PacketView {
  const packet = buildPacket({ seq, flags: 0x12 });
  const view = new PacketView();
  view.parse(memoryOf(packet), 0, packet.length, packet.length);
  return view;
}

/** The sequence numbers of what was waiting for session `n`. */
function deliver(waiting: Waiting, n: number): number[] {
  const seqs: number[] = [];
  waiting.deliver(keyOf(n), {
    handleWaiting: (memory: Memory, offset: number) => seqs.push(memory.view.getInt32(offset + 24)),
  });
  return seqs;
}

describe('Waiting', () => {
  it('delivers in order, each session its own, once', () => {
    const waiting = new Waiting(1, 8);
    for (const [n, seq] of [
      [1, 10],
      [2, 20],
      [1, 11],
      [2, 21],
      [1, 12],
    ] as const) {
      waiting.add(at(0), keyOf(n), response(seq));
    }
    expect(deliver(waiting, 3)).toEqual([]);
    expect(deliver(waiting, 1)).toEqual([10, 11, 12]);
    expect(deliver(waiting, 1)).toEqual([]);
    expect(waiting.size).toBe(2);
    expect(deliver(waiting, 2)).toEqual([20, 21]);
    expect(waiting.deadline).toBe(NEVER);
  });

  it('keeps for 30 seconds and no longer', () => {
    const waiting = new Waiting(1, 8);
    waiting.add(at(0), keyOf(1), response(10));
    waiting.add(at(5), keyOf(1), response(11));
    expect(waiting.deadline).toBe(at(30));
    waiting.expire(at(29.999));
    expect(waiting.expired).toBe(0);
    waiting.expire(at(31));
    expect([waiting.expired, waiting.size, waiting.deadline]).toEqual([1, 1, at(35)]);
    expect(deliver(waiting, 1)).toEqual([11]);
  });

  it('makes room by dropping the oldest, also when it is of the same session', () => {
    const waiting = new Waiting(1, 4);
    for (const seq of [10, 11, 12, 13, 14, 15]) waiting.add(at(0), keyOf(1), response(seq));
    expect([waiting.displaced, waiting.size]).toEqual([2, 4]);
    for (const seq of [20, 21, 22]) waiting.add(at(0), keyOf(2), response(seq));
    expect(deliver(waiting, 1)).toEqual([15]);
    expect(deliver(waiting, 2)).toEqual([20, 21, 22]);
    expect(waiting.displaced).toBe(5);
  });

  it('lets no session take more than its part', () => {
    const waiting = new Waiting(1, 256);
    for (let seq = 0; seq < 100; seq++) waiting.add(at(0), keyOf(1), response(seq));
    expect([waiting.size, waiting.refused]).toEqual([64, 36]);
    expect(deliver(waiting, 1)).toEqual(Array.from({ length: 64 }, (_, i) => i));
  });

  it('gives a session its part back when its oldest are displaced', () => {
    const waiting = new Waiting(1, 128);
    for (let seq = 0; seq < 64; seq++) waiting.add(at(0), keyOf(1), response(seq));
    for (let n = 2; n < 76; n++) waiting.add(at(0), keyOf(n), response(n));
    expect([waiting.displaced, waiting.refused]).toEqual([10, 0]);
    for (let seq = 64; seq < 75; seq++) waiting.add(at(0), keyOf(1), response(seq));
    // Each displaces one of the session's own, so all eleven find room.
    expect(waiting.refused).toBe(0);
    expect(deliver(waiting, 1)).toEqual(Array.from({ length: 54 }, (_, i) => i + 21));
  });

  it.each([1, 2, 3])('agrees with plain lists over a long random run, seed %i', (seed) => {
    const random = new Random(seed);
    const waiting = new Waiting(seed, 16);
    let model: { n: number; seq: number; until: number }[] = [];
    let now = 0;
    let ended = 0;
    for (let seq = 0; seq < 20_000; seq++) {
      now += random.int(0, 6);
      const n = random.int(0, 6);
      const kept = model.filter(({ until }) => until > now);
      waiting.expire(at(now));
      ended += model.length - kept.length;
      model = kept;
      if (random.chance(0.2)) {
        const due = model.filter((entry) => entry.n === n).map((entry) => entry.seq);
        expect(deliver(waiting, n)).toEqual(due);
        model = model.filter((entry) => entry.n !== n);
      } else {
        waiting.add(at(now), keyOf(n), response(seq));
        model.push({ n, seq, until: now + 30 });
        // The ring may displace earlier than a list of 16 would, where delivered places lie between; never later.
        const lost = waiting.displaced + waiting.expired - ended;
        model.splice(0, lost);
        ended += lost;
      }
      expect(waiting.size).toBe(model.length);
    }
    expect(waiting.displaced).toBeGreaterThan(0);
    expect(waiting.expired).toBeGreaterThan(0);
  });
});
