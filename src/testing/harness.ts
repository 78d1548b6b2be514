import { FlowKey } from '../base/flow-key.ts';
import { Memory } from '../base/memory.ts';
import { Random } from '../base/random.ts';
import { addTime, type Duration, type Instant, millis, NEVER, seconds } from '../base/time.ts';
import { HEADER_ROOM, type PacketSink } from '../ports/packet-sink.ts';
import { type CapturedPacket, ChecksumState } from '../ports/packet-source.ts';
import type { RouteEnds, RouteRegistrar } from '../ports/route-registrar.ts';
import { Replayer, type ReplayerConfig } from '../replay/replayer.ts';
import type { Transfer } from '../replay/transfers.ts';
import type { SessionConfig } from '../session/context.ts';
import { parseAddress, type IpAddress } from '../wire/address.ts';
import { describePacket, type Packet, readPacket } from './packet.ts';

/** A target's segment as intercept hands it over: this many octets of header. */
const HEADER_LENGTH = 64;
/** Timer expiries at one instant; more are a loop that never ends. */
const MAX_EXPIRIES = 10_000;
const TRANSCRIPT_LINES = 400;

export const DEFAULT_SESSION: SessionConfig = {
  synthesisedMss: 1460,
  holdRequests: true,
  simulateLatency: true,
  sessionTimeout: seconds(600),
  keepAliveTimeout: seconds(720),
  handshakeTimeout: seconds(15),
  gapTimeout: seconds(10),
  onGap: 'reset',
  lingerTime: seconds(6),
  closeWaitTime: seconds(60),
  closingTimeout: seconds(600),
  maxSegments: 65_536,
  maxOctets: 64 << 20,
  maxSegmentsTotal: 2_000_000,
  maxRetransmissions: 20,
  maxReconnections: 65_536,
};

export function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`not an address: ${text}`);
  return parsed;
}

/** A pair of -x without its online address. */
export const transfer = (
  port: number,
  target: string,
  targetPort: number,
  mtu = 1500,
): Transfer => ({
  address: undefined,
  port,
  target: address(target),
  targetPort,
  path: { mtu },
  loopbackOnly: target.startsWith('127.'),
});

export interface HarnessOptions {
  readonly replayer?: Partial<ReplayerConfig>;
  readonly session?: Partial<SessionConfig>;
  readonly seed?: number;
}

/** A captured packet that ends where its memory ends, so that reading beyond it cannot go unnoticed. */
class HeldPacket implements CapturedPacket {
  memory: Memory = Memory.alloc(2048);
  offset = 0;
  length = 0;
  wireLength = 0;
  checksum: ChecksumState = ChecksumState.unknown;
  receivedAt = 0;

  load(octets: Uint8Array, wireLength: number, checksum: ChecksumState): void {
    const room = (octets.length + 7) & ~7;
    if (room > this.memory.size) this.memory = Memory.alloc(room * 2);
    this.offset = (this.memory.size - octets.length) & ~3;
    this.memory.bytes.set(octets, this.offset);
    this.length = octets.length;
    this.wireLength = wireLength;
    this.checksum = checksum;
  }
}

/**
 * A replayer with a virtual clock and everything around it in memory. What it sends is read and checked by a parser of its
 * own; after every input the sums of the ledger are checked. Says what happened, line by line, when something is wrong.
 */
export class Harness implements PacketSink, RouteRegistrar {
  readonly replayer: Replayer;
  readonly memory: Memory = Memory.alloc(HEADER_ROOM);
  /** Routes registered, less those given up. */
  readonly routes: RouteEnds[] = [];
  /** Whether an intercept takes registrations. */
  hasIntercept = true;
  now: Instant = seconds(1000) as number as Instant;
  readonly #start: Instant = this.now;
  readonly #onSent: (packet: Packet, octets: Uint8Array) => void;
  readonly #packet = new HeldPacket();
  /** The kernel's time stamp of the packets captured next, in microseconds; 0: none. */
  receivedAt = 0;
  readonly #header = Memory.alloc(HEADER_LENGTH);
  readonly #transcript: Note[] = [];
  #captured = 0;
  #inBatch = false;
  #broken: Error | undefined;

