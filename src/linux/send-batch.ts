import { Memory } from '../base/memory.ts';
import { HEADER_ROOM } from '../ports/packet-sink.ts';
import { AF_INET, AF_INET6 } from './constants.ts';
import { type Address, addressOf, writeWord } from './libc.ts';
import { SOCKADDR_ROOM } from './sockaddr.ts';

/** Packets that one system call can take away. */
export const SEND_BATCH = 64;

/** struct mmsghdr: name, its length, iovecs, their number, …, msg_len; then three iovecs (link header, headers, payload), the name. */
const SLOT = {
  name: 0,
  nameLength: 8,
  iov: 16,
  iovCount: 24,
  size: 64,
} as const;
const IOVEC_SIZE = 16;
const IOVECS_SIZE = 3 * IOVEC_SIZE;
const SOCKADDR_IN_LENGTH = 16;
const SOCKADDR_IN6_LENGTH = 28;

const IOVECS = SEND_BATCH * SLOT.size;
const NAMES = IOVECS + SEND_BATCH * IOVECS_SIZE;

/**
 * The messages of one `sendmmsg`, built once: headers lie in slots of one slab, payloads are referred to where they are, and
 * the destination is copied out of the IP header, or lies elsewhere. A packet costs a dozen stores.
 */
export class SendBatch {
  readonly memory: Memory = Memory.alloc(SEND_BATCH * HEADER_ROOM);
  readonly #control = Memory.alloc(NAMES + SEND_BATCH * SOCKADDR_ROOM);
  readonly #messages: Address = addressOf(this.#control);
  /** Strong references until the flush, lest a payload be collected under the kernel's eyes. */
  readonly #payloads = Array.from({ length: SEND_BATCH }, (): Memory | null => null);
  readonly #lengths = new Int32Array(SEND_BATCH);
  readonly #v6 = new Uint8Array(SEND_BATCH);
  /** Iovecs of a packet without payload. */
  readonly #iovecs: number;
  count = 0;

  /** With `hasLinkHeader`, `putBefore` must be called for each packet. */
  constructor(hasLinkHeader = false) {
    this.#iovecs = hasLinkHeader ? 2 : 1;
    for (let i = 0; i < SEND_BATCH; i++) {
      const message = i * SLOT.size;
      const headers = IOVECS + i * IOVECS_SIZE + IOVEC_SIZE;
      const first = hasLinkHeader ? headers - IOVEC_SIZE : headers;
      writeWord(this.#control, message + SLOT.name, this.#messages + nameAt(i));
      writeWord(this.#control, message + SLOT.iov, this.#messages + first);
      writeWord(this.#control, headers, addressOf(this.memory) + i * HEADER_ROOM);
    }
  }

  get isFull(): boolean {
    return this.count === SEND_BATCH;
  }

  /** Offset of the next packet's header room in `memory`. */
  begin(): number {
    return this.count * HEADER_ROOM;
  }

  /** Queues the packet whose headers were written last, and returns its slot: where it goes must be said next. */
  commit(
    headerLength: number,
    payload: Memory | null,
    payloadOffset: number,
    payloadLength: number,
  ): number {
    const slot = this.count++;
    const { view } = this.#control;
    const message = slot * SLOT.size;
    const headers = IOVECS + slot * IOVECS_SIZE + IOVEC_SIZE;
    view.setUint32(headers + 8, headerLength, true);
    if (payload !== null && payloadLength > 0) {
      writeWord(this.#control, headers + 16, addressOf(payload) + payloadOffset);
      view.setUint32(headers + 24, payloadLength, true);
      view.setUint32(message + SLOT.iovCount, this.#iovecs + 1, true);
      this.#payloads[slot] = payload;
    } else {
      view.setUint32(message + SLOT.iovCount, this.#iovecs, true);
    }
    this.#lengths[slot] = headerLength + payloadLength;
    return slot;
  }

  /** The packet in `slot` goes where its IP header says. */
  nameByHeader(slot: number): void {
    const isV6 = (this.memory.bytes[slot * HEADER_ROOM]! & 0xf0) === 0x60;
    this.#v6[slot] = isV6 ? 1 : 0;
    const length = isV6 ? SOCKADDR_IN6_LENGTH : SOCKADDR_IN_LENGTH;
    this.#control.view.setUint32(slot * SLOT.size + SLOT.nameLength, length, true);
    if (isV6) this.#nameV6(nameAt(slot), slot * HEADER_ROOM);
    else this.#nameV4(nameAt(slot), slot * HEADER_ROOM);
  }

  /** The packet in `slot` goes to the socket address of `length` octets at `address`, which stays there until the flush. */
  nameAs(slot: number, address: Address, length: number): void {
    const message = slot * SLOT.size;
    writeWord(this.#control, message + SLOT.name, address);
    this.#control.view.setUint32(message + SLOT.nameLength, length, true);
  }

  /** Puts the `length` octets at `address` before the packet in `slot`; they stay there until the flush. */
  putBefore(slot: number, address: Address, length: number): void {
    const iovec = IOVECS + slot * IOVECS_SIZE;
    writeWord(this.#control, iovec, address);
    this.#control.view.setUint32(iovec + 8, length, true);
  }

  isV6(slot: number): boolean {
    return this.#v6[slot] === 1;
  }

  /** First slot behind `start` that holds another family's packet, or the end. Packets keep their order. */
  endOfRun(start: number): number {
    let end = start + 1;
    while (end < this.count && this.#v6[end] === this.#v6[start]) end++;
    return end;
  }

  messageAt(slot: number): Address {
    return this.#messages + slot * SLOT.size;
  }

  octetsOf(start: number, end: number): number {
    let sum = 0;
    for (let i = start; i < end; i++) sum += this.#lengths[i]!;
    return sum;
  }

  clear(): void {
    for (let i = 0; i < this.count; i++) this.#payloads[i] = null;
    this.count = 0;
  }

  /** sockaddr_in from the IPv4 header at `header`; ports mean nothing to a raw socket. */
  #nameV4(at: number, header: number): void {
    this.#control.view.setUint32(at, AF_INET, true);
    this.#control.view.setInt32(at + 4, this.memory.view.getInt32(header + 16));
  }

  /** sockaddr_in6 from the IPv6 header at `header`; the port must be 0 (raw(7)). */
  #nameV6(at: number, header: number): void {
    const { view } = this.#control;
    view.setUint32(at, AF_INET6, true);
    for (let i = 0; i < 16; i += 4) {
      view.setInt32(at + 8 + i, this.memory.view.getInt32(header + 24 + i));
    }
  }
}

const nameAt = (slot: number): number => NAMES + slot * SOCKADDR_ROOM;
