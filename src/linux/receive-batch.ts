import { Memory } from '../base/memory.ts';
import { ChecksumState, type PacketHandler } from '../ports/packet-source.ts';
import {
  MSG_DONTWAIT,
  MSG_TRUNC,
  PACKET_AUXDATA,
  SO_TIMESTAMPNS,
  SOL_PACKET,
  SOL_SOCKET,
  TP_STATUS_CSUMNOTREADY,
  TP_STATUS_CSUM_VALID,
} from './constants.ts';
import { addressOf, libc, writeWord } from './libc.ts';
import { PacketInPlace } from './packet-in-place.ts';

/** Packets that one system call can bring. */
export const BATCH = 64;
/** The longest packet without jumbo payload options (RFC 2675): GRO merges up to this. */
const FRAME_ROOM = 65_536;
/** One cache line more than a power of two, so that the headers of a batch do not all fall into one set of the cache. */
const FRAME_STRIDE = FRAME_ROOM + 64;

/** struct mmsghdr: msghdr of 56 octets, msg_len. */
const MESSAGE = {
  iov: 16,
  iovCount: 24,
  control: 32,
  controlLength: 40,
  flags: 48,
  length: 56,
  size: 64,
} as const;
const IOVEC_SIZE = 16;
/** cmsghdr (16) and tpacket_auxdata (20), aligned; cmsghdr and timespec (16). */
const AUXDATA_SPACE = 40;
const TIMESTAMP_SPACE = 32;
const CONTROL_ROOM = AUXDATA_SPACE + TIMESTAMP_SPACE;
const CMSG_DATA = 16;

/**
 * `recvmmsg` into one slab, with every message header built once. A batch allocates nothing: the packets are read where the
 * kernel put them, and stay there until the next batch.
 */
export class ReceiveBatch {
  readonly #slab = Memory.alloc(BATCH * FRAME_STRIDE);
  readonly #control = Memory.alloc(BATCH * (MESSAGE.size + IOVEC_SIZE + CONTROL_ROOM));
  readonly #messages: number = addressOf(this.#control);
  readonly #packet = new PacketInPlace(this.#slab);

  constructor() {
    const iovecs = BATCH * MESSAGE.size;
    for (let i = 0; i < BATCH; i++) {
      const message = i * MESSAGE.size;
      const iovec = iovecs + i * IOVEC_SIZE;
      writeWord(this.#control, message + MESSAGE.iov, this.#messages + iovec);
      writeWord(this.#control, message + MESSAGE.iovCount, 1);
      writeWord(this.#control, message + MESSAGE.control, this.#messages + controlAt(i));
      writeWord(this.#control, message + MESSAGE.controlLength, CONTROL_ROOM);
      writeWord(this.#control, iovec, addressOf(this.#slab) + i * FRAME_STRIDE);
      writeWord(this.#control, iovec + 8, FRAME_ROOM);
    }
  }

  /**
   * Receives up to `count` messages from `fd` into the slots from `first` on. Returns how many there were, or −1, then
   * `lastErrno` tells why.
   */
  receive(fd: number, first: number, count: number): number {
    const flags = MSG_DONTWAIT | MSG_TRUNC;
    return libc.recvmmsg(fd, this.#messages + first * MESSAGE.size, count, flags, 0);
  }

  /** Hands the packets in the slots `first … first+count)` to `handler`. */
  deliver(handler: PacketHandler, first: number, count: number): void {
    const packet = this.#packet;
    for (let i = first; i < first + count; i++) {
      this.#describe(packet, i);
      handler.handlePacket(packet);
    }
  }

  #describe(packet: PacketInPlace, slot: number): void {
    const { view } = this.#control;
    const message = slot * MESSAGE.size;
    // With MSG_TRUNC the kernel reports what the packet had, not what the slot took.
    const length = view.getUint32(message + MESSAGE.length, true);
    packet.offset = slot * FRAME_STRIDE;
    packet.length = length < FRAME_ROOM ? length : FRAME_ROOM;
    packet.wireLength = length;
    packet.checksum = ChecksumState.unknown;
    packet.receivedAt = 0;
    this.#readControl(
      packet,
      controlAt(slot),
      view.getUint32(message + MESSAGE.controlLength, true),
    );
    // The kernel left the length that it used.
    view.setUint32(message + MESSAGE.controlLength, CONTROL_ROOM, true);
  }

  /** Walks the control messages; the kernel puts the time stamp, when asked for, before the auxiliary data. */
  #readControl(packet: PacketInPlace, start: number, length: number): void {
    const { view } = this.#control;
    let at = start;
    const end = start + length;
    while (at + CMSG_DATA <= end) {
      const size = view.getUint32(at, true);
      if (size < CMSG_DATA) return;
      const level = view.getInt32(at + 8, true);
      const type = view.getInt32(at + 12, true);
      const data = at + CMSG_DATA;
      if (level === SOL_PACKET && type === PACKET_AUXDATA) {
        const status = view.getUint32(data, true);
        packet.wireLength = view.getUint32(data + 4, true);
        if ((status & TP_STATUS_CSUMNOTREADY) !== 0) packet.checksum = ChecksumState.partial;
        else if ((status & TP_STATUS_CSUM_VALID) !== 0) packet.checksum = ChecksumState.valid;
      } else if (level === SOL_SOCKET && type === SO_TIMESTAMPNS) {
        const seconds = view.getUint32(data, true) + view.getUint32(data + 4, true) * 0x1_0000_0000;
        packet.receivedAt = seconds * 1e6 + view.getUint32(data + 8, true) / 1e3;
      }
      at += (size + 7) & ~7;
    }
  }
}

const controlAt = (slot: number): number =>
  BATCH * (MESSAGE.size + IOVEC_SIZE) + slot * CONTROL_ROOM;
