import { describe, expect, it } from 'vitest';
import { buildPacket, memoryOf } from '../../test/property/wire-packets.ts';
import { FlowKey } from '../base/flow-key.ts';
import type { Memory } from '../base/memory.ts';
import { Random } from '../base/random.ts';
import { addTime, type Instant, NEVER, seconds } from '../base/time.ts';
import { type CapturedPacket, ChecksumState } from '../ports/packet-source.ts';
import { Cause, Unrouted } from './unrouted.ts';
import { KEPT_LENGTH, Waiting } from './waiting.ts';

const at = (s: number): Instant => addTime(0 as Instant, seconds(s));

function keyOf(n: number): FlowKey {
  const key = new FlowKey();
  key.setAddress(0, 0, 0, 0xffff, n);
  return key;
}

function response(seq: number, payload: readonly number[] = []): CapturedPacket {
  const packet = buildPacket({ seq, flags: 0x12, payload });
  return {
    memory: memoryOf(packet, 8),
    offset: 8,
    length: packet.length,
    wireLength: packet.length,
    checksum: ChecksumState.unknown,
    receivedAt: 1000 + seq,
  };
}

/** A room, and what it says of responses that it lost. */
class Room {
  readonly unrouted = new Unrouted();
  readonly waiting: Waiting;

  constructor(secret: number, capacity: number) {
    this.waiting = new Waiting(secret, this.unrouted, capacity);
  }

  add(now: number, n: number, seq: number, cause: Cause = Cause.neverRegistered): void {
    this.waiting.add(at(now), keyOf(n), response(seq), 40, cause);
  }

  /** Responses that found no route, and how many of them for want of room. */
  get lost(): [number, number] {
    const all = this.unrouted.counts.reduce((a, b) => a + b);
    return [all, all - this.waiting.expired];
  }
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
    const room = new Room(1, 8);
    const { waiting } = room;
    for (const [n, seq] of [
      [1, 10],
      [2, 20],
      [1, 11],
      [2, 21],
      [1, 12],
    ] as const) {
      room.add(0, n, seq);
    }
    expect(deliver(waiting, 3)).toEqual([]);
    expect(deliver(waiting, 1)).toEqual([10, 11, 12]);
    expect(deliver(waiting, 1)).toEqual([]);
    expect(waiting.size).toBe(2);
    expect(deliver(waiting, 2)).toEqual([20, 21]);
    expect(waiting.deadline).toBe(NEVER);
  });

  it('keeps a response as it was captured, as far as there is room', () => {
    const { waiting } = new Room(1, 8);
    const payload = Array.from({ length: 500 }, (_, i) => i & 255);
    const packet = response(7, payload);
    waiting.add(at(0), keyOf(1), packet, 40, Cause.neverRegistered);
    const { bytes } = packet.memory;
    const original = Array.from(bytes.slice(8, 8 + KEPT_LENGTH));
    waiting.deliver(keyOf(1), {
      handleWaiting: (memory, offset, length, wireLength, receivedAt) => {
        expect([length, wireLength, receivedAt]).toEqual([KEPT_LENGTH, 540, 1007]);
        expect(Array.from(memory.bytes.slice(offset, offset + length))).toEqual(original);
      },
    });
    expect.assertions(2);
  });

  it('keeps for 30 seconds and no longer', () => {
    const room = new Room(1, 8);
    const { waiting } = room;
    room.add(0, 1, 10);
    room.add(5, 1, 11);
    expect(waiting.deadline).toBe(at(30));
    waiting.expire(at(29.999));
    expect(waiting.expired).toBe(0);
    waiting.expire(at(31));
    expect([waiting.expired, waiting.size, waiting.deadline]).toEqual([1, 1, at(35)]);
    expect(deliver(waiting, 1)).toEqual([11]);
  });

  it('counts what finds no route by its cause', () => {
    const room = new Room(1, 64);
    room.add(0, 1, 10, Cause.neverRegistered);
    room.add(0, 2, 20, Cause.orphaned);
    room.add(0, 3, 30, Cause.foreign);
    room.add(0, 3, 31, Cause.foreign);
    room.waiting.expire(at(31));
    expect(Array.from(room.unrouted.counts)).toEqual([1, 2, 1, 0, 0]);
  });

  it('leaves strangers a small part of the room', () => {
    const room = new Room(1, 64);
    for (let n = 0; n < 50; n++) room.add(0, 100 + n, n, Cause.foreign);
    room.add(0, 1, 10);
    expect([room.waiting.size, room.unrouted.counts[Cause.foreign]]).toEqual([5, 46]);
    // What has been delivered makes room for another.
    expect(deliver(room.waiting, 100)).toEqual([0]);
    room.add(0, 200, 60, Cause.foreign);
    expect([room.waiting.size, room.unrouted.counts[Cause.foreign]]).toEqual([5, 46]);
  });

  it('refuses headers longer than it keeps', () => {
    const room = new Room(1, 8);
    const headers = KEPT_LENGTH + 1;
    room.waiting.add(at(0), keyOf(1), response(1), headers, Cause.neverRegistered);
    expect([room.waiting.size, ...room.lost]).toEqual([0, 1, 1]);
  });

  it('makes room by dropping the oldest, also when it is of the same session', () => {
    const room = new Room(1, 4);
    for (const seq of [10, 11, 12, 13, 14, 15]) room.add(0, 1, seq);
    expect([...room.lost, room.waiting.size]).toEqual([2, 2, 4]);
    for (const seq of [20, 21, 22]) room.add(0, 2, seq);
    expect(deliver(room.waiting, 1)).toEqual([15]);
    expect(deliver(room.waiting, 2)).toEqual([20, 21, 22]);
    expect(room.lost).toEqual([5, 5]);
  });

  it('lets no session take more than its part', () => {
    const room = new Room(1, 256);
    for (let seq = 0; seq < 100; seq++) room.add(0, 1, seq);
    expect([room.waiting.size, ...room.lost]).toEqual([64, 36, 36]);
    expect(deliver(room.waiting, 1)).toEqual(Array.from({ length: 64 }, (_, i) => i));
  });

  it('gives a session its part back when its oldest are displaced', () => {
    const room = new Room(1, 128);
    for (let seq = 0; seq < 64; seq++) room.add(0, 1, seq);
    for (let n = 2; n < 76; n++) room.add(0, n, n);
    expect(room.lost).toEqual([10, 10]);
    // Each displaces one of the session's own, so all eleven find room.
    for (let seq = 64; seq < 75; seq++) room.add(0, 1, seq);
    expect(room.lost).toEqual([21, 21]);
    expect(deliver(room.waiting, 1)).toEqual(Array.from({ length: 54 }, (_, i) => i + 21));
  });

  it.each([1, 2, 3])('agrees with plain lists over a long random run, seed %i', (seed) => {
    const random = new Random(seed);
    const room = new Room(seed, 16);
    const { waiting } = room;
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
        room.add(now, n, seq);
        model.push({ n, seq, until: now + 30 });
        // The ring may displace earlier than a list of 16 would, where delivered places lie between; never later.
        const lost = room.lost[0] - ended;
        model.splice(0, lost);
        ended += lost;
      }
      expect(waiting.size).toBe(model.length);
    }
    expect(room.lost[1]).toBeGreaterThan(0);
    expect(waiting.expired).toBeGreaterThan(0);
  });
});
