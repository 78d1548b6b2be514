import type { Memory } from '../base/memory.ts';
import { addTime, type Instant, NEVER, seconds } from '../base/time.ts';
import type { Interceptor } from '../intercept/interceptor.ts';
import type { FrameSink } from '../intercept/outbox.ts';
import type { ResponseSource } from '../intercept/target-set.ts';
import type { CapturedPacket, PacketSource } from '../ports/packet-source.ts';
import type { Clock, WakeTimer, Watchable } from '../ports/reactor.ts';
import type { ByteStream } from '../ports/stream.ts';
import { type BatchHandler, serveBatches } from './batches.ts';

export interface InterceptionParts {
  readonly interceptor: Interceptor;
  readonly source: PacketSource & Watchable;
  readonly clock: Clock;
  readonly openTimer: (callback: () => void) => WakeTimer;
  /** What those connected want captured has changed: responses of `sources`, and so many octets of payload of each. */
  readonly onWanted: (sources: readonly ResponseSource[], payload: number) => void;
}

/** How often those connected are told what was captured and what was lost. */
const REPORT_INTERVAL = seconds(1);

/** The loop of intercept. */
export class Interception implements BatchHandler, FrameSink {
  readonly #parts: InterceptionParts;
  readonly #timer: WakeTimer;
  readonly #streams = new Map<number, ByteStream>();
  #nextConnection = 1;
  #now: Instant;
  #reportAt: Instant = NEVER;
  #targetsVersion = 0;
  #payload = 0;

  constructor(parts: InterceptionParts) {
    this.#parts = parts;
    this.#now = parts.clock.now();
    this.#timer = parts.openTimer(() => this.#handleTimer());
  }

  start(): void {
    const { source, clock } = this.#parts;
    source.onReadable(() => serveBatches(source, clock, this));
  }

  stop(): void {
    this.#parts.source.close();
    this.#drain();
    this.#timer.close();
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
  }

  /** A tcpcopy has connected. */
  accept(stream: ByteStream): void {
    const { interceptor, clock } = this.#parts;
    const connection = this.#nextConnection++;
    const now = clock.now();
    if (!interceptor.handleConnection(now, connection, stream.peer, stream.channelBinding)) {
      stream.close();
      this.#arm();
      return;
    }
    this.#streams.set(connection, stream);
    stream.start({
      handleData: (memory, length) => this.#handleControlData(connection, memory, length),
      handleClose: (reason) => this.#handleClosed(connection, reason),
    });
    if (this.#reportAt === NEVER) this.#reportAt = addTime(now, REPORT_INTERVAL);
    this.#arm();
  }

  /** Somebody has connected who could not be served. */
  refuse(peer: string, reason: string): void {
    const { interceptor, clock } = this.#parts;
    interceptor.handleRefused(clock.now(), peer, reason);
    this.#arm();
  }

  beginBatch(now: Instant): void {
    this.#now = now;
  }

  endBatch(): void {
    this.#drain();
  }

  handlePacket(packet: CapturedPacket): void {
    this.#parts.interceptor.handleResponse(this.#now, packet);
  }

  sendFrames(connection: number, memory: Memory, offset: number, length: number): boolean {
    return this.#streams.get(connection)?.send(memory, offset, length) ?? false;
  }

  closeConnection(connection: number): void {
    this.#streams.get(connection)?.close();
    this.#streams.delete(connection);
  }

  #handleControlData(connection: number, memory: Memory, length: number): void {
    const { interceptor, clock } = this.#parts;
    this.#now = clock.now();
    interceptor.handleControlData(this.#now, connection, memory, length);
    this.#tellWhatIsWanted();
    this.#drain();
  }

  #handleClosed(connection: number, reason: string): void {
    if (!this.#streams.delete(connection)) return;
    const { interceptor, clock } = this.#parts;
    interceptor.handleDisconnect(clock.now(), connection, reason);
    this.#tellWhatIsWanted();
    this.#arm();
  }

  #handleTimer(): void {
    this.#now = this.#parts.clock.now();
    this.#parts.interceptor.handleTimeout(this.#now);
    this.#tellWhatIsWanted();
    if (this.#reportAt <= this.#now) this.#report();
    this.#drain();
  }

  #report(): void {
    const { interceptor, source } = this.#parts;
    const isAnybodyThere = interceptor.connectionCount > 0;
    this.#reportAt = isAnybodyThere ? addTime(this.#now, REPORT_INTERVAL) : NEVER;
    this.#tellWhatIsWanted(interceptor.wantedPayload);
    if (isAnybodyThere) interceptor.reportCounts(source.statistics().dropped);
  }

  /** More is captured at once, less with the next report: so one that changes its mind all the time costs little. */
  #tellWhatIsWanted(
    payload: number = Math.max(this.#payload, this.#parts.interceptor.wantedPayload),
  ): void {
    const { interceptor, onWanted } = this.#parts;
    const { targets } = interceptor;
    if (targets.version === this.#targetsVersion && payload === this.#payload) return;
    this.#targetsVersion = targets.version;
    this.#payload = payload;
    onWanted(targets.list(), payload);
  }

  /** One write for each connection that got something in this wake-up. */
  #drain(): void {
    const { interceptor, source } = this.#parts;
    interceptor.pollTransmit(this.#now, this);
    source.noteWaiting(interceptor.turns.take());
    this.#arm();
  }

  #arm(): void {
    this.#timer.arm(Math.min(this.#parts.interceptor.pollTimeout(), this.#reportAt) as Instant);
  }
}
