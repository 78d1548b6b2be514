import { Memory } from '../base/memory.ts';
import { NO_NEXT_HOP, type PacketSink } from '../ports/packet-sink.ts';
import { MSG_DONTWAIT, MSG_ERRQUEUE } from './constants.ts';
import { EMSGSIZE, errnoName } from './errors.ts';
import { addressOf, lastErrno, libc } from './libc.ts';
import { SEND_BATCH, type SendBatch } from './send-batch.ts';

export interface SenderOptions {
  /** Octets that may wait in the kernel for the link; default 16 MiB. */
  readonly sendBuffer?: number;
  /** Some packet was longer than its path takes (EMSGSIZE): time to ask for the path MTU again. At most once a flush. */
  readonly onTooLong?: () => void;
}

export interface SendStatistics {
  readonly packets: number;
  /** IP headers included. */
  readonly octets: number;
  /** Packets that were not sent, by the name of the kernel's error, such as "EPERM", or as `NO_NEXT_HOP`. */
  readonly errors: ReadonlyMap<string, number>;
}

/** A sink that sends packets with their own IP header. */
export interface PacketSender extends PacketSink {
  statistics(): SendStatistics;
  close(): void;
}

export const DEFAULT_SEND_BUFFER: number = 16 * 1024 * 1024;
export const OPENING = { call: 'socket(SOCK_RAW)', doing: 'send packets to the target' };

/** Error numbers on Linux end at 133. */
const ERRNO_LIMIT = 256;

/** Sends batches, and counts what the kernel took and what it refused. */
export class SendTally {
  /** Packets by error number. */
  readonly #errors = new Float64Array(ERRNO_LIMIT);
  readonly #scratch = Memory.alloc(64);
  #packets = 0;
  #octets = 0;
  /** Packets that nobody takes. */
  noNextHop = 0;

  /** Sends the packets in the slots `[start, end)` through `fd`, −1 for none. Returns whether one of them was too long. */
  send(fd: number, batch: SendBatch, start: number, end: number): boolean {
    let tooLong = false;
    let refused = false;
    let at = start;
    while (at < end) {
      const sent = libc.sendmmsg(fd, batch.messageAt(at), end - at, 0);
      if (sent > 0) {
        this.#packets += sent;
        this.#octets += batch.octetsOf(at, at + sent);
        at += sent;
        continue;
      }
      // The first of them was refused: count it and go on behind it. Never again, never waiting: a real network loses too.
      const errno = lastErrno();
      this.#errors[errno < ERRNO_LIMIT ? errno : 0]! += 1;
      tooLong ||= errno === EMSGSIZE;
      refused = true;
      at++;
    }
    if (refused) this.#emptyErrorQueue(fd);
    return tooLong;
  }

  /** `count` packets came after the end. */
  refuse(count: number): void {
    this.#errors[0]! += count;
  }

  statistics(): SendStatistics {
    const errors = new Map<string, number>();
    for (const [errno, count] of this.#errors.entries()) {
      if (count > 0) errors.set(errno === 0 ? 'ECLOSED' : errnoName(errno), count);
    }
    if (this.noNextHop > 0) errors.set(NO_NEXT_HOP, this.noNextHop);
    return { packets: this.#packets, octets: this.#octets, errors };
  }

  /** With IP_RECVERR the kernel keeps a note of each packet that was too long (ip(7)); we have been told already. */
  #emptyErrorQueue(fd: number): void {
    const { size } = this.#scratch;
    const flags = MSG_ERRQUEUE | MSG_DONTWAIT;
    for (let i = 0; i < SEND_BATCH; i++) {
      if (libc.recv(fd, addressOf(this.#scratch), size, flags) < 0) return;
    }
  }
}
