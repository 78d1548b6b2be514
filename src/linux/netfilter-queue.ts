import { addTime, type Instant, seconds } from '../base/time.ts';
import type { CaptureStatistics, PacketHandler, PacketSource } from '../ports/packet-source.ts';
import type { Watchable } from '../ports/reactor.ts';
import type { IpAddress } from '../wire/address.ts';
import { EAGAIN, EINTR, ENOBUFS, ENOENT, type SystemError } from './errors.ts';
import { lastErrno } from './libc.ts';
import { writeBind, writeCopyRange, writeFlags, writeMaxLength } from './queue-message.ts';
import { QueueReader } from './queue-reader.ts';
import { QueueSocket, queueStatus } from './queue-socket.ts';
import { systemClock } from './reactor.ts';
import { BATCH, ReceiveBatch } from './receive-batch.ts';
import { type Watch, watchFd } from './watch.ts';

export interface NetfilterQueueOptions {
  /** Its number in the rule of the firewall, 0 to 65535. */
  readonly queue: number;
  /** Packets that may wait for their verdict; the kernel drops further ones. */
  readonly maxLength: number;
  /** Octets of each packet that are handed over. */
  readonly copyRange: number;
  /** Packets to these addresses are let through. */
  readonly passThrough: readonly IpAddress[];
  /** Called with what the kernel complains about, at most once a minute. */
  readonly onError?: (error: SystemError) => void;
  /** Called once a minute at most, with the number of packets that were dropped unseen since the last call. */
  readonly onLoss?: (packets: number) => void;
  /** Called once, when a packet comes that was made on this very host. */
  readonly onOwnPacket?: () => void;
}

/** What became of the packets that were not dropped. */
export interface LetThrough {
  readonly onList: number;
  /** No TCP, or nothing that could be read as such. */
  readonly unreadable: number;
}

export interface NetfilterQueue extends PacketSource, Watchable {
  /** Hands over so many octets of each packet from now on. */
  setCopyRange(octets: number): void;
  readonly letThrough: LetThrough;
}

/**
 * Takes packets from a queue of netfilter, into which a rule of the firewall puts them, and decides on each: one to an address of
 * `passThrough` goes its way, and so does what cannot be read as TCP, since nobody asked for its end; every other is handed over and
 * dropped. Throws `SystemError`.
 */
export const openNetfilterQueue = (options: NetfilterQueueOptions): NetfilterQueue =>
  new NetfilterQueueSource(options);

/** A packet may be longer than a message has room for: 65,536 with its headers and attributes. */
const MAX_COPY_RANGE = 65_000;
const SILENCE = seconds(60);
const NO_ANSWER = -1;
const NO_REQUEST = -1;

class NetfilterQueueSource implements NetfilterQueue {
  readonly keepsBatch = false;
  readonly #options: NetfilterQueueOptions;
  readonly #socket: QueueSocket;
  readonly #batch = new ReceiveBatch();
  readonly #reader: QueueReader;
  #watch: Watch | undefined;
  /** As far as the kernel has told. */
  #dropped = 0;
  #droppedAndSaid = 0;
  #lossSaidAt: Instant | undefined;
  #errorSaidAt: Instant | undefined;
  /** Verdicts have the number 0. */
  #awaited = NO_REQUEST;
  #answer = NO_ANSWER;
  #closed = false;

