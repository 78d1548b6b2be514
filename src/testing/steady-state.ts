import { Memory } from '../base/memory.ts';
import { Random } from '../base/random.ts';
import { type Instant, micros } from '../base/time.ts';
import { FRAME_HEADER_LENGTH, MAX_FRAME_MESSAGES } from '../control/response-form.ts';
import { MESSAGE_LENGTH } from '../control/response-message.ts';
import type { Log } from '../ports/log.ts';
import { HEADER_ROOM, type PacketSink } from '../ports/packet-sink.ts';
import {
  type CapturedPacket,
  type CaptureStatistics,
  ChecksumState,
  type PacketHandler,
  type PacketSource,
} from '../ports/packet-source.ts';
import type { Clock, WakeTimer, Watchable } from '../ports/reactor.ts';
import type { ByteStream, StreamHandler } from '../ports/stream.ts';
import { Replayer } from '../replay/replayer.ts';
import { Copier } from '../runtime/copier.ts';
import type { TcpcopyEndOptions } from '../control/tcpcopy-end.ts';
import { InterceptLinks } from '../runtime/intercept-links.ts';
import { updateChecksum32 } from '../wire/checksum.ts';
import { payloadOf } from './dialogue.ts';
import { DEFAULT_SESSION, transfer } from './harness.ts';
import { buildPacket, type OptionsRecord } from './packet.ts';

const REQUEST = 100;
const RESPONSE = 300;
const SLOT = 512;
const FIRST_PORT = 20_000;
const TCP_AT = 20;
const SEQ_AT = TCP_AT + 4;
const ACK_AT = TCP_AT + 8;
const CHECKSUM_AT = TCP_AT + 16;
const STEP = micros(50);

const FRAME_LENGTH = FRAME_HEADER_LENGTH + MAX_FRAME_MESSAGES * MESSAGE_LENGTH;

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Packets that wait to be captured, all in one memory; itself the packet in hand. */
class Captures implements PacketSource, Watchable, CapturedPacket {
  readonly keepsBatch = true;
  readonly memory: Memory;
  readonly checksum: ChecksumState = ChecksumState.unknown;
  readonly receivedAt = 0;
  offset = 0;
  length = 0;
  wireLength = 0;
  waiting = 0;
  #readable: () => void = () => {};

  constructor(slots: number) {
    this.memory = Memory.alloc(slots * SLOT);
  }

  /** Says that packets of `length` octets lie in every slot. */
  wake(slots: number, length: number): void {
    this.waiting = slots;
    this.length = this.wireLength = length;
    this.#readable();
  }

  receive(handler: PacketHandler, budget: number): number {
    const count = Math.min(this.waiting, budget);
    for (let i = 0; i < count; i++) {
      this.offset = i * SLOT;
      handler.handlePacket(this);
    }
    this.waiting -= count;
    return count;
  }

  statistics(): CaptureStatistics {
    return { received: 0, dropped: 0 };
  }

  noteWaiting(): void {}

  onReadable(callback: () => void): void {
    this.#readable = callback;
  }

  close(): void {}
}

/** Counts what would have been sent. */
class Counts implements PacketSink {
  readonly memory: Memory = Memory.alloc(HEADER_ROOM);
  packets = 0;
  withPayload = 0;

  begin(): number {
    return 0;
  }

  commit(_headerLength: number, _payload: Memory | null, _offset: number, length: number): void {
    this.packets++;
    if (length > 0) this.withPayload++;
  }

  flush(): void {}
}

const END_OPTIONS: TcpcopyEndOptions = {
  key: null,
  nonce: new Uint8Array(32),
  channelBinding: new Uint8Array(32),
  payload: 0,
  targets: [],
};

/**
 * Keep-alive connections that ask and are answered, over and over, through capture, control connection, copier and sessions,
 * with nothing around them that allocates: whatever the garbage collector finds to do is the fault of the code under test.
 */
export class SteadyState {
  readonly #connections: number;
  readonly #captures: Captures;
  readonly #counts = new Counts();
  readonly #frames: Memory;
  readonly #timers: { at: number; expire: () => void }[] = [];
  #now = 1e9;
  #stream: StreamHandler | undefined;

  /** `connections`: a multiple of 16, at most 64. */
  static async open(connections: number): Promise<SteadyState> {
    const state = new SteadyState(connections);
    await state.#begin();
    state.#establish();
    return state;
  }

  private constructor(connections: number) {
    this.#connections = connections;
    this.#captures = new Captures(connections);
    this.#frames = Memory.alloc((connections / MAX_FRAME_MESSAGES) * FRAME_LENGTH);
  }

  async #begin(): Promise<void> {
    const replayer = new Replayer(
      {
        transfers: [transfer(80, '10.9.0.1', 8080)],
        clientAddresses: { v4: undefined, v6: undefined },
        percentage: 0,
        onlyFromSyn: false,
        maxCopies: 1000,
        maxPayload: 1 << 26,
        session: DEFAULT_SESSION,
      },
      new Random(1),
    );
    const clock: Clock = { now: () => this.#now as Instant };
    const openTimer = (expire: () => void): WakeTimer => this.#openTimer(expire);
    const shared = { clock, log: silent, openTimer };
    const io = { wallClock: () => this.#now, replayer, source: this.#captures, sink: this.#counts };
    const copier = new Copier({ ...shared, ...io }, () => {});
    const links = new InterceptLinks(
      { names: ['steady state'], connections: 1, lonely: false, single: false },
      {
        ...shared,
        random: new Random(2),
        connect: () => Promise.resolve(this.stream),
        endOptions: () => END_OPTIONS,
      },
    );
    const opening = links.open(copier);
    await Promise.resolve();
    await Promise.resolve();
    // No hello comes, so version 6 is spoken.
    this.#now += 2e6;
    this.#pass();
    await opening;
    copier.start(links);
  }

  #openTimer(expire: () => void): WakeTimer {
    const timer = { at: Number.POSITIVE_INFINITY, expire };
    this.#timers.push(timer);
    return {
      arm: (at) => {
        timer.at = at;
      },
      close: () => {},
    };
  }