  /** `onSent` receives every packet that is sent, in order. */
  constructor(options: HarnessOptions, onSent: (packet: Packet, octets: Uint8Array) => void) {
    this.#onSent = onSent;
    const config: ReplayerConfig = {
      transfers: [transfer(80, '10.9.0.1', 8080)],
      clientAddresses: { v4: undefined, v6: undefined },
      percentage: 0,
      onlyFromSyn: false,
      maxCopies: 1 << 18,
      maxPayload: 64 << 20,
      // A millisecond between two copies, and no more than a hundred between the first and the last.
      spread: millis(Math.min(Math.ceil(options.replayer?.copies ?? 1), 100)),
      ...options.replayer,
      session: { ...DEFAULT_SESSION, ...options.session },
    };
    this.replayer = new Replayer(config, new Random(options.seed ?? 1));
  }

  /** What has happened so far, the latest lines of it. */
  get transcript(): string {
    const notes = this.#transcript.slice(-TRANSCRIPT_LINES);
    return notes.map((note) => describeNote(note, this.#start)).join('\n');
  }

  /** Adds a line to the transcript; a packet is put into words only if someone wants to read it. */
  note(text: string, packet?: Packet): void {
    this.#transcript.push({ at: this.now, text, packet });
    if (this.#transcript.length > 4 * TRANSCRIPT_LINES) {
      this.#transcript.splice(0, 2 * TRANSCRIPT_LINES);
    }
  }

  /** Throws, with the transcript, unless `holds`; from then on always the same error, for whoever contains it. */
  require(holds: boolean, claim: string): void {
    if (holds) return;
    this.#broken ??= new Error(`${claim}\n${this.transcript}`);
    throw this.#broken;
  }

  /** A packet of a client has been captured. `wireLength` is what it had before the capture cut it. */
  capture(
    octets: Uint8Array,
    checksum: ChecksumState = ChecksumState.unknown,
    wireLength: number = octets.length,
  ): void {
    this.#captured++;
    this.#packet.load(octets, wireLength, checksum);
    this.#packet.receivedAt = this.receivedAt;
    this.replayer.handleClientPacket(this.now, this.#packet);
    this.#poll();
  }

  /** The header of a target's packet has come from intercept. */
  respond(octets: Uint8Array): void {
    const { bytes } = this.#header;
    bytes.fill(0);
    bytes.set(octets.subarray(0, HEADER_LENGTH));
    this.replayer.handleTargetHeader(this.now, this.#header, 0, HEADER_LENGTH, 0);
    this.#poll();
  }

  /** An intercept has refused the registration of these ends: another tcpcopy has them. */
  refuse(ends: RouteEnds): void {
    const key = new FlowKey();
    const { source, target } = ends;
    key.setAddress(0, source.w0, source.w1, source.w2, source.w3);
    key.setAddress(4, target.w0, target.w1, target.w2, target.w3);
    key.setPorts(ends.sourcePort, ends.targetPort);
    this.refuseKey(key);
  }

  /** The same, as it is read from the control connection. */
  refuseKey(key: FlowKey): void {
    this.replayer.handleTaken(this.now, key);
    this.#poll();
  }

  /** Lets time pass up to `until`, timers included. */
  advanceTo(until: Instant): void {
    let expiries = 0;
    for (let at = this.replayer.pollTimeout(); at <= until; at = this.replayer.pollTimeout()) {
      expiries = at > this.now ? 0 : expiries + 1;
      this.require(expiries < MAX_EXPIRIES, 'timers expire without end');
      if (at > this.now) this.now = at;
      this.replayer.handleTimeout(this.now);
      this.#poll();
      this.require(this.replayer.pollTimeout() > this.now, 'a timer is armed in the past');
    }
    if (until > this.now) this.now = until;
  }

  advance(duration: Duration): void {
    this.advanceTo(addTime(this.now, duration));
  }

  /** Every intercept is gone, and the routes with them. */
  loseIntercepts(): void {
    this.hasIntercept = false;
    this.routes.length = 0;
    this.#renewRoutes();
  }

  regainIntercepts(): void {
    this.hasIntercept = true;
    this.#renewRoutes();
  }

  #renewRoutes(): void {
    this.replayer.renewRoutes();
    this.#poll();
  }

  /** Ends every copy as the program does when it ends. */
  stop(): void {
    this.replayer.stop(this.now);
    this.#poll();
  }

  /** Gives the replayer a command, now. */
  command(run: (replayer: Replayer, now: Instant) => void): void {
    run(this.replayer, this.now);
    this.#poll();
  }

  /** A connection to an intercept was lost: every open copy is registered again. */
  renewRoutes(): void {
    this.replayer.renewRoutes();
    this.#poll();
  }

  /** Everything that `inputs` hands in counts as one batch: polled once, at its end. */
  batch(inputs: () => void): void {
    this.#inBatch = true;
    inputs();
    this.#inBatch = false;
    this.#poll();
  }

  #poll(): void {
    if (this.#inBatch) return;
    this.replayer.poll(this.now, this, this);
    if (this.#broken !== undefined) throw this.#broken;
    if (this.replayer.fault !== undefined) {
      const { fault } = this.replayer;
      const text = fault instanceof Error ? (fault.stack ?? fault.message) : 'not an Error';
      this.require(false, `a fault was contained: ${text}`);
    }
    this.checkLedger();
  }

  /** Connections that the ledger takes for open. */
  get open(): number {
    return this.replayer.ledger.open;
  }

  /** Every captured packet is in one bucket, and no more connections have ended than began. */
  checkLedger(): void {
    const { ledger } = this.replayer;
    const sum = [...ledger.packetErrors, ...ledger.verdicts].reduce((a, b) => a + b, 0);
    this.require(ledger.captured === this.#captured, 'captured packets are counted');
    this.require(
      sum === this.#captured,
      `${this.#captured} packets captured, ${sum} accounted for`,
    );
    this.require(this.open >= 0 && this.open <= this.replayer.size, 'connections add up');
    this.require(ledger.outcomes[0] === 0, 'nothing ends as "open"');
    this.require(this.replayer.context.requests.open >= 0, 'requests add up');
  }

  /** Lets every timer run out and checks that nothing is left of any copy. */
  finish(): void {
    for (let i = 0; i < 10 && this.replayer.size > 0; i++) this.advance(seconds(1000));
    const { context, size } = this.replayer;
    this.require(size === 0, `${size} copies never end`);
    this.require(this.replayer.isEmpty, 'something is left of copies that have ended');
    this.require(this.open === 0, `${this.open} connections without an outcome`);
    this.require(context.requests.open === 0, `${context.requests.open} requests never end`);
    this.require(this.replayer.pollTimeout() === NEVER, 'a timer is left');
    this.require(context.store.used === 0, `${context.store.used} rows are left`);
    this.require(context.pool.used === 0, `${context.pool.used} octets are left`);
    this.require(this.routes.length === 0, `${this.routes.length} routes are left`);
  }

  // The sink.

  begin(): number {
    return 0;
  }

  commit(headerLength: number, payload: Memory | null, offset: number, length: number): void {
    const octets = new Uint8Array(headerLength + length);
    octets.set(this.memory.bytes.subarray(0, headerLength));
    if (length > 0) {
      this.require(payload !== null, 'a payload without memory');
      octets.set((payload as Memory).bytes.subarray(offset, offset + length), headerLength);
    }
    let packet: Packet;
    try {
      packet = readPacket(octets);
    } catch (error) {
      throw new Error(`a packet that no one can read: ${String(error)}\n${this.transcript}`);
    }
    this.note('sent    ', packet);
    this.#onSent(packet, octets);
  }

  // The registrar; `flush` is the sink's too.

  register(ends: RouteEnds): number {
    if (!this.hasIntercept) return -1;
    // As at intercept: to register a route again is to refresh it.
    if (!this.routes.some((r) => isSameRoute(r, ends))) this.routes.push(ends);
    return 1;
  }

  unregister(ends: RouteEnds, slot: number): void {
    if (slot < 0) return;
    const at = this.routes.findIndex((r) => isSameRoute(r, ends));
    this.require(at >= 0, 'a route is given up that was never registered');
    this.routes.splice(at, 1);
  }

  flush(): void {}
}

interface Note {
  readonly at: Instant;
  readonly text: string;
  readonly packet: Packet | undefined;
}

function describeNote({ at, text, packet }: Note, start: Instant): string {
  const t = ((at - start) / 1e6).toFixed(6);
  return `${t.padStart(12)} ${text}${packet === undefined ? '' : ` ${describePacket(packet)}`}`;
}

const isSameRoute = (a: RouteEnds, b: RouteEnds): boolean =>
  a.source.equals(b.source) &&
  a.sourcePort === b.sourcePort &&
  a.target.equals(b.target) &&
  a.targetPort === b.targetPort;
