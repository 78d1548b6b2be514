import { Histogram } from '../base/histogram.ts';
import { addTime, type Duration, type Instant, millis, NEVER } from '../base/time.ts';
import { type CaptureRecords, RecordState } from '../ports/capture-records.ts';
import type { CaptureStatistics, PacketHandler, PacketSource } from '../ports/packet-source.ts';
import type { Clock, WakeTimer, Watchable } from '../ports/reactor.ts';
import type { TransferTable } from '../replay/transfers.ts';
import { CaptureSieve, type SieveCounts, type SieveOptions, Side } from './capture-sieve.ts';

/** Without a pace of its own a file is replayed as if it had been recorded so many times slower: round trips shrink to nothing. */
const FASTEST = 1000;
/** How often it is asked again whether there is room, or whether the replay is over. */
const ROOM_INTERVAL: Duration = millis(1);
const END_INTERVAL: Duration = millis(10);
/** The first time stamp that packets get; 0 would mean none. */
const FIRST_STAMP = 1e6;

export interface PlayerOptions extends SieveOptions {
  /** Times faster than recorded, a fraction for slower; Infinity: as fast as the targets take it. */
  readonly speed: number;
  /** Pauses longer than this are left out; 0: none is. */
  readonly skipGaps: Duration;
  /** How often the files are replayed. */
  readonly rounds: number;
}

export interface PlayerParts {
  readonly open: () => CaptureRecords;
  readonly transfers: TransferTable;
  readonly clock: Clock;
  readonly openTimer: (callback: () => void) => WakeTimer;
  /** Whether the replay can take more now. */
  readonly hasRoom: () => boolean;
  /** Asked once the files are at their end, since `at`: whether nothing is left to be done for what they held. */
  readonly isDone: (at: Instant) => boolean;
  /** The files begin again. */
  readonly onRound: () => void;
  /** The last round is over. */
  readonly onEnd: () => void;
}

/**
 * Packets of capture files, each at its time: that of the first one that fits -x is now, and every other is due as much later as its
 * own time is, divided by the speed. What comes late makes nothing after it later, so nothing drifts.
 */
export class FilePlayer implements PacketSource, Watchable {
  readonly keepsBatch = false;
  readonly #parts: PlayerParts;
  readonly #options: PlayerOptions;
  readonly #timer: WakeTimer;
  #records: CaptureRecords;
  #sieve: CaptureSieve;
  #callback: () => void = () => {};
  /** When the first packet of this round was handed over, and its time in the file. */
  #start: Instant = NEVER;
  #base = 0.5;
  /** Time of the last packet in the file, and the pauses left out so far. */
  #last = 0.5;
  #saved = 0.5;
  /** The packet in hand has not been handed over. */
  #isLoaded = false;
  #due: Instant = NEVER;
  #roundsLeft: number;
  /** When the files came to their end; `NEVER` while they go on. */
  #endedAt: Instant = NEVER;
  #isClosed = false;
  #delivered = 0;
  /** Microseconds between when a packet was due and when it was handed over. */
  readonly lateness: Histogram = new Histogram();
  /** Of the packet that was handed over last. */
  lastLateness = 0.5;
  /** What the first round has found. */
  readonly counts: SieveCounts;

  constructor(parts: PlayerParts, options: PlayerOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#roundsLeft = options.rounds - 1;
    this.#sieve = new CaptureSieve(parts.transfers, options);
    this.counts = this.#sieve.counts;
    this.#records = parts.open();
    this.#timer = parts.openTimer(() => this.#wake());
  }

  /** Microseconds of the files that have been replayed in this round. */
  get position(): number {
    return this.#start === NEVER ? 0 : this.#last - this.#base;
  }

  /** From 0 on. */
  get round(): number {
    return this.#options.rounds - 1 - this.#roundsLeft;
  }

  get faults(): readonly string[] {
    return this.#records.faults;
  }

  onReadable(callback: () => void): void {
    this.#callback = callback;
    this.#records.onMore(() => this.#wake());
    this.#timer.arm(this.#parts.clock.now());
  }

  noteWaiting(): void {
    // Packets come when they are due, and never early.
  }

  receive(handler: PacketHandler, budget: number): number {
    const { clock, hasRoom } = this.#parts;
    const now = clock.now();
    let count = 0;
    while (count < budget && !this.#isClosed && this.#load(now)) {
      if (this.#due > now) {
        this.#timer.arm(this.#due);
        return count;
      }
      if (!hasRoom()) {
        this.#timer.arm(addTime(now, ROOM_INTERVAL));
        return count;
      }
      this.#isLoaded = false;
      this.lastLateness = now - this.#due;
      this.lateness.add(this.lastLateness);
      this.#delivered++;
      count++;
      handler.handlePacket(this.#sieve.packet);
    }
    if (count === budget) this.#timer.arm(now);
    return count;
  }

  statistics(): CaptureStatistics {
    return { received: this.#delivered, dropped: 0 };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#records.close();
    this.#timer.close();
  }

  #wake(): void {
    if (this.#isClosed) return;
    if (this.#endedAt === NEVER) this.#callback();
    else this.#awaitEnd();
  }

  /** Whether the next packet that fits -x is in hand. */
  #load(now: Instant): boolean {
    if (this.#isLoaded) return true;
    for (;;) {
      const state = this.#endedAt === NEVER ? this.#records.next() : RecordState.ended;
      if (state === RecordState.pending) return false;
      const side = state === RecordState.ended ? Side.past : this.#sieve.sift(this.#records.record);
      if (side === Side.past) {
        if (this.#endedAt === NEVER) this.#endedAt = now;
        this.#timer.arm(addTime(now, END_INTERVAL));
        return false;
      }
      // What the online server has acknowledged is known from its headers; a replayer takes whole packets only.
      if (side === Side.none || (side === Side.server && this.#sieve.isCut)) continue;
      this.#follow(now, this.#records.record.time);
      this.#isLoaded = true;
      return true;
    }
  }

  /** When what was recorded at `time` is due. */
  #follow(now: Instant, time: number): void {
    const { speed, skipGaps } = this.#options;
    if (this.#start === NEVER) {
      this.#start = now;
      this.#base = time;
      this.#last = time;
      this.#saved = 0;
    }
    const gap = time - this.#last;
    if (skipGaps > 0 && gap > skipGaps) this.#saved += gap;
    // A clock that was set back while the capture ran does not bring packets forward.
    if (gap > 0) this.#last = time;
    const position = this.#last - this.#base;
    const isPaced = speed !== Number.POSITIVE_INFINITY;
    this.#due = isPaced
      ? addTime(this.#start, ((position - this.#saved) / speed) as Duration)
      : now;
    this.#sieve.packet.receivedAt = FIRST_STAMP + position / (isPaced ? speed : FASTEST);
  }

  #awaitEnd(): void {
    const { clock, isDone, onEnd } = this.#parts;
    const now = clock.now();
    if (!isDone(this.#endedAt)) {
      this.#timer.arm(addTime(now, END_INTERVAL));
    } else if (this.#roundsLeft === 0) {
      onEnd();
    } else {
      this.#roundsLeft--;
      this.#beginRound(now);
    }
  }

  #beginRound(now: Instant): void {
    const { open, onRound, transfers } = this.#parts;
    onRound();
    this.#records.close();
    this.#records = open();
    this.#records.onMore(() => this.#wake());
    this.#sieve = new CaptureSieve(transfers, this.#options);
    this.#start = NEVER;
    this.#endedAt = NEVER;
    this.#timer.arm(now);
  }
}
