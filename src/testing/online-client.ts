import type { Random } from '../base/random.ts';
import { addTime, type Duration, type Instant, millis, seconds } from '../base/time.ts';
import { payloadOf } from './dialogue.ts';
import type { EventQueue } from './event-queue.ts';
import type { Endpoint, OptionsRecord, Packet } from './packet.ts';

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
  /** Some octets at the end of the request are urgent. */
  readonly isUrgent?: boolean;
  /** Probes with which the client asks, while it thinks, whether the server is still there. */
  readonly keepAlives?: number;
  /** The client closes its window after the response, and opens it when it has thought. */
  readonly closesWindow?: boolean;
}

/**
 * `halfClose`: a FIN right behind the last request, before its response. `lastWord`: on its last segment. `abort`: a reset
 * there. `fin` and `reset` come after the response.
 */
export type ClientEnd = 'fin' | 'reset' | 'none' | 'halfClose' | 'lastWord' | 'abort';

/** A connection between a client and the online server. */
export interface OnlineScript {
  readonly client: Endpoint;
  readonly online: Endpoint;
  readonly isn: number;
  readonly onlineIsn: number;
  readonly rtt: Duration;
  readonly options: OptionsRecord;
  /** Octets of a captured piece; more than an MSS where the client's own kernel hands over more at once. */
  readonly piece: number;
  /** Octets with which the server greets the client; 0: the client speaks first. */
  readonly greeting: number;
  readonly exchanges: readonly Exchange[];
  readonly end: ClientEnd;
  /** Since the start of the world or, where it uses a port again, since the end of the connection before. */
  readonly startAt: Duration;
}

/** What goes wrong between the client and the online server, before the capture sees it; as probabilities. */
export interface ClientFaults {
  /** The client sends something again that was not lost, cut differently. */
  readonly again: number;
  /** A packet never comes near the capture; the client sends it again. */
  readonly loss: number;
  /** A packet is damaged when the capture sees it: the online server drops it, the client sends it again. */
  readonly corrupt: number;
}

const RTO = millis(200);
const SYN_RTO = seconds(1);

/**
 * The client: what it does is settled beforehand, by the script and the random numbers. The octets of its stream are `patternAt`
 * of their sequence numbers.
 */
export class OnlineClient {
  readonly script: OnlineScript;
  /** Octets that the client sends in all. */
  readonly total: number;
  readonly #events: EventQueue;
  readonly #random: Random;
  readonly #faults: ClientFaults;
  readonly #deliver: (packet: Packet, isDamaged: boolean) => void;
  #seq: number;
  #ack: number;
  #tsval = 1000;
  #window = 29_200;
  #hasClosed = false;
  /** When everything that was sent has reached the server. */
  #arrivedAt = 0 as Instant;

  /** `deliver` receives every packet at its time, as it passes the capture point. */
  constructor(
    script: OnlineScript,
    events: EventQueue,
    random: Random,
    faults: ClientFaults,
    deliver: (packet: Packet, isDamaged: boolean) => void,
  ) {
    this.script = script;
    this.#events = events;
    this.#random = random;
    this.#faults = faults;
    this.#deliver = deliver;
    this.#seq = script.isn;
    this.#ack = script.onlineIsn + 1;
    this.total = script.exchanges.reduce((sum, { request }) => sum + request, 0);
  }

