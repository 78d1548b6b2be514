import type { Random } from '../base/random.ts';
import { addTime, type Duration, type Instant } from '../base/time.ts';
import { payloadOf } from './dialogue.ts';
import type { EventQueue } from './event-queue.ts';
import { buildPacket, type Endpoint, type OptionsRecord } from './packet.ts';

/** One request and what the online server made of it. Octets and times. */
export interface Exchange {
  readonly request: number;
  readonly response: number;
  /** Of the server. */
  readonly serverTime: Duration;
  /** Of the client, after the response. */
  readonly think: Duration;
  /** The next request does not wait for this one's response. */
  readonly pipelined: boolean;
  /** Octets that the online server says unasked, after the response. The target never does. */
  readonly pushed?: number;
}

export type ClientEnd = 'fin' | 'reset' | 'none';

/** A connection between a client and the online server. */
export interface OnlineScript {
  readonly client: Endpoint;
  readonly online: Endpoint;
  readonly isn: number;
  readonly onlineIsn: number;
  readonly rtt: Duration;
  readonly options: OptionsRecord;
  /** Octets of a captured piece; more than an MSS where the capture merges packets. */
  readonly piece: number;
  /** Octets with which the server greets the client; 0: the client speaks first. */
  readonly greeting: number;
  readonly exchanges: readonly Exchange[];
  readonly end: ClientEnd;
  readonly startAt: Instant;
}

/** What goes wrong between the client and the capture, as probabilities. */
export interface CaptureFaults {
  /** A packet is never captured. */
  readonly loss: number;
  /** A packet is captured up to a few milliseconds late, behind others. */
  readonly late: number;
  /** The client sends something again, cut differently. */
  readonly again: number;
}

/**
 * The client as the capture on the online host sees it: its acknowledgements follow a connection on which nothing is lost.
 * The octets of its stream are `patternAt` of their sequence numbers.
 */
export class OnlineClient {
  readonly script: OnlineScript;
  /** Octets that the client has sent in all. */
  readonly total: number;
  /** Whether the capture lost octets that came no second time; known at the end of the run. */
  lostOctets = false;
  readonly #events: EventQueue;
  readonly #random: Random;
  readonly #faults: CaptureFaults;
  readonly #capture: (octets: Uint8Array) => void;
  #seq: number;
  #ack: number;
  #tsval = 1000;

  constructor(
    script: OnlineScript,
    events: EventQueue,
    random: Random,
    faults: CaptureFaults,
    capture: (octets: Uint8Array) => void,
  ) {
    this.script = script;
    this.#events = events;
    this.#random = random;
    this.#faults = faults;
    this.#capture = capture;
    this.#seq = script.isn;
    this.#ack = script.onlineIsn + 1;
    this.total = script.exchanges.reduce((sum, { request }) => sum + request, 0);
  }

  /** Schedules all that the client will be seen doing. */
  start(): void {
    const { startAt, rtt, greeting, exchanges, options } = this.script;
    let at = startAt;
    this.#emit(at, 'S', 0, options);
    this.#seq++;
    at = addTime(at, rtt);
    this.#emit(at, 'A', 0);
    if (greeting > 0) {
      at = addTime(at, rtt);
      this.#receive(at, greeting);
    }
    let owed = 0;
    for (const exchange of exchanges) {
      at = this.#request(at, exchange.request);
      owed += exchange.response;
      if (exchange.pipelined) continue;
      at = addTime(at, (rtt + exchange.serverTime) as Duration);
      this.#receive(at, owed);
      owed = 0;
      at = addTime(at, exchange.think);
      if (exchange.pushed) this.#receive(at, exchange.pushed);
    }
    this.#end(addTime(at, rtt));
  }

  #request(start: Instant, octets: number): Instant {
    const { piece } = this.script;
    const first = this.#seq;
    let at = start;
    for (let left = octets; left > 0; ) {
      const n = Math.min(left, piece);
      const seq = this.#seq;
      left -= n;
      this.#emit(at, left === 0 ? 'PA' : 'A', n);
      this.#seq += n;
      if (this.#random.chance(this.#faults.again))
        this.#retransmit(at, Math.max(first, seq - 300), seq + n);
      at = addTime(at, this.#random.int(1, 200) as Duration);
    }
    return at;
  }

  /**
   * Something of `[from, end)`, as a client does that thinks it lost. Of one request only: the server had the former when it
   * answered, and so the client knows.
   */
  #retransmit(at: Instant, first: number, end: number): void {
    const now = this.#seq;
    const from = this.#random.int(first, end);
    const length = this.#random.int(1, end - from + 1);
    this.#seq = from;
    this.#emit(addTime(at, this.#random.int(0, 3000) as Duration), 'A', length);
    this.#seq = now;
  }

  #receive(at: Instant, octets: number): void {
    this.#ack += octets;
    if (this.#random.chance(0.7)) this.#emit(at, 'A', 0);
  }

  #end(at: Instant): void {
    const { end } = this.script;
    if (end === 'fin') this.#emit(at, 'FA', 0);
    else if (end === 'reset') this.#emit(at, 'RA', 0);
  }

  #emit(at: Instant, flags: string, length: number, options?: OptionsRecord): void {
    const { client, online, options: offered } = this.script;
    this.#tsval++;
    const stamps = offered.timestamps ? { timestamps: [this.#tsval, 77] as const } : {};
    const seq = this.#seq >>> 0;
    const octets = buildPacket({
      from: client,
      to: online,
      flags,
      seq,
      ack: flags === 'S' ? 0 : this.#ack >>> 0,
      window: 29_200,
      urgentPointer: 0,
      ttl: 60,
      trafficClass: 0,
      ipId: 1,
      dontFragment: true,
      options: options ?? stamps,
      payload: payloadOf(length, seq),
    });
    const { loss, late } = this.#faults;
    if (this.#random.chance(loss)) {
      this.lostOctets ||= length > 0 || flags !== 'A';
      return;
    }
    const delay = flags !== 'S' && this.#random.chance(late) ? this.#random.int(0, 3000) : 0;
    this.#events.at(addTime(at, delay as Duration), () => this.#capture(octets));
  }
}
