import { Memory } from '../base/memory.ts';
import { Random } from '../base/random.ts';
import { addTime, type Duration, type Instant, millis, seconds } from '../base/time.ts';
import { MESSAGE_LENGTH } from '../control/response-message.ts';
import { type CapturedPacket, ChecksumState } from '../ports/packet-source.ts';
import type { RouteRegistrar } from '../ports/route-registrar.ts';
import { Replayer } from '../replay/replayer.ts';
import { Outcome } from '../session/outcome.ts';
import { TCP } from '../wire/tcp.ts';
import { payloadOf } from './dialogue.ts';
import { DEFAULT_SESSION, transfer } from './harness.ts';
import { buildPacket, type OptionsRecord } from './packet.ts';
import { ANSWER, PlainTarget } from './plain-target.ts';

/** Payload octets of each request. */
const REQUEST = 100;
const HALF = REQUEST / 2;
const ISS = 1000;
const IRS = 5000;
const FIRST_ADDRESS = 0x0a_20_00_00;
const FIRST_PORT = 20_000;
const PORTS = 40_000;
const ROOM = 256;
const SOURCE_AT = 12;
const TCP_AT = 20;
/** Connections that do the same at one time. */
const BATCH = 64;
/** Until the target's answer, and until the client's next segment. */
const STEP = millis(1);

/** The segment in hand, as the capture tells of it. */
class Captured implements CapturedPacket {
  readonly memory: Memory = Memory.alloc(ROOM);
  readonly offset = 0;
  readonly checksum: ChecksumState = ChecksumState.valid;
  readonly receivedAt = 0;
  length = 0;
  wireLength = 0;
}

/** Nobody has to be told. */
const NO_ROUTES: RouteRegistrar = { register: () => 1, unregister: () => {}, flush: () => {} };

/**
 * Very many copies in one replayer, each of a client with an address of its own and the options that Linux sends, in virtual
 * time, with nothing beside them that grows: what the process holds is what the copies hold.
 */
export class ManyCopies {
  readonly replayer: Replayer;
  readonly #target = new PlainTarget(4 * BATCH);
  readonly #packet = new Captured();
  readonly #templates = new Map<string, Uint8Array>();
  #now: Instant = seconds(10_000) as number as Instant;
  /** Times that timers had to be looked at. */
  wakeUps = 0;

  constructor(maxCopies: number = 1 << 18) {
    this.replayer = new Replayer(
      {
        transfers: [transfer(80, '10.9.0.1', 8080)],
        clientAddresses: { v4: undefined, v6: undefined },
        percentage: 0,
        onlyFromSyn: false,
        maxCopies,
        maxPayload: 512 << 20,
        session: DEFAULT_SESSION,
      },
      new Random(1),
    );
  }

  /** Requests that have arrived at the target. */
  get requests(): number {
    return this.#target.requests;
  }

  /** Segments sent, of all kinds. */
  get sent(): number {
    return this.replayer.context.counters.sent;
  }

  /** Copies whose connections were closed on both sides. */
  get completed(): number {
    return this.replayer.ledger.outcomes[Outcome.completed] as number;
  }

  /** Copies that have ended in any way. */
  get ended(): number {
    return this.replayer.ledger.outcomes.reduce((a, b) => a + b, 0);
  }

  /** Connections `first` to `first + count - 1` begin, and ask `requests` times. */
  open(first: number, count: number, requests: number): void {
    for (let from = first; from < first + count; from += BATCH) {
      const to = Math.min(from + BATCH, first + count);
      this.#each(from, to, 'S', 0, 0);
      this.#each(from, to, 'A', 0, 0);
      for (let k = 0; k < requests; k++) {
        this.#each(from, to, 'PA', k, REQUEST);
        this.#each(from, to, 'A', k + 1, 0);
      }
    }
  }

