import type { Memory } from '../base/memory.ts';
import { SO_SNDBUF, SO_SNDBUFFORCE } from './constants.ts';
import { SendBatch } from './send-batch.ts';
import {
  DEFAULT_SEND_BUFFER,
  type PacketSender,
  type SenderOptions,
  type SendStatistics,
  SendTally,
} from './send-tally.ts';
import { setBufferSize } from './socket.ts';

/** What senders have in common: a batch that is filled packet by packet, and handed to the kernel when it is full or flushed. */
export abstract class BatchSender implements PacketSender {
  readonly memory: Memory;
  protected readonly batch: SendBatch;
  protected readonly tally: SendTally = new SendTally();
  readonly #options: SenderOptions;
  #closed = false;

  constructor(options: SenderOptions, batch: SendBatch) {
    this.#options = options;
    this.batch = batch;
    this.memory = batch.memory;
  }

  begin(): number {
    if (this.batch.isFull) this.flush();
    return this.batch.begin();
  }

  abstract commit(
    headerLength: number,
    payload: Memory | null,
    payloadOffset: number,
    payloadLength: number,
  ): void;

  flush(): void {
    const { count } = this.batch;
    if (count === 0) return;
    let tooLong = false;
    if (this.#closed) this.tally.refuse(count);
    else tooLong = this.transmit(count);
    this.batch.clear();
    if (tooLong) this.#options.onTooLong?.();
  }

  statistics(): SendStatistics {
    return this.tally.statistics();
  }

  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    this.release();
  }

  /** Sends the first `count` packets of the batch. Returns whether one of them was too long. */
  protected abstract transmit(count: number): boolean;

  /** Closes what it sends through. */
  protected abstract release(): void;

  protected enlarge(fd: number): void {
    const octets = this.#options.sendBuffer ?? DEFAULT_SEND_BUFFER;
    setBufferSize(fd, SO_SNDBUFFORCE, SO_SNDBUF, octets);
  }
}
