import type { Memory } from '../base/memory.ts';
import { BatchSender } from './batch-sender.ts';
import {
  AF_INET,
  AF_INET6,
  IP_HDRINCL,
  IP_RECVERR,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_RAW,
  IPV6_RECVERR,
  SOCK_RAW,
} from './constants.ts';
import { netRawHint, SystemError } from './errors.ts';
import { libc } from './libc.ts';
import { SendBatch } from './send-batch.ts';
import { OPENING, type PacketSender, type SenderOptions } from './send-tally.ts';
import { openSocket, setOption } from './socket.ts';

/** Opens a sender of packets with their own IP header. Throws `SystemError`, now rather than at the first packet. */
export const openRawSender = (options: SenderOptions = {}): PacketSender =>
  new RawIpSender(options);

class RawIpSender extends BatchSender {
  readonly #fd4: number;
  /** Opened with the first IPv6 packet: kernels without IPv6 can send the other kind. */
  #fd6 = -1;

  constructor(options: SenderOptions) {
    super(options, new SendBatch());
    this.#fd4 = openSocket(AF_INET, SOCK_RAW, IPPROTO_RAW, OPENING, netRawHint);
    setOption(this.#fd4, IPPROTO_IP, IP_HDRINCL, 1);
    // Without it the kernel says nothing of packets that the device's queue drops (ENOBUFS). No ICMP message comes this way: they
    // go to the sockets of TCP.
    setOption(this.#fd4, IPPROTO_IP, IP_RECVERR, 1);
    this.enlarge(this.#fd4);
  }

  commit(
    headerLength: number,
    payload: Memory | null,
    payloadOffset: number,
    payloadLength: number,
  ): void {
    const slot = this.batch.commit(headerLength, payload, payloadOffset, payloadLength);
    this.batch.nameByHeader(slot);
  }

  protected transmit(count: number): boolean {
    let tooLong = false;
    for (let start = 0; start < count; ) {
      const v6 = this.batch.isV6(start);
      const end = this.batch.endOfRun(start);
      if (v6 && this.#fd6 < 0) this.#openV6();
      if (this.tally.send(v6 ? this.#fd6 : this.#fd4, this.batch, start, end)) tooLong = true;
      start = end;
    }
    return tooLong;
  }

  protected release(): void {
    libc.close(this.#fd4);
    if (this.#fd6 >= 0) libc.close(this.#fd6);
  }

  /** Where the kernel has no IPv6 the descriptor stays −1, and each packet is counted as refused (EBADF). */
  #openV6(): void {
    try {
      this.#fd6 = openSocket(AF_INET6, SOCK_RAW, IPPROTO_RAW, OPENING);
      setOption(this.#fd6, IPPROTO_IPV6, IPV6_RECVERR, 1);
      this.enlarge(this.#fd6);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
    }
  }
}