  /** Data segments that have been sent. */
  get sent(): number {
    return this.#counts.withPayload;
  }

  /** Requests and responses, one each of every connection a round. Returns the packets handed in. */
  run(rounds: number): number {
    const n = this.#connections;
    for (let round = 0; round < rounds; round++) {
      this.#pass();
      this.#captures.wake(n, 52 + REQUEST);
      this.#pass();
      this.#stream?.handleData(this.#frames, this.#frames.size);
      for (let i = 0; i < n; i++) this.#turn(i);
    }
    return rounds * n * 2;
  }

  /** The control connection, as the copier sees it. */
  private get stream(): ByteStream {
    return {
      peer: 'steady state',
      backlog: 0,
      start: (handler) => {
        this.#stream = handler;
      },
      send: () => true,
      close: () => {},
    };
  }

  #pass(): void {
    this.#now += STEP;
    for (const timer of this.#timers) {
      if (timer.at > this.#now) continue;
      timer.at = Number.POSITIVE_INFINITY;
      timer.expire();
    }
  }

  #establish(): void {
    const n = this.#connections;
    const stamps: OptionsRecord = { timestamps: [77_000, 88_000] };
    this.#load('S', 1000, 0, 0, { ...stamps, mss: 1460 });
    this.#captures.wake(n, 56);
    this.#answer('SA', 9000, 1001, 0, { ...stamps, mss: 1460 });
    this.#stream?.handleData(this.#frames, this.#frames.size);
    this.#load('A', 1001, 5001, 0, stamps);
    this.#captures.wake(n, 52);
    this.#load('PA', 1001, 5001, REQUEST, stamps);
    this.#answer('PA', 9001, 1001 + REQUEST, RESPONSE, stamps);
  }

  /** Puts a segment of each client into its slot. */
  #load(flags: string, seq: number, ack: number, length: number, options: OptionsRecord): void {
    for (let i = 0; i < this.#connections; i++) {
      const from = { address: '10.1.2.3', port: FIRST_PORT + i };
      const to = { address: '10.8.0.1', port: 80 };
      const packet = build(from, to, flags, seq, ack, length, options);
      this.#captures.memory.bytes.set(packet, i * SLOT);
    }
  }

  /** Puts the header of a segment of the target, for each connection, into its frame. */
  #answer(flags: string, seq: number, ack: number, length: number, options: OptionsRecord): void {
    const { bytes } = this.#frames;
    for (let i = 0; i < this.#connections; i++) {
      const frame = Math.floor(i / MAX_FRAME_MESSAGES) * FRAME_LENGTH;
      bytes[frame] = 0;
      bytes[frame + 1] = MAX_FRAME_MESSAGES;
      const to = { address: '10.1.2.3', port: FIRST_PORT + i };
      const from = { address: '10.9.0.1', port: 8080 };
      const packet = build(from, to, flags, seq, ack, length, options);
      bytes.fill(0, this.#messageAt(i), this.#messageAt(i) + MESSAGE_LENGTH);
      bytes.set(packet.subarray(0, packet.length - length), this.#messageAt(i));
    }
  }

  #messageAt(i: number): number {
    const frame = (i / MAX_FRAME_MESSAGES) | 0;
    return FRAME_HEADER_LENGTH * (frame + 1) + i * MESSAGE_LENGTH;
  }

  /** Makes the next request and the next response of connection `i`, in place. */
  #turn(i: number): void {
    const { view } = this.#captures.memory;
    const at = i * SLOT;
    const seq = view.getInt32(at + SEQ_AT);
    const ack = view.getInt32(at + ACK_AT);
    view.setInt32(at + SEQ_AT, seq + REQUEST);
    view.setInt32(at + ACK_AT, ack + RESPONSE);
    let check = view.getUint16(at + CHECKSUM_AT);
    check = updateChecksum32(check, seq, seq + REQUEST);
    view.setUint16(at + CHECKSUM_AT, updateChecksum32(check, ack, ack + RESPONSE));
    const answer = this.#messageAt(i);
    const target = this.#frames.view;
    target.setInt32(answer + SEQ_AT, target.getInt32(answer + SEQ_AT) + RESPONSE);
    target.setInt32(answer + ACK_AT, target.getInt32(answer + ACK_AT) + REQUEST);
  }
}

function build(
  from: { address: string; port: number },
  to: { address: string; port: number },
  flags: string,
  seq: number,
  ack: number,
  length: number,
  options: OptionsRecord,
): Uint8Array {
  return buildPacket({
    from,
    to,
    flags,
    seq,
    ack,
    window: 60_000,
    urgentPointer: 0,
    ttl: 64,
    trafficClass: 0,
    ipId: 1,
    dontFragment: true,
    options,
    payload: payloadOf(length, seq),
  });
}
