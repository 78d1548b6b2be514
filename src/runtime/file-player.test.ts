import { describe, expect, it } from 'vitest';
import { type Instant, millis, NEVER, seconds } from '../base/time.ts';
import { type CaptureRecords, RecordState } from '../ports/capture-records.ts';
import { type CapturedPacket, ChecksumState } from '../ports/packet-source.ts';
import { TransferTable } from '../replay/transfers.ts';
import { address } from '../testing/harness.ts';
import { buildPacket } from '../testing/packet.ts';
import { CaptureRecord } from '../wire/capture-record.ts';
import { PacketView } from '../wire/packet-view.ts';
import { FilePlayer, type PlayerOptions } from './file-player.ts';

const T0 = 1_700_000_000_000_000;
const TRANSFERS = new TransferTable([
  {
    address: undefined,
    port: 80,
    target: address('10.66.0.2'),
    targetPort: 8080,
    path: { mtu: 1500 },
    loopbackOnly: false,
  },
]);

/** A packet of a file, `at` milliseconds from its beginning. */
interface Given {
  readonly at: number;
  readonly port?: number;
  /** From the online server. */
  readonly isServer?: boolean;
  /** To another service. */
  readonly isForeign?: boolean;
  /** Its IP header says that it is longer than it is. */
  readonly isBroken?: boolean;
}

function octetsOf({ port = 40_000, isServer = false, isForeign = false }: Given): Uint8Array {
  const client = { address: '10.77.0.1', port };
  const server = { address: '10.66.0.1', port: isForeign ? 81 : 80 };
  return buildPacket({
    from: isServer ? server : client,
    to: isServer ? client : server,
    flags: 'PA',
    seq: 1,
    ack: 1,
    window: 1,
    urgentPointer: 0,
    ttl: 64,
    trafficClass: 0,
    ipId: 0,
    dontFragment: true,
    options: {},
    payload: Uint8Array.of(1),
  });
}

/** A file whose packets are there, all but one that keeps the reader waiting when it is first asked for. */
class Records implements CaptureRecords {
  readonly record = new CaptureRecord();
  readonly faults: readonly string[] = [];
  #at = -1;
  #owes: number;
  onMoreCalled: () => void = () => {};

  readonly given: readonly Given[];

  constructor(given: readonly Given[], late = -1) {
    this.given = given;
    this.#owes = late;
  }

  next(): RecordState {
    if (this.#at + 1 === this.#owes) {
      this.#owes = -1;
      return RecordState.pending;
    }
    const packet = this.given[++this.#at];
    if (packet === undefined) return RecordState.ended;
    const { record } = this;
    record.bytes = octetsOf(packet);
    if (packet.isBroken === true) record.bytes[2] = 0xff;
    record.view = new DataView(record.bytes.buffer);
    record.time = T0 + packet.at * 1000;
    record.linkType = 101;
    record.length = record.wireLength = record.bytes.length;
    return RecordState.ready;
  }

  onMore(callback: () => void): void {
    this.onMoreCalled = callback;
  }

  close(): void {}
}

/** A player in a time of its own. */
class Stage {
  now = 5e6 as Instant;
  readonly player: FilePlayer;
  /** Milliseconds since the start at which each packet came, and its port and time stamp. */
  readonly came: { at: number; port: number; stamp: number }[] = [];
  readonly opened: Records[] = [];
  readonly rounds: number[] = [];
  endedAt = -1;
  hasRoom = true;
  /** How long the copies take after the end of the files. */
  tail = 0;
  #alarm: Instant = NEVER;
  #ring: () => void = () => {};

