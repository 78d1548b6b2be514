import type { Memory } from '../base/memory.ts';
import type { PacketSink } from '../ports/packet-sink.ts';
import {
  AF_INET,
  AF_INET6,
  IP_HDRINCL,
  IPPROTO_IP,
  IPPROTO_RAW,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_RAW,
} from './constants.ts';
import { EACCES, EMSGSIZE, EPERM, errnoName, NEED_NET_RAW, SystemError } from './errors.ts';
import { lastErrno, libc } from './libc.ts';
import { SendBatch } from './send-batch.ts';
import { openSocket, setBufferSize, setOption } from './socket.ts';

export interface RawSenderOptions {
  /** Octets that may wait in the kernel for the link; default 16 MiB. */
  readonly sendBuffer?: number;
  /** Some packet was longer than its path takes (EMSGSIZE): time to ask for the path MTU again. At most once a flush. */
  readonly onTooLong?: () => void;
}

export interface SendStatistics {
  readonly packets: number;
  /** IP headers included. */
  readonly octets: number;
  /** Packets that the kernel refused, by the name of the error: "EPERM" when a firewall did. */
  readonly errors: ReadonlyMap<string, number>;
}

export interface RawSender extends PacketSink {
  statistics(): SendStatistics;
  close(): void;
}

const DEFAULT_SEND_BUFFER = 16 * 1024 * 1024;
/** Error numbers on Linux end at 133. */
const ERRNO_LIMIT = 256;

/** Opens a sender of packets with their own IP header. Throws `SystemError`, now rather than at the first packet. */
export const openRawSender = (options: RawSenderOptions = {}): RawSender =>
  new RawIpSender(options);

class RawIpSender implements RawSender {
  readonly #options: RawSenderOptions;
  readonly #batch = new SendBatch();
  readonly memory: Memory = this.#batch.memory;
  /** Packets by error number. */
  readonly #errors = new Float64Array(ERRNO_LIMIT);
  #fd4: number;
  /** Opened with the first IPv6 packet: kernels without IPv6 can send the other kind. */
  #fd6 = -1;
  #packets = 0;
  #octets = 0;
  #closed = false;

  constructor(options: RawSenderOptions) {
    this.#options = options;
    this.#fd4 = openSocket(AF_INET, SOCK_RAW, IPPROTO_RAW, OPENING, (errno) =>
      errno === EPERM || errno === EACCES ? NEED_NET_RAW : undefined,
    );
    setOption(this.#fd4, IPPROTO_IP, IP_HDRINCL, 1);
    this.#enlarge(this.#fd4);
  }

  begin(): number {
    if (this.#batch.isFull) this.flush();
    return this.#batch.begin();
  }

  commit(
    headerLength: number,
    payload: Memory | null,
    payloadOffset: number,
    payloadLength: number,
  ): void {
    this.#batch.commit(headerLength, payload, payloadOffset, payloadLength);
  }

  flush(): void {
    const { count } = this.#batch;
    if (count === 0) return;
    let tooLong = false;
    let start = 0;
    while (start < count) {
      const v6 = this.#batch.isV6(start);
      const end = this.#batch.endOfRun(start);
      if (v6 && this.#fd6 < 0) this.#openV6();
      const fd = v6 ? this.#fd6 : this.#fd4;
      const sent = this.#closed
        ? 0
        : libc.sendmmsg(fd, this.#batch.messageAt(start), end - start, 0);
      if (sent > 0) {
        this.#packets += sent;
        this.#octets += this.#batch.octetsOf(start, start + sent);
        start += sent;
        continue;
      }
      // The first of the run was refused: count it and go on behind it. Never again, never waiting: a real network loses too.
      const errno = this.#closed ? 0 : lastErrno();
      this.#errors[errno < ERRNO_LIMIT ? errno : 0]! += 1;
      tooLong ||= errno === EMSGSIZE;
      start++;
    }
    this.#batch.clear();
    if (tooLong) this.#options.onTooLong?.();
  }

  statistics(): SendStatistics {
    const errors = new Map<string, number>();
    for (const [errno, count] of this.#errors.entries()) {
      if (count > 0) errors.set(errno === 0 ? 'ECLOSED' : errnoName(errno), count);
    }
    return { packets: this.#packets, octets: this.#octets, errors };
  }

  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    libc.close(this.#fd4);
    if (this.#fd6 >= 0) libc.close(this.#fd6);
  }

  /** Where the kernel has no IPv6 the descriptor stays −1, and each packet is counted as refused (EBADF). */
  #openV6(): void {
    try {
      this.#fd6 = openSocket(AF_INET6, SOCK_RAW, IPPROTO_RAW, OPENING);
      this.#enlarge(this.#fd6);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
    }
  }

  #enlarge(fd: number): void {
    const octets = this.#options.sendBuffer ?? DEFAULT_SEND_BUFFER;
    setBufferSize(fd, SO_SNDBUFFORCE, SO_SNDBUF, octets);
  }
}

const OPENING = { call: 'socket(SOCK_RAW)', doing: 'send packets to the target' };
