import type { Random } from '../base/random.ts';
import { addTime, type Duration, type Instant, millis } from '../base/time.ts';
import { ChecksumState } from '../ports/packet-source.ts';
import type { EventQueue } from './event-queue.ts';
import { flipBit } from './link.ts';
import { buildPacket, type Packet } from './packet.ts';

/** What the capture on the online host does to what passes it. Probabilities unless said otherwise. */
export interface CaptureFaults {
  /** A packet is not captured. */
  readonly loss: number;
  /** A packet is handed over up to a few milliseconds late, behind others. */
  readonly late: number;
  /** A packet is seen on two interfaces. */
  readonly twice: number;
  /** The capture keeps only the beginning of a packet. */
  readonly truncate: number;
  /** A segment is merged with those that follow it at once (GRO), up to 64 KiB. */
  readonly merge: number;
  /** The checksum is not filled in: the sender leaves it to its hardware. */
  readonly offload: number;
  /** The kernel's time stamps come with the packets. */
  readonly stamps: boolean;
  /** For how long packets gather before they are handed over in one batch; 0: each by itself. */
  readonly gather: Duration;
  /** The capture begins so long after the world. */
  readonly startsAfter: Duration;
  /** Times, since the start of the world, in which nothing is handed over; up to `keeps` packets wait for the end. */
  readonly stalls: readonly { from: Duration; length: Duration; keeps: number }[];
}

export const FAITHFUL: CaptureFaults = {
  loss: 0,
  late: 0,
  twice: 0,
  truncate: 0,
  merge: 0,
  offload: 0,
  stamps: false,
  gather: 0 as Duration,
  startsAfter: 0 as Duration,
  stalls: [],
};

/** One packet as the capture hands it over. */
export interface Captured {
  readonly octets: Uint8Array;
  readonly wireLength: number;
  readonly checksum: ChecksumState;
  /** When it passed. */
  readonly seenAt: Instant;
  /** What it says; undefined where it is damaged or not all there. */
  readonly packet: Packet | undefined;
}

/** Merging waits so long for what follows. */
const MERGE_WAIT = millis(1);
const MAX_LATE = 3000;
/** TCP's checksum covers the addresses, 12 octets into an IPv4 header; damage before them does no harm. */
const COVERED_FROM = 12;
const MAX_MERGED = 65_000;

/** Where client packets are captured. */
export class CapturePoint {
  readonly #events: EventQueue;
  readonly #random: Random;
  readonly #faults: CaptureFaults;
  readonly #startedAt: Instant;
  readonly #handle: (batch: readonly Captured[]) => void;
  /** By client port, a segment that waits for what follows it. */
  readonly #merging = new Map<number, { packet: Packet; seenAt: Instant }>();
  #batch: Captured[] = [];
  #now: Instant;

  /** `handle` receives what was captured, one or more packets at a time. */
  constructor(
    events: EventQueue,
    random: Random,
    faults: CaptureFaults,
    startedAt: Instant,
    handle: (batch: readonly Captured[]) => void,
  ) {
    this.#events = events;
    this.#random = random;
    this.#faults = faults;
    this.#startedAt = startedAt;
    this.#handle = handle;
    this.#now = startedAt;
  }

  /** A packet passes at `now`. */
  pass(now: Instant, packet: Packet, isDamaged: boolean): void {
    this.#now = now;
    const { merge, startsAfter } = this.#faults;
    if (now < addTime(this.#startedAt, startsAfter)) return;
    if (isDamaged) {
      this.#unmerge(packet.from.port);
      this.#tap(this.#damaged(packet));
      return;
    }
    const held = this.#merging.get(packet.from.port);
    if (held !== undefined && continues(held.packet, packet)) {
      held.packet = merged(held.packet, packet);
      if (packet.flags !== 'A') this.#unmerge(packet.from.port);
      return;
    }
    this.#unmerge(packet.from.port);
    if (packet.flags === 'A' && packet.payload.length > 0 && this.#random.chance(merge)) {
      this.#hold(packet);
    } else this.#tap(this.#captured(packet, now, ChecksumState.unknown));
  }

  #hold(packet: Packet): void {
    const held = { packet, seenAt: this.#now };
    const { port } = packet.from;
    this.#merging.set(port, held);
    const at = addTime(this.#now, MERGE_WAIT);
    this.#events.at(at, () => {
      this.#now = at;
      if (this.#merging.get(port) === held) this.#unmerge(port);
    });
  }

  #unmerge(port: number): void {
    const held = this.#merging.get(port);
    if (held === undefined) return;
    this.#merging.delete(port);
    this.#tap(this.#captured(held.packet, held.seenAt, ChecksumState.partial));
  }

  #damaged(packet: Packet): Captured {
    const octets = buildPacket(packet);
    flipBit(octets, this.#random, COVERED_FROM);
    const { length } = octets;
    const checksum = ChecksumState.unknown;
    return { octets, wireLength: length, checksum, seenAt: this.#now, packet: undefined };
  }

  #captured(packet: Packet, seenAt: Instant, state: ChecksumState): Captured {
    const { offload, truncate } = this.#faults;
    const whole = buildPacket(packet);
    const isOffloaded = state === ChecksumState.partial || this.#random.chance(offload);
    if (isOffloaded) whole.fill(0x55, 36, 38);
    const checksum = isOffloaded ? ChecksumState.partial : state;
    const isCut = packet.payload.length > 0 && this.#random.chance(truncate);
    const octets = isCut ? whole.subarray(0, this.#random.int(20, whole.length)) : whole;
    return {
      octets,
      wireLength: whole.length,
      checksum,
      seenAt,
      packet: isCut ? undefined : packet,
    };
  }

  #tap(captured: Captured): void {
    const { late, loss, twice } = this.#faults;
    const random = this.#random;
    if (!random.chance(loss)) {
      const isSyn = captured.packet?.flags === 'S';
      if (!isSyn && random.chance(late)) {
        const at = addTime(this.#now, random.int(1, MAX_LATE) as Duration);
        this.#events.at(at, () => {
          this.#now = at;
          this.#deliver(captured);
        });
      } else this.#deliver(captured);
    }
    if (random.chance(twice)) this.#deliver(captured);
  }

  /** Into the batch, which is handed over when it is time. */
  #deliver(captured: Captured): void {
    const since = this.#now - this.#startedAt;
    const stall = this.#faults.stalls.find((s) => s.from <= since && since < s.from + s.length);
    if (stall !== undefined && this.#batch.length >= stall.keeps) return;
    this.#batch.push(captured);
    if (this.#batch.length > 1) return;
    const wait = stall === undefined ? this.#faults.gather : stall.from + stall.length - since;
    if (wait === 0) this.#flush();
    else this.#events.at(addTime(this.#now, wait as Duration), () => this.#flush());
  }

  #flush(): void {
    const batch = this.#batch;
    this.#batch = [];
    this.#handle(batch);
  }
}

/** What GRO asks: the next octets of the same flow, and the same acknowledgement. */
const continues = (held: Packet, next: Packet): boolean =>
  next.payload.length > 0 &&
  next.seq === (held.seq + held.payload.length) >>> 0 &&
  next.ack === held.ack &&
  (next.flags === 'A' || next.flags === 'PA') &&
  held.payload.length + next.payload.length <= MAX_MERGED;

function merged(held: Packet, next: Packet): Packet {
  const payload = new Uint8Array(held.payload.length + next.payload.length);
  payload.set(held.payload);
  payload.set(next.payload, held.payload.length);
  return { ...held, flags: next.flags, payload };
}
