import type { Random } from '../base/random.ts';
import { addTime, type Duration, type Instant } from '../base/time.ts';
import type { EventQueue } from './event-queue.ts';

/** What a link does to packets: probabilities from 0 to 1, and times. */
export interface LinkFaults {
  readonly loss: number;
  readonly delay: Duration;
  /** Probability that a packet takes up to `jitter` longer, and others overtake it. */
  readonly reorder: number;
  readonly jitter: Duration;
  readonly duplicate: number;
  /** Probability that an octet is changed. */
  readonly corrupt: number;
}

export const PERFECT: LinkFaults = {
  loss: 0,
  delay: 100 as Duration,
  reorder: 0,
  jitter: 0 as Duration,
  duplicate: 0,
  corrupt: 0,
};

/** One direction of a link. */
export class LossyLink {
  readonly #events: EventQueue;
  readonly #random: Random;
  readonly #faults: LinkFaults;
  readonly #deliver: (octets: Uint8Array) => void;

  constructor(
    events: EventQueue,
    random: Random,
    faults: LinkFaults,
    deliver: (octets: Uint8Array) => void,
  ) {
    this.#events = events;
    this.#random = random;
    this.#faults = faults;
    this.#deliver = deliver;
  }

  send(now: Instant, octets: Uint8Array): void {
    const random = this.#random;
    const { loss, duplicate, corrupt } = this.#faults;
    if (random.chance(loss)) return;
    const packet = octets.slice();
    if (random.chance(corrupt)) {
      const at = random.int(0, packet.length);
      packet[at] = (packet[at] as number) ^ (1 << random.int(0, 8));
    }
    this.#carry(now, packet);
    if (random.chance(duplicate)) this.#carry(now, packet);
  }

  #carry(now: Instant, packet: Uint8Array): void {
    const { delay, reorder, jitter } = this.#faults;
    const extra = this.#random.chance(reorder) ? this.#random.int(0, jitter + 1) : 0;
    this.#events.at(addTime(now, (delay + extra) as Duration), () => this.#deliver(packet));
  }
}