  constructor(options: NetfilterQueueOptions) {
    this.#options = options;
    const { queue, maxLength, copyRange, passThrough } = options;
    this.#reader = new QueueReader({
      queue,
      passThrough,
      onAnswer: (sequence, errno) => this.#handleAnswer(sequence, errno),
      onOwnPacket: options.onOwnPacket,
    });
    this.#socket = new QueueSocket(queue);
    try {
      this.#request('NFQNL_CFG_CMD_BIND', writeBind);
      this.#request('NFQA_CFG_FLAGS', writeFlags);
      this.#request('NFQA_CFG_QUEUE_MAXLEN', (memory, number, sequence) =>
        writeMaxLength(memory, number, sequence, maxLength),
      );
      this.#request('NFQA_CFG_PARAMS', rangeWriter(copyRange));
    } catch (error) {
      this.#socket.close();
      throw error;
    }
  }

  get letThrough(): LetThrough {
    const { onList, unreadable } = this.#reader;
    return { onList, unreadable };
  }

  setCopyRange(octets: number): void {
    if (!this.#closed) this.#socket.configure(rangeWriter(octets));
  }

  /** Every packet is decided on at once, so that none waits in the kernel for others. */
  noteWaiting(): void {}

  /** As the port says; packets that are let through are counted with the others. */
  receive(handler: PacketHandler, budget: number): number {
    if (this.#closed) return 0;
    this.#reader.handler = handler;
    return this.#receive(budget < BATCH ? budget : BATCH);
  }

  onReadable(callback: () => void): void {
    this.#watch = watchFd(this.#socket.fd, callback);
  }

  statistics(): CaptureStatistics {
    if (!this.#closed) this.#noteLoss();
    return { received: this.#reader.received + this.#dropped, dropped: this.#dropped };
  }

  /** What still waits in the queue is dropped by the kernel. */
  close(): void {
    if (this.#closed) return;
    this.statistics();
    this.#closed = true;
    this.#watch?.close();
    this.#socket.close();
  }

  #receive(limit: number): number {
    const count = this.#batch.receive(this.#socket.fd, 0, limit);
    if (count < 0) {
      const errno = lastErrno();
      // The kernel says so once, and dropped what did not fit; what is there can be read.
      if (errno === ENOBUFS) this.#noteLoss(1);
      else if (errno !== EAGAIN && errno !== EINTR) this.#complain('recvmmsg', errno);
      return 0;
    }
    this.#batch.deliver(this.#reader, 0, count);
    this.#sendVerdicts();
    return count;
  }

  #sendVerdicts(): void {
    const { verdicts } = this.#reader;
    if (verdicts.length === 0) return;
    const errno = this.#socket.send(verdicts.memory, verdicts.length);
    if (errno !== 0) this.#complain('send(AF_NETLINK)', errno);
    verdicts.clear();
  }

  #handleAnswer(sequence: number, errno: number): void {
    if (sequence === this.#awaited) this.#answer = errno;
    // The packets are gone already, as when their interface went away.
    else if (errno !== 0 && errno !== ENOENT) this.#complain('nfnetlink_queue', errno);
  }

  /** Configures, and waits for the answer, which is there when the system call returns. Packets before it are dropped unseen. */
  #request(call: string, write: Parameters<QueueSocket['configure']>[0]): void {
    this.#awaited = this.#socket.configure(write);
    this.#answer = NO_ANSWER;
    while (this.#answer === NO_ANSWER && this.#receive(1) > 0);
    const errno = this.#answer === NO_ANSWER ? EAGAIN : this.#answer;
    this.#awaited = NO_REQUEST;
    if (errno !== 0) throw this.#socket.failure(call, errno);
  }

  /** Asks the kernel how much was dropped; where it does not tell, `atLeast` more. */
  #noteLoss(atLeast = 0): void {
    const told = queueStatus(this.#socket.queue)?.dropped;
    this.#dropped = Math.max(this.#dropped, told ?? this.#dropped + atLeast);
    const lost = this.#dropped - this.#droppedAndSaid;
    const now = systemClock.now();
    if (lost === 0 || isTooSoon(this.#lossSaidAt, now)) return;
    this.#lossSaidAt = now;
    this.#droppedAndSaid = this.#dropped;
    this.#options.onLoss?.(lost);
  }

  #complain(call: string, errno: number): void {
    const now = systemClock.now();
    if (isTooSoon(this.#errorSaidAt, now)) return;
    this.#errorSaidAt = now;
    this.#options.onError?.(this.#socket.failure(call, errno));
  }
}

const isTooSoon = (saidAt: Instant | undefined, now: Instant): boolean =>
  saidAt !== undefined && now < addTime(saidAt, SILENCE);

const rangeWriter =
  (octets: number): Parameters<QueueSocket['configure']>[0] =>
  (memory, queue, sequence) =>
    writeCopyRange(memory, queue, sequence, Math.min(octets, MAX_COPY_RANGE));
