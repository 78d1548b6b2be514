import type { Random } from '../base/random.ts';
import { addTime, type Duration, elapsed, type Instant } from '../base/time.ts';
import type { EventQueue } from './event-queue.ts';

/** What a link does to packets: probabilities from 0 to 1, times, octets. */
export interface LinkFaults {
  readonly loss: number;
  readonly delay: Duration;
  /** Probability that a packet takes up to `jitter` longer, and others overtake it. */
  readonly reorder: number;
  readonly jitter: Duration;
  readonly duplicate: number;
  /** Probability that a bit is changed. */
  readonly corrupt: number;
  /** Octets a second; 0: no limit. */
  readonly rate: number;
  /** Octets that may wait for their turn where there is a rate; a packet that finds no room is lost. */
  readonly queue: number;
  /** Octets of the longest packet that passes in one piece; 0: no limit. See `Link`. */
  readonly mtu: number;
}

export const PERFECT: LinkFaults = {
  loss: 0,
  delay: 100 as Duration,
  reorder: 0,
  jitter: 0 as Duration,
  duplicate: 0,
  corrupt: 0,
  rate: 0,
  queue: 0,
  mtu: 0,
};

/** Of each fragment of an IPv4 packet (RFC 791 §3.1), options left out. */
const IP_HEADER = 20;

/** What became of the packets of a link. */
export class LinkCounters {
  lost = 0;
  corrupted = 0;
  duplicated = 0;
  /** Found the queue full. */
  overflowed = 0;
  /** Went in fragments. */
  fragmented = 0;
  /** Too long, and not to be fragmented. */
  tooLong = 0;
}

/**
 * One direction of a link. A packet longer than the MTU goes in fragments where its header allows that: each of them may be
 * lost, and the whole arrives with the last. Where the header forbids it, and in IPv6, the packet is dropped and its sender
 * told (RFC 1191, RFC 8201), who may or may not listen.
 */
export class Link {
  readonly counters: LinkCounters = new LinkCounters();
  readonly #events: EventQueue;
  readonly #random: Random;
  readonly #faults: LinkFaults;
  readonly #deliver: (octets: Uint8Array) => void;
  readonly #tooLong: (octets: Uint8Array, mtu: number) => void;
  /** When the last packet in the queue will have left. */
  #busyUntil: Instant = 0 as Instant;

  constructor(
    events: EventQueue,
    random: Random,
    faults: LinkFaults,
    deliver: (octets: Uint8Array) => void,
    tooLong: (octets: Uint8Array, mtu: number) => void = () => {},
  ) {
    this.#events = events;
    this.#random = random;
    this.#faults = faults;
    this.#deliver = deliver;
    this.#tooLong = tooLong;
  }

  /** The octets are kept until they have arrived. */
  send(now: Instant, octets: Uint8Array): void {
    const { counters } = this;
    const random = this.#random;
    const { duplicate, corrupt, mtu } = this.#faults;
    if (mtu > 0 && octets.length > mtu && !mayFragment(octets)) {
      counters.tooLong++;
      this.#events.at(addTime(now, this.#faults.delay), () => this.#tooLong(octets, mtu));
      return;
    }
    let packet = octets;
    if (random.chance(corrupt)) {
      counters.corrupted++;
      packet = octets.slice();
      flipBit(packet, random);
    }
    this.#carry(now, packet);
    if (random.chance(duplicate)) {
      counters.duplicated++;
      this.#carry(now, packet);
    }
  }

  #carry(now: Instant, packet: Uint8Array): void {
    const { mtu } = this.#faults;
    const room = Math.max(8, (mtu - IP_HEADER) & ~7);
    const isWhole = mtu === 0 || packet.length <= mtu;
    const pieces = isWhole ? 1 : Math.ceil((packet.length - IP_HEADER) / room);
    if (pieces > 1) this.counters.fragmented++;
    let last = now;
    let isComplete = true;
    for (let i = 0; i < pieces; i++) {
      const length = pieces === 1 ? packet.length : Math.min(mtu, packet.length);
      const at = this.#passage(now, length);
      if (at < 0) isComplete = false;
      else if (at > last) last = at;
    }
    if (isComplete) this.#events.at(last, () => this.#deliver(packet));
  }

  /** When a packet or fragment arrives; −1: never. */
  #passage(now: Instant, length: number): Instant {
    const { loss, delay, reorder, jitter } = this.#faults;
    const left = this.#departure(now, length);
    if (left < 0) return left;
    if (this.#random.chance(loss)) {
      this.counters.lost++;
      return -1 as Instant;
    }
    const extra = this.#random.chance(reorder) ? this.#random.int(0, jitter + 1) : 0;
    return addTime(left, (delay + extra) as Duration);
  }

  /** When the last octet has left; −1 where there is no room to wait. */
  #departure(now: Instant, length: number): Instant {
    const { rate, queue } = this.#faults;
    if (rate === 0) return now;
    const waiting = Math.max(0, elapsed(now, this.#busyUntil)) * (rate / 1e6);
    if (waiting > 0 && waiting + length > queue) {
      this.counters.overflowed++;
      return -1 as Instant;
    }
    const start = Math.max(now, this.#busyUntil);
    this.#busyUntil = Math.ceil(start + (length * 1e6) / rate) as Instant;
    return this.#busyUntil;
  }
}

/** RFC 791: IPv4 without Don't Fragment. */
const mayFragment = (octets: Uint8Array): boolean =>
  (octets[0] as number) >> 4 === 4 && ((octets[6] as number) & 0x40) === 0;

/** Changes one bit from octet `first` on. Any Internet checksum that covers it notices. */
export function flipBit(packet: Uint8Array, random: Random, first = 0): void {
  const at = random.int(first, packet.length);
  packet[at] = (packet[at] as number) ^ (1 << random.int(0, 8));
}
