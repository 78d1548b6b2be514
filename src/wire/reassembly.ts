import { Memory } from '../base/memory.ts';
import { addTime, type Duration, type Instant, NEVER, seconds } from '../base/time.ts';
import { FragmentResult, IncompleteDatagram, isImpossible } from './incomplete-datagram.ts';
import type { DatagramView } from './udp.ts';

/** Why fragments that were held are so no longer. */
export type FragmentLoss = 'timedOut' | 'evicted' | 'overlapping';

/** Datagrams of which something is held at once. Each takes 73 KB from its first use on: 4.6 MB in all. */
export const MAX_INCOMPLETE = 64;
/** From the first fragment that came on. RFC 791 §3.2 asks for 15 s at least, RFC 8200 §4.5 for 60; Linux waits 30. */
export const REASSEMBLY_TIME: Duration = seconds(30);

/**
 * Puts fragments of UDP datagrams together (RFC 791 §3.2, RFC 8200 §4.5), in bounded memory whatever comes: when
 * `MAX_INCOMPLETE` are begun, the oldest makes room. Fragments that overlap spoil their datagram (RFC 5722), over IPv4 too.
 */
export class Reassembler {
  /** In the order in which they began. */
  readonly #begun: IncompleteDatagram[] = [];
  readonly #spare: IncompleteDatagram[] = [];
  readonly #onLost: (why: FragmentLoss, packets: number) => void;
  /** After `complete`, until the next call: the whole packet, and of how many fragments it was. */
  memory: Memory = Memory.alloc(0);
  offset = 0;
  length = 0;
  packets = 0;

  /** `onLost` is told how many fragments that were held were lost, and why. */
  constructor(onLost: (why: FragmentLoss, packets: number) => void) {
    this.#onLost = onLost;
  }

  /** Datagrams of which something is held or that are spoiled. */
  get size(): number {
    return this.#begun.length;
  }

  /** `p`: a fragment that was captured whole. */
  add(now: Instant, p: DatagramView): FragmentResult {
    if (isImpossible(p)) return FragmentResult.impossible;
    const at = this.#find(p);
    const datagram = at < 0 ? this.#begin(now, p) : (this.#begun[at] as IncompleteDatagram);
    if (datagram.isSpoiled) return FragmentResult.overlapping;
    const result = datagram.take(p);
    if (result === FragmentResult.overlapping) {
      datagram.isSpoiled = true;
      this.#lose(datagram, 'overlapping');
    } else if (result === FragmentResult.complete) {
      this.#yield(datagram);
      this.#remove(at < 0 ? this.#begun.length - 1 : at);
    }
    return result;
  }

  /** When `handleTimeout` must be called, or `NEVER`. */
  pollTimeout(): Instant {
    const first = this.#begun[0];
    return first === undefined ? NEVER : addTime(first.startedAt, REASSEMBLY_TIME);
  }

  handleTimeout(now: Instant): void {
    while (this.pollTimeout() <= now) this.#drop('timedOut');
  }

  /** Nothing more will come of what is held. */
  stop(): void {
    while (this.#begun.length > 0) this.#drop('timedOut');
  }

  #find(p: DatagramView): number {
    const begun = this.#begun;
    for (let i = 0; i < begun.length; i++)
      if ((begun[i] as IncompleteDatagram).matches(p)) return i;
    return -1;
  }

  #begin(now: Instant, p: DatagramView): IncompleteDatagram {
    if (this.#begun.length === MAX_INCOMPLETE) this.#drop('evicted');
    const datagram = this.#spare.pop() ?? new IncompleteDatagram();
    datagram.begin(now, p);
    this.#begun.push(datagram);
    return datagram;
  }

  #yield(datagram: IncompleteDatagram): void {
    datagram.finish();
    this.memory = datagram.memory;
    this.offset = datagram.offset;
    this.length = datagram.length;
    this.packets = datagram.packets;
  }

  /** Lets go of the oldest. */
  #drop(why: FragmentLoss): void {
    this.#lose(this.#begun[0] as IncompleteDatagram, why);
    this.#remove(0);
  }

  #lose(datagram: IncompleteDatagram, why: FragmentLoss): void {
    if (datagram.packets > 0) this.#onLost(why, datagram.packets);
    datagram.packets = 0;
  }

  #remove(at: number): void {
    const begun = this.#begun;
    this.#spare.push(begun[at] as IncompleteDatagram);
    for (let i = at + 1; i < begun.length; i++) begun[i - 1] = begun[i] as IncompleteDatagram;
    begun.pop();
  }
}
