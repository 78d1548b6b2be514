import { expect, test } from 'vitest';
import { LateSink } from '../../test/property/late-sink.ts';
import {
  buildDatagram,
  datagram,
  fragmentsOf,
  readDatagrams,
} from '../../test/property/udp-packets.ts';
import { memoryOf } from '../../test/property/wire-packets.ts';
import { Memory } from '../base/memory.ts';
import { type Instant, NEVER } from '../base/time.ts';
import { Random } from '../base/random.ts';
import { ChecksumState, type PacketHandler } from '../ports/packet-source.ts';
import { Datagrams } from '../replay/datagrams.ts';
import { Replayer } from '../replay/replayer.ts';
import { DEFAULT_SESSION, transfer } from '../testing/harness.ts';
import { buildPacket } from '../testing/packet.ts';
import { Copier, type CopierParts } from './copier.ts';
import type { InterceptLinks } from './intercept-links.ts';

/** A copier over parts that only note at which time they are told of responses. */
function copierAt(clock: { time: number }): { copier: Copier; told: number[] } {
  const told: number[] = [];
  const parts = {
    replayer: { handleTargetHeader: (now: number) => told.push(now) },
    clock: { now: () => clock.time as Instant },
    openTimer: () => ({ arm: () => {}, close: () => {} }),
  };
  return { copier: new Copier(parts as unknown as CopierParts, () => {}), told };
}

test('responses have the time of their own arrival, not that of what was handled before', () => {
  const clock = { time: 100 };
  const { copier, told } = copierAt(clock);
  const memory = Memory.alloc(64);
  clock.time = 5000;
  copier.handleResponse(memory, 0, 64, 0, 0);
  clock.time = 5001;
  copier.handleResponse(memory, 0, 64, 0, 0);
  copier.handleResponsesRead();
  clock.time = 9000;
  copier.handleResponse(memory, 0, 64, 0, 0);
  expect(told).toEqual([5000, 5000, 9000]);
});

/** A copier of connections and datagrams over a source whose packets lie in memory of their own, or all in the same. */
class Stage {
  readonly sink = new LateSink();
  readonly replayer: Replayer;
  readonly copier: Copier;
  readonly armed: Instant[] = [];
  now = 1e6 as Instant;
  #read: () => void = () => {};
  #waiting: Uint8Array[] = [];
  #expire: () => void = () => {};
  readonly #keepsBatch: boolean;

  constructor(keepsBatch: boolean) {
    this.#keepsBatch = keepsBatch;
    const config = {
      transfers: [transfer(53, '10.9.0.1', 5353)],
      clientAddresses: { v4: undefined, v6: undefined },
      percentage: 0,
      onlyFromSyn: false,
      maxCopies: 10,
      maxPayload: 6 << 20,
      session: DEFAULT_SESSION,
    };
    this.replayer = new Replayer(config, new Random(1));
    const parts = {
      replayer: this.replayer,
      datagrams: new Datagrams(this.replayer.common, 1, new Random(1)),
      source: this.#source(),
      sink: this.sink,
      clock: { now: () => this.now },
      openTimer: (expire: () => void) => {
        this.#expire = expire;
        return { arm: (at: Instant) => this.armed.push(at), close: () => {} };
      },
    };
    this.copier = new Copier(parts as unknown as CopierParts, () => {});
    const links = { register: () => 0, unregister: () => {}, flush: () => {}, close: () => {} };
    this.copier.start(links as unknown as InterceptLinks);
  }

  #source(): unknown {
    const one = memoryOf(new Uint8Array(2000));
    return {
      keepsBatch: this.#keepsBatch,
      onReadable: (read: () => void) => {
        this.#read = read;
      },
      noteWaiting: () => {},
      close: () => {},
      receive: (handler: PacketHandler) => {
        const batch = this.#waiting.splice(0);
        for (const octets of batch) {
          const memory = this.#keepsBatch ? memoryOf(octets) : one;
          one.bytes.set(octets);
          const { length } = octets;
          const state = { checksum: ChecksumState.unknown, receivedAt: 0 };
          handler.handlePacket({ memory, offset: 0, length, wireLength: length, ...state });
        }
        return batch.length;
      },
    };
  }

  batch(...packets: Uint8Array[]): void {
    this.#waiting = packets;
    this.#read();
  }

  expire(): void {
    this.#expire();
  }
}

const queries = [1, 2, 3].map((n) => datagram({ payload: new Uint8Array(5 * n).fill(n) }));

test.each([
  [true, 1],
  [false, 3],
])(
  'datagrams leave with their batch, or one by one where all lie in the same memory (%s)',
  (keeps, flushes) => {
    const stage = new Stage(keeps);
    stage.batch(...queries.map((d) => buildDatagram(d)));
    expect(stage.sink.flushes).toBe(flushes);
    const copies = readDatagrams(stage.sink.take());
    expect(copies.map(({ payload }) => payload)).toEqual(queries.map(({ payload }) => payload));
  },
);

test('connections and datagrams to one port are copied side by side, and all are counted', () => {
  const stage = new Stage(true);
  const syn = buildPacket({
    from: { address: '10.1.2.3', port: 40_000 },
    to: { address: '10.0.0.1', port: 53 },
    flags: 'S',
    seq: 1,
    ack: 0,
    window: 1000,
    urgentPointer: 0,
    ttl: 64,
    trafficClass: 0,
    ipId: 1,
    dontFragment: true,
    options: {},
    payload: new Uint8Array(0),
  });
  stage.batch(buildDatagram(datagram()), syn, buildDatagram(datagram()));
  const protocols = stage.sink.take().map((octets) => octets[9]);
  expect(protocols).toEqual([17, 17, 6]);
  const { ledger } = stage.replayer;
  expect([ledger.captured, ledger.datagrams[0], ledger.connections]).toEqual([3, 2, 1]);
});

test('the timer rings for fragments that wait, and a stop ends their waiting', () => {
  const stage = new Stage(true);
  const [first, second] = [1, 2].map(
    (id) => fragmentsOf(datagram({ payload: new Uint8Array(90) }), 64, id)[0],
  );
  stage.batch(first as Uint8Array);
  expect(stage.armed.at(-1)).toBe(stage.now + 30e6);
  stage.now = (stage.now + 30e6) as Instant;
  stage.expire();
  expect(stage.armed.at(-1)).toBe(NEVER);
  const { datagrams } = stage.replayer.ledger;
  expect(Array.from(datagrams.subarray(7, 9))).toEqual([0, 1]);
  stage.batch(second as Uint8Array);
  expect(Array.from(datagrams.subarray(7, 9))).toEqual([1, 1]);
  stage.copier.endRound();
  expect(Array.from(datagrams.subarray(7, 9))).toEqual([0, 2]);
});
