import type { Memory } from '../base/memory.ts';
import type { Instant } from '../base/time.ts';
import type { FrameSink, Interceptor } from '../intercept/interceptor.ts';
import type { CapturedPacket, PacketSource } from '../ports/packet-source.ts';
import type { Clock, WakeTimer, Watchable } from '../ports/reactor.ts';
import type { ByteStream } from '../ports/stream.ts';
import { type BatchHandler, serveBatches } from './batches.ts';

export interface InterceptionParts {
  readonly interceptor: Interceptor;
  readonly source: PacketSource & Watchable;
  readonly clock: Clock;
  readonly openTimer: (callback: () => void) => WakeTimer;
}

/** The loop of intercept. */
export class Interception implements BatchHandler, FrameSink {
  readonly #parts: InterceptionParts;
  readonly #timer: WakeTimer;
  readonly #streams = new Map<number, ByteStream>();
  #nextConnection = 1;
  #now: Instant;

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
    if (!interceptor.handleConnection(clock.now(), connection, stream.peer)) {
      stream.close();
      this.#arm();
      return;
    }
    this.#streams.set(connection, stream);
    stream.start({
      handleData: (memory, length) => this.#handleControlData(connection, memory, length),
      handleClose: (reason) => this.#handleClosed(connection, reason),
    });
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
    this.#drain();
  }

  #handleClosed(connection: number, reason: string): void {
    if (!this.#streams.delete(connection)) return;
    const { interceptor, clock } = this.#parts;
    interceptor.handleDisconnect(clock.now(), connection, reason);
    this.#arm();
  }

  #handleTimer(): void {
    this.#now = this.#parts.clock.now();
    this.#parts.interceptor.handleTimeout(this.#now);
    this.#drain();
  }

  /** One write for each connection that got something in this wake-up. */
  #drain(): void {
    const { interceptor, source } = this.#parts;
    interceptor.pollTransmit(this.#now, this);
    source.noteWaiting(interceptor.turns.take());
    this.#arm();
  }

  #arm(): void {
    this.#timer.arm(this.#parts.interceptor.pollTimeout());
  }
}
