import { elapsed, type Instant, NEVER, seconds } from '../base/time.ts';
import { Verdict } from '../session/verdict.ts';
import { TokenBucket } from './token-bucket.ts';

/** The most that may happen in a second; 0: no limit. */
export interface Rates {
  /** Copies that begin. */
  readonly connections: number;
  /** Packets to the targets. */
  readonly packets: number;
  /** Octets of such packets, IP headers included. */
  readonly octets: number;
}

export const NO_RATES: Rates = { connections: 0, packets: 0, octets: 0 };

/** Of a second's worth, what may come at once: what a target feels is the mean over a tenth of a second. */
const AT_ONCE = 0.1;
/** Copies have waited for their turn for so long without a break: what begins now would only wait longer. */
const PATIENCE = seconds(1);

/**
 * Limits on what the targets get in a second. What a copy has to send waits for its turn, as it would on a slow network, so
 * nothing of a connection is lost; but no copy begins while others have waited for longer than a second.
 */
export class Throttle {
  readonly #connections = new TokenBucket();
  readonly #packets = new TokenBucket();
  readonly #octets = new TokenBucket();
  /** Since when somebody has been waiting; `NEVER`: nobody is. */
  #waitingSince: Instant = NEVER;
  /** When the next one's turn comes; `NEVER` while nobody waits. */
  #nextAt: Instant = NEVER;
  /** What is ready now may all pass, whatever the limits. */
  #isOpen = false;

  constructor(rates: Rates) {
    this.set(0 as Instant, rates);
  }

  /** Whether what is sent is counted at all: then few copies are looked at together. */
  get isLimiting(): boolean {
    return this.#packets.isLimiting || this.#octets.isLimiting;
  }

  /** Whether copies wait for their turn, or would if one more began. */
  isBusy(now: Instant): boolean {
    return this.#waitingSince !== NEVER || !this.#connections.has(now);
  }

  /** From `now` on, other limits. */
  set(now: Instant, rates: Rates): void {
    this.#connections.set(now, rates.connections, atOnce(rates.connections));
    this.#packets.set(now, rates.packets, atOnce(rates.packets));
    this.#octets.set(now, rates.octets, atOnce(rates.octets));
    // Who waits is looked at again at once.
    if (this.#nextAt !== NEVER) this.#nextAt = now;
  }

  /** When copies that wait should be polled again. */
  get nextAt(): Instant {
    return this.#nextAt;
  }

  /** Why no copy may begin now; undefined when one may. */
  refusal(now: Instant): Verdict | undefined {
    if (!this.#connections.has(now)) return Verdict.overRate;
    const isBehind = this.#waitingSince !== NEVER && elapsed(this.#waitingSince, now) > PATIENCE;
    return isBehind ? Verdict.overLoad : undefined;
  }

  noteBegun(): void {
    this.#connections.spend(1);
  }

  /** Whether the next copy may send. One that may sends all that it has. */
  mayPass(now: Instant): boolean {
    return this.#isOpen || this.#hasTokens(now);
  }

  /** Lets all that is ready pass at the next poll: what is over should not wait, lest it meet what begins in its place. */
  letPass(): void {
    this.#isOpen = true;
  }

  #hasTokens(now: Instant): boolean {
    return this.#packets.has(now) && this.#octets.has(now);
  }

  noteSent(packets: number, octets: number): void {
    this.#packets.spend(packets);
    this.#octets.spend(octets);
  }

  /** Somebody has to wait; `mayPass` has just said so. */
  noteWaiting(now: Instant): void {
    if (this.#waitingSince === NEVER) this.#waitingSince = now;
    const { readyAt: packets } = this.#packets;
    const { readyAt: octets } = this.#octets;
    this.#nextAt = packets > octets ? packets : octets;
  }

  noteNobodyWaits(): void {
    this.#isOpen = false;
    this.#waitingSince = NEVER;
    this.#nextAt = NEVER;
  }
}

const atOnce = (rate: number): number => Math.max(1, rate * AT_ONCE);