  /** Schedules all that the client does from `startAt` on; returns when it is through. */
  start(startAt: Instant): Instant {
    const { rtt, greeting, exchanges, options, end } = this.script;
    this.#emit(startAt, 'S', 0, options);
    this.#seq++;
    let at = addTime(this.#settled(startAt), rtt);
    this.#emit(at, 'A', 0);
    if (greeting > 0) {
      at = addTime(at, rtt);
      this.#receive(at, greeting);
    }
    let owed = 0;
    for (const [i, exchange] of exchanges.entries()) {
      const isLast = i === exchanges.length - 1;
      at = this.#request(at, exchange, isLast && end === 'lastWord');
      owed += exchange.response;
      if (isLast && end === 'abort') {
        this.#emit(at, 'RA', 0);
        return this.#settled(at);
      }
      if (isLast && end === 'halfClose') this.#emit(at, 'FA', 0);
      if (isLast && (end === 'halfClose' || end === 'lastWord')) {
        this.#seq++;
        this.#hasClosed = true;
      }
      if (exchange.pipelined) continue;
      at = addTime(this.#settled(at), (rtt + exchange.serverTime) as Duration);
      this.#receive(at, owed);
      owed = 0;
      at = this.#think(at, exchange);
      if (exchange.pushed) this.#receive(at, exchange.pushed);
    }
    at = addTime(this.#settled(at), rtt);
    if (end === 'reset' || end === 'abort') this.#emit(at, 'RA', 0);
    else if (end === 'fin' || (end !== 'none' && exchanges.length === 0)) this.#emit(at, 'FA', 0);
    return this.#settled(at);
  }

  #request(start: Instant, { request, isUrgent = false }: Exchange, closes: boolean): Instant {
    const { piece } = this.script;
    const first = this.#seq;
    let at = start;
    for (let left = request; left > 0; ) {
      const n = Math.min(left, piece);
      const seq = this.#seq;
      left -= n;
      const flags = `${isUrgent ? 'U' : ''}${closes ? 'F' : ''}PA`;
      this.#emit(at, left === 0 ? flags : 'A', n);
      this.#seq += n;
      if (this.#random.chance(this.#faults.again))
        this.#retransmit(at, Math.max(first, seq - 300), seq + n);
      at = addTime(at, this.#random.int(1, 200) as Duration);
    }
    return at;
  }

  #think(start: Instant, { think, keepAlives = 0, closesWindow = false }: Exchange): Instant {
    const at = addTime(start, think);
    if (closesWindow) {
      this.#window = 0;
      this.#emit(start, 'A', 0);
      this.#window = 29_200;
      this.#emit(at, 'A', 0);
    }
    // RFC 9293 §3.8.4: an octet already acknowledged, or none, in front of SND.NXT.
    this.#seq--;
    for (let i = 1; i <= keepAlives && this.#seq >= this.script.isn + 1; i++) {
      const length = this.#hasClosed ? 0 : this.#random.int(0, 2); // A FIN is no octet.
      this.#emit(addTime(start, ((think * i) / (keepAlives + 1)) as Duration), 'A', length);
    }
    this.#seq++;
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

  #settled(at: Instant): Instant {
    return Math.max(at, this.#arrivedAt) as Instant;
  }

  #emit(start: Instant, flags: string, length: number, options?: OptionsRecord): void {
    const packet = this.#packet(flags, length, options);
    const { loss, corrupt } = this.#faults;
    let at = start;
    // What carries nothing is not sent again, nor is a reset.
    const comesAgain = flags !== 'A' || length > 0;
    if (comesAgain && flags !== 'RA') {
      const isDamaged = this.#random.chance(corrupt);
      if (isDamaged) this.#schedule(at, packet, true);
      if (isDamaged || this.#random.chance(loss)) {
        at = addTime(at, (this.script.rtt + (flags === 'S' ? SYN_RTO : RTO)) as Duration);
      }
    }
    this.#schedule(at, packet, false);
    if (at > this.#arrivedAt) this.#arrivedAt = at;
  }

  #schedule(at: Instant, packet: Packet, isDamaged: boolean): void {
    this.#events.at(at, () => this.#deliver(packet, isDamaged));
  }

  #packet(flags: string, length: number, options?: OptionsRecord): Packet {
    const { client, online, options: offered } = this.script;
    this.#tsval++;
    const stamps = offered.timestamps ? { timestamps: [this.#tsval, 77] as const } : {};
    const seq = this.#seq >>> 0;
    return {
      from: client,
      to: online,
      flags,
      seq,
      ack: flags === 'S' ? 0 : this.#ack >>> 0,
      window: this.#window,
      urgentPointer: flags.includes('U') ? this.#random.int(1, length + 1) : 0,
      ttl: 60,
      trafficClass: 0,
      ipId: 1,
      dontFragment: true,
      options: options ?? stamps,
      payload: payloadOf(length, seq),
    };
  }
}