  /** Connections that have asked `requests` times ask once more, in two segments, of which the target gets the first the second time only. */
  askWithLoss(first: number, count: number, requests: number): void {
    this.#target.loses = true;
    for (let from = first; from < first + count; from += BATCH) {
      const to = Math.min(from + BATCH, first + count);
      this.#each(from, to, 'A', requests, HALF);
      this.#each(from, to, 'PA', requests + HALF / REQUEST, HALF, requests);
      this.advance(millis(300)); // It is time for a timeout, if nothing else has made it come again.
      this.#each(from, to, 'A', requests + 1, 0);
    }
    this.#target.loses = false;
  }

  /** Connections `first` and on begin, ask once and end, `rate` of them a second. */
  churn(first: number, count: number, rate: number): void {
    for (let from = first; from < first + count; from += BATCH) {
      const begun = Math.min(BATCH, first + count - from);
      const next = addTime(this.#now, seconds(begun / rate));
      this.open(from, begun, 1);
      this.close(from, begun, 1);
      if (next > this.#now) this.advance((next - this.#now) as Duration);
    }
  }

  /** Connections that have asked `requests` times end. */
  close(first: number, count: number, requests: number): void {
    for (let from = first; from < first + count; from += BATCH) {
      this.#each(from, Math.min(from + BATCH, first + count), 'FA', requests, 0);
    }
  }

  /** Nothing happens for so long. */
  advance(duration: Duration): void {
    const until = addTime(this.#now, duration);
    for (let at = this.replayer.pollTimeout(); at <= until; at = this.replayer.pollTimeout()) {
      this.#now = Math.max(at, this.#now) as Instant;
      this.wakeUps++;
      this.replayer.handleTimeout(this.#now);
      this.#drain();
    }
    this.#now = until;
  }

  /** A segment of each of the connections, after `k` requests and `answers`, is captured. */
  #each(
    from: number,
    to: number,
    flags: string,
    k: number,
    length: number,
    answers: number = k,
  ): void {
    const { memory } = this.#packet;
    const template = this.#template(flags, length);
    memory.bytes.set(template);
    this.#packet.length = this.#packet.wireLength = template.length;
    if (flags !== 'S') {
      memory.view.setInt32(TCP_AT + TCP.seq, ISS + 1 + k * REQUEST);
      memory.view.setInt32(TCP_AT + TCP.ack, IRS + 1 + answers * ANSWER);
    }
    for (let i = from; i < to; i++) {
      memory.view.setInt32(SOURCE_AT, FIRST_ADDRESS + i);
      memory.view.setUint16(TCP_AT + TCP.sourcePort, FIRST_PORT + (i % PORTS));
      this.replayer.handleClientPacket(this.#now, this.#packet);
    }
    this.#drain();
    this.advance(STEP);
  }

  /** Sends what is due, and brings the answers, until neither is left. */
  #drain(): void {
    const target = this.#target;
    this.replayer.poll(this.#now, NO_ROUTES, target);
    while (target.waiting > 0) {
      const { waiting } = target;
      target.waiting = 0;
      for (let i = 0; i < waiting; i++) {
        this.replayer.handleTargetHeader(
          this.#now,
          target.answers,
          i * MESSAGE_LENGTH,
          MESSAGE_LENGTH,
          0,
        );
      }
      this.replayer.poll(this.#now, NO_ROUTES, target);
    }
  }

  #template(flags: string, length: number): Uint8Array {
    const name = `${flags}${length}`;
    const known = this.#templates.get(name);
    if (known !== undefined) return known;
    const stamps: OptionsRecord = { timestamps: [77_000, flags === 'S' ? 0 : 88_000] };
    const made = buildPacket({
      from: { address: '10.32.0.0', port: FIRST_PORT },
      to: { address: '10.8.0.1', port: 80 },
      flags,
      seq: ISS,
      ack: 0,
      window: 60_000,
      urgentPointer: 0,
      ttl: 64,
      trafficClass: 0,
      ipId: 1,
      dontFragment: true,
      options:
        flags === 'S' ? { mss: 1460, sackPermitted: true, ...stamps, windowScale: 7 } : stamps,
      payload: payloadOf(length, 0),
    });
    this.#templates.set(name, made);
    return made;
  }
}