  constructor(given: readonly Given[], options: Partial<PlayerOptions> = {}, late = -1) {
    this.player = new FilePlayer(
      {
        open: () => {
          this.opened.push(new Records(given, late));
          return this.opened.at(-1) as Records;
        },
        transfers: TRANSFERS,
        clock: { now: () => this.now },
        openTimer: (callback) => {
          this.#ring = callback;
          return { arm: (at) => void (this.#alarm = at), close: () => {} };
        },
        hasRoom: () => this.hasRoom,
        isDone: (since) => this.now - since >= this.tail,
        onRound: () => void this.rounds.push(this.elapsed),
        onEnd: () => void (this.endedAt = this.elapsed),
      },
      { speed: 1, skipGaps: millis(0), rounds: 1, ...options },
    );
    const view = new PacketView();
    const handler = {
      handlePacket: (p: CapturedPacket) => {
        view.parse(p.memory, p.offset, p.length, p.wireLength);
        expect(p.checksum).toBe(ChecksumState.unknown);
        this.came.push({ at: this.elapsed, port: view.sourcePort, stamp: p.receivedAt });
      },
    };
    this.player.onReadable(() => {
      while (this.player.receive(handler, 64) === 64);
    });
  }

  get elapsed(): number {
    return Math.round((this.now - 5e6) * 1e3) / 1e6;
  }

  get times(): number[] {
    return this.came.map(({ at }) => at);
  }

  /** Lets the timer ring at its times, `slow` microseconds late, until the end, or for so many milliseconds. */
  run(slow = 0, limit = 1e9): this {
    for (let i = 0; i < 100_000 && this.endedAt < 0 && this.#alarm !== NEVER; i++) {
      if (this.#alarm > 5e6 + limit * 1000) break;
      this.now = (Math.max(this.now, this.#alarm) + slow) as Instant;
      this.#alarm = NEVER;
      this.#ring();
    }
    return this;
  }
}

const evenly = (count: number, every: number): Given[] =>
  Array.from({ length: count }, (_, i) => ({ at: i * every }));

describe('the pace', () => {
  it.each([
    [1, 10_000],
    [5, 2000],
    [0.5, 20_000],
    [2.5, 4000],
  ])('row 108: a file of 10 s lasts so at -a %f, and ends without a tail', (speed, wanted) => {
    const stage = new Stage(evenly(101, 100), { speed }).run();
    expect(stage.came).toHaveLength(101);
    expect(stage.times[50]).toBe(wanted / 2);
    expect(stage.times.at(-1)).toBe(wanted);
    expect(stage.endedAt - wanted).toBeLessThanOrEqual(10);
  });

  it('rows 108 and O1: no packet comes before its time', () => {
    const stage = new Stage([{ at: 0 }, { at: 1000 }, { at: 1000.001 }, { at: 5000 }]).run();
    expect(stage.times).toEqual([0, 1000, 1000.001, 5000]);
  });

  it('does not drift: what comes late makes nothing after it later', () => {
    const stage = new Stage(evenly(10_001, 1)).run(300);
    expect(stage.times[0]).toBe(0.3);
    // Counted from the first, each is as late as the timer is, and the last no more than any other.
    expect(stage.times.at(-1)).toBe(10_000.6);
    expect(stage.player.lastLateness).toBe(300);
    expect(stage.player.lateness.quantile(1)).toBeLessThan(400);
  });

  it('brings what is due all at once where nobody asked in time', () => {
    const stage = new Stage(evenly(300, 1));
    stage.run(100_000, 150);
    expect(stage.came.length).toBeGreaterThan(90);
  });

  it('row 109: a pause longer than -I is left out', () => {
    const given = [{ at: 0 }, { at: 500 }, { at: 60_500 }, { at: 61_000 }];
    const stage = new Stage(given, { skipGaps: millis(1000) }).run();
    expect(stage.times).toEqual([0, 500, 500, 1000]);
  });

  it('rows 110 and O2: of many pauses each is left out once', () => {
    const given = Array.from({ length: 50 }, (_, i) => [
      { at: i * 60_000 },
      { at: i * 60_000 + 400 },
    ]);
    const stage = new Stage(given.flat(), { skipGaps: seconds(1), speed: 4 }).run(77);
    expect(stage.times.at(-1)).toBeCloseTo((50 * 400) / 4, 0);
  });

  it('row 113: round trips shrink with the speed', () => {
    const stage = new Stage([{ at: 0 }, { at: 40 }], { speed: 4 }).run();
    const [syn, ack] = stage.came as [(typeof stage.came)[0], (typeof stage.came)[0]];
    expect(ack.stamp - syn.stamp).toBe(10_000);
    expect(syn.stamp).toBeGreaterThan(0);
  });

  it('goes as fast as there is room, and waits while there is none', () => {
    const stage = new Stage(evenly(1000, 1000), { speed: Number.POSITIVE_INFINITY });
    stage.hasRoom = false;
    stage.run(0, 100);
    expect(stage.came).toHaveLength(0);
    stage.hasRoom = true;
    stage.run();
    expect(stage.came).toHaveLength(1000);
    expect(stage.times.at(-1)).toBeLessThan(110);
    const [first, second] = stage.came as [(typeof stage.came)[0], (typeof stage.came)[0]];
    expect(second.stamp - first.stamp).toBe(1000);
  });

  it('does not go back with a clock that was set back', () => {
    const stage = new Stage([{ at: 0 }, { at: 3000 }, { at: 1000 }, { at: 4000 }]).run();
    expect(stage.times).toEqual([0, 3000, 3000, 4000]);
  });

  it('O6: begins with the first packet that fits, and lets what others do and what is broken pass', () => {
    const given = [
      { at: 0, isForeign: true },
      { at: 700, isServer: true },
      { at: 1000 },
      { at: 1400, isBroken: true },
      { at: 1500, isForeign: true },
      { at: 2000 },
    ];
    const stage = new Stage(given).run();
    expect(stage.times).toEqual([0, 300, 1300]);
    expect(stage.player.counts).toMatchObject({
      read: 6,
      client: 2,
      server: 1,
      foreign: 2,
      unusable: 1,
    });
  });
});

describe('the rounds', () => {
  it('row 111: -T 3 replays the file three times, each when the copies of the one before have ended', () => {
    const stage = new Stage(evenly(3, 100), { rounds: 3 });
    stage.tail = 50_000;
    stage.run();
    expect(stage.times).toEqual([0, 100, 200, 250, 350, 450, 500, 600, 700]);
    expect(stage.rounds).toEqual([250, 500]);
    expect(stage.endedAt).toBe(750);
    expect(stage.opened).toHaveLength(3);
  });

  it('O4: ends when the last copy has, not sooner and not much later', () => {
    const stage = new Stage(evenly(2, 100));
    stage.tail = 1_234_000;
    stage.run();
    expect(stage.endedAt).toBeGreaterThanOrEqual(100 + 1234);
    expect(stage.endedAt).toBeLessThanOrEqual(100 + 1234 + 10);
  });
});

describe('the files', () => {
  it('may keep it waiting', () => {
    const stage = new Stage(evenly(3, 10), {}, 1).run();
    expect(stage.came).toHaveLength(1);
    stage.now = (stage.now + 5e5) as Instant;
    stage.opened[0]?.onMoreCalled();
    stage.run();
    // The clock does not wait with it.
    expect(stage.times).toEqual([0, 500, 500]);
  });

  it('are read from --from to --to, by seconds or by the time of day', () => {
    const from = { isRelative: true, micros: 200_000 };
    const to = { isRelative: false, micros: T0 + 400_000 };
    const stage = new Stage(evenly(10, 100), { from, to }).run();
    expect(stage.times).toEqual([0, 100, 200]);
    expect(stage.player.counts.before).toBe(2);
  });

  it('are shared by --shard: each connection in one part, both its sides', () => {
    const given = Array.from({ length: 900 }, (_, i) => ({ at: 0, port: 10_000 + 2 * i }));
    const parts = [0, 1, 2].map((index) => {
      const stage = new Stage(given, { shard: { index, count: 3 } }).run();
      return stage.came.map(({ port }) => port);
    });
    expect(parts.flat().toSorted((a, b) => a - b)).toEqual(given.map(({ port }) => port));
    for (const part of parts) expect(part.length).toBeGreaterThan(250);
    const [first = 0] = parts[1] as number[];
    const server = new Stage([{ at: 0, port: first, isServer: true }], {
      shard: { index: 1, count: 3 },
    }).run();
    expect(server.player.counts.server).toBe(1);
  });

  it('that end leave nothing to be read after close', () => {
    const stage = new Stage(evenly(3, 10));
    stage.player.close();
    stage.run();
    expect(stage.came).toEqual([]);
  });
});
