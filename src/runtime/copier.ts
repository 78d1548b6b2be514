import { Histogram } from '../base/histogram.ts';
import type { FlowKey } from '../base/flow-key.ts';
import type { Memory } from '../base/memory.ts';
import { type Instant, NEVER } from '../base/time.ts';
import type { Log } from '../ports/log.ts';
import type { PacketSink } from '../ports/packet-sink.ts';
import type { CapturedPacket, PacketSource } from '../ports/packet-source.ts';
import type { Clock, WakeTimer, Watchable } from '../ports/reactor.ts';
import type { Datagrams } from '../replay/datagrams.ts';
import type { Replayer } from '../replay/replayer.ts';
import { isUdp } from '../wire/udp.ts';
import { type BatchHandler, serveBatches } from './batches.ts';
import type { InterceptLinks, LinkEvents } from './intercept-links.ts';

export interface CopierParts {
  readonly replayer: Replayer;
  /** With --udp. */
  readonly datagrams?: Datagrams | undefined;
  readonly source: PacketSource & Watchable;
  readonly sink: PacketSink;
  readonly clock: Clock;
  /** Microseconds of CLOCK_REALTIME. */
  readonly wallClock: () => number;
  readonly log: Log;
  /** Makes the timer that calls back when the replayer's deadline has come. */
  readonly openTimer: (callback: () => void) => WakeTimer;
}

/** The loop of tcpcopy: takes what has happened to the replayer, and what the replayer wants done to the network. */
export class Copier implements BatchHandler, LinkEvents {
  readonly #parts: CopierParts;
  readonly #timer: WakeTimer;
  #links: InterceptLinks | undefined;
  #now: Instant;
  #isReading = false;
  #reportedFault = false;
  #held = 0;
  readonly #onStranded: () => void;
  /** When the responses in hand were read, by the clock of the day. */
  #readAt = 0;
  /** Of responses, from the kernel of the assistant server to us, in microseconds. */
  readonly delays: Histogram = new Histogram();

  /** `onStranded` is called when the last connection to an intercept is gone: nothing can be copied any more. */
  constructor(parts: CopierParts, onStranded: () => void) {
    this.#parts = parts;
    this.#onStranded = onStranded;
    this.#now = parts.clock.now();
    this.#timer = parts.openTimer(() => this.#handleTimer());
  }

  /** Begins to copy. */
  start(links: InterceptLinks): void {
    this.#links = links;
    const { source, clock } = this.#parts;
    source.onReadable(() => serveBatches(source, clock, this));
  }

  /** Resets every open copy at its target and lets go of everything. */
  stop(): void {
    const { replayer, datagrams, clock, source } = this.#parts;
    source.close();
    this.#now = clock.now();
    replayer.stop(this.#now);
    datagrams?.stop();
    this.#drain();
    this.#timer.close();
    this.#links?.close();
  }

  /** What comes next is of other connections, though their addresses and ports may be the same: resets every open copy. */
  endRound(): void {
    const { replayer, datagrams, clock } = this.#parts;
    this.#now = clock.now();
    replayer.stop(this.#now);
    datagrams?.stop();
    this.#drain();
    replayer.forgetRound(this.#now);
  }

  /** Gives the replayer a command, such as another share, and does what follows from it. */
  command(run: (replayer: Replayer, now: Instant) => void): void {
    this.#now = this.#parts.clock.now();
    run(this.#parts.replayer, this.#now);
    this.#drain();
  }

  beginBatch(now: Instant): void {
    this.#now = now;
  }

  endBatch(): void {
    this.#drain();
  }

  handlePacket(packet: CapturedPacket): void {
    const { replayer, datagrams, source, sink } = this.#parts;
    if (datagrams === undefined || !isUdp(packet.memory, packet.offset, packet.length)) {
      replayer.handleClientPacket(this.#now, packet);
      return;
    }
    datagrams.handlePacket(this.#now, packet, sink);
    if (!source.keepsBatch) datagrams.poll(sink);
  }

  handleResponse(
    memory: Memory,
    offset: number,
    length: number,
    wireLength: number,
    receivedAt: number,
  ): void {
    // Those of one read have one time, which is not that of whatever was handled last.
    if (!this.#isReading) this.#beginRead(receivedAt > 0);
    if (receivedAt > 0) this.delays.add(this.#readAt - receivedAt);
    this.#parts.replayer.handleTargetHeader(this.#now, memory, offset, length, wireLength);
  }

  handleTaken(key: FlowKey): void {
    if (!this.#isReading) this.#beginRead(true);
    this.#parts.replayer.handleTaken(this.#now, key);
  }

  handleResponsesRead(): void {
    this.#isReading = false;
    this.#now = this.#parts.clock.now();
    this.#drain();
  }

  handleRoutesLost(): void {
    this.#now = this.#parts.clock.now();
    this.#parts.replayer.renewRoutes();
    this.#drain();
  }

  handleStranded(): void {
    this.#onStranded();
  }

  #beginRead(isStamped: boolean): void {
    this.#isReading = true;
    this.#now = this.#parts.clock.now();
    if (isStamped) this.#readAt = this.#parts.wallClock();
  }

  #handleTimer(): void {
    this.#now = this.#parts.clock.now();
    const { replayer, datagrams } = this.#parts;
    replayer.handleTimeout(this.#now);
    datagrams?.handleTimeout(this.#now);
    this.#drain();
  }

  #drain(): void {
    const { replayer, datagrams, sink, source } = this.#parts;
    if (this.#links === undefined) return;
    replayer.poll(this.#now, this.#links, sink);
    datagrams?.poll(sink);
    const next = replayer.pollTimeout();
    const other = datagrams?.pollTimeout() ?? NEVER;
    this.#timer.arm(next < other ? next : other);
    const { held } = replayer.context.counters;
    source.noteWaiting(held !== this.#held);
    this.#held = held;
    const fault = replayer.fault ?? datagrams?.fault;
    if (fault !== undefined && !this.#reportedFault) this.#reportFault(fault);
  }

  #reportFault(fault: unknown): void {
    this.#reportedFault = true;
    const text = fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
    this.#parts.log.error(
      `A fault of tcpcopy ended one copy; the others go on. Please report this: ${text}`,
    );
  }
}
