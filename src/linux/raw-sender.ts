import type { Memory } from '../base/memory.ts';
import {
  AF_INET,
  AF_INET6,
  IP_HDRINCL,
  IP_RECVERR,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_RAW,
  IPV6_RECVERR,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_RAW,
} from './constants.ts';
import { netRawHint, SystemError } from './errors.ts';
import { libc } from './libc.ts';
import { SendBatch } from './send-batch.ts';
import {
  DEFAULT_SEND_BUFFER,
  OPENING,
  type PacketSender,
  type SenderOptions,
  type SendStatistics,
  SendTally,
} from './send-tally.ts';
import { openSocket, setBufferSize, setOption } from './socket.ts';

/** Opens a sender of packets with their own IP header. Throws `SystemError`, now rather than at the first packet. */
export const openRawSender = (options: SenderOptions = {}): PacketSender =>
  new RawIpSender(options);

class RawIpSender implements PacketSender {
  readonly #options: SenderOptions;
  readonly #batch = new SendBatch();
  readonly #tally = new SendTally();
  readonly memory: Memory = this.#batch.memory;
  #fd4: number;
  /** Opened with the first IPv6 packet: kernels without IPv6 can send the other kind. */
  #fd6 = -1;
  #closed = false;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#fd4 = openSocket(AF_INET, SOCK_RAW, IPPROTO_RAW, OPENING, netRawHint);
    setOption(this.#fd4, IPPROTO_IP, IP_HDRINCL, 1);
    // Without it the kernel says nothing of packets that the device's queue drops (ENOBUFS). No ICMP message comes this way: they
    // go to the sockets of TCP.
    setOption(this.#fd4, IPPROTO_IP, IP_RECVERR, 1);
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
    const slot = this.#batch.commit(headerLength, payload, payloadOffset, payloadLength);
    this.#batch.nameByHeader(slot);
  }

  flush(): void {
    const { count } = this.#batch;
    if (count === 0) return;
    let tooLong = false;
    if (this.#closed) this.#tally.refuse(count);
    else {
      for (let start = 0; start < count; ) {
        const v6 = this.#batch.isV6(start);
        const end = this.#batch.endOfRun(start);
        if (v6 && this.#fd6 < 0) this.#openV6();
        if (this.#tally.send(v6 ? this.#fd6 : this.#fd4, this.#batch, start, end)) tooLong = true;
        start = end;
      }
    }
    this.#batch.clear();
    if (tooLong) this.#options.onTooLong?.();
  }

  statistics(): SendStatistics {
    return this.#tally.statistics();
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
      setOption(this.#fd6, IPPROTO_IPV6, IPV6_RECVERR, 1);
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
