import type { Memory } from '../base/memory.ts';
import { ChecksumState } from '../ports/packet-source.ts';

/*
 * The messages of nfnetlink_queue, octet by octet: a netlink header (16), a netfilter header (4), then attributes, each with a
 * length and a type before its value, on multiples of four. The headers are in the machine's order of octets, the values of
 * the attributes in that of the network. See linux/netlink.h and linux/netfilter/nfnetlink_queue.h.
 */

const NETLINK_HEADER = 16;
const MESSAGE_HEADER = 20;
const ATTRIBUTE_HEADER = 4;

const NLMSG_ERROR = 2;
const QUEUE_SUBSYSTEM = 3 << 8;
const PACKET = QUEUE_SUBSYSTEM | 0;
const CONFIG = QUEUE_SUBSYSTEM | 2;
const VERDICT_BATCH = QUEUE_SUBSYSTEM | 3;

const REQUEST = 1;
const ACKNOWLEDGE = 4;

/** Attributes of a packet, NFQA_… */
const PACKET_HEADER = 1;
const VERDICT_HEADER = 2;
const TIMESTAMP = 4;
const IN_DEVICE = 5;
const PAYLOAD = 10;
const WHOLE_LENGTH = 13;
const SKB_INFO = 14;
/** Bits of SKB_INFO. */
const CHECKSUM_NOT_READY = 1;
const CHECKSUM_NOT_VERIFIED = 4;

/** Attributes of a configuration, NFQA_CFG_… */
const COMMAND = 1;
const PARAMETERS = 2;
const MAX_LENGTH = 3;
const MASK = 4;
const FLAGS = 5;
const COMMAND_BIND = 1;
const COPY_PACKET = 2;
/** Packets that the network card or the kernel has merged come as they are, checksums that are not filled in as they are. */
const FLAG_GSO = 4;

export const Verdict = { drop: 0, accept: 1 } as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

/** Where in the host a packet was put into the queue: NF_INET_LOCAL_OUT and NF_INET_POST_ROUTING. */
export const HOOK_OUTPUT = 3;
export const HOOK_POSTROUTING = 4;

export const MessageKind = {
  /** A packet waits for its verdict. */
  packet: 0,
  /** An answer to a request of ours, or a complaint about one. */
  answer: 1,
  /** Of another kind, or not what it claims to be. */
  other: 2,
} as const;
export type MessageKind = (typeof MessageKind)[keyof typeof MessageKind];

/** One message from the kernel, read in place. One object is made and re-used. */
export class QueueMessage {
  kind: MessageKind = MessageKind.other;
  /** Of the answer: which request it is for, and 0 or an error number. */
  sequence = 0;
  errno = 0;
  /** Of the packet: its number, for the verdict. */
  id = 0;
  hook = 0;
  /** Index of the device through which it came; 0 when it was made on this host. */
  inDevice = 0;
  /** Of its first octet in the memory, a multiple of 4; `length` is 0 when the message has none of it. */
  offset = 0;
  length = 0;
  wireLength = 0;
  checksum: ChecksumState = ChecksumState.unknown;
  /** Microseconds of CLOCK_REALTIME; 0 when the kernel does not tell. Starts as a fraction, as that of `ReceiveBatch`. */
  receivedAt = 0.5;

  /**
   * Reads the message at `start`, a multiple of 4, of a datagram that ends at `end`. Returns where the next one begins, at `end` when
   * there is no further one. Never reads beyond `end`; what does not fit into it is of kind `other`, or ends the list of attributes.
   */
  read(memory: Memory, start: number, end: number): number {
    const { view } = memory;
    this.kind = MessageKind.other;
    if (end - start < NETLINK_HEADER) return end;
    const length = view.getUint32(start, true);
    if (length < NETLINK_HEADER || length > end - start) return end;
    const type = view.getUint16(start + 4, true);
    if (type === NLMSG_ERROR) this.#readAnswer(memory, start, length);
    if (type === PACKET) this.#readPacket(memory, start + MESSAGE_HEADER, start + length);
    const next = start + aligned(length);
    return next < end ? next : end;
  }

  /** nlmsgerr: an error number below 0, then the header of the request. */
  #readAnswer({ view }: Memory, start: number, length: number): void {
    if (length < 2 * NETLINK_HEADER + 4) return;
    this.kind = MessageKind.answer;
    this.errno = -view.getInt32(start + NETLINK_HEADER, true);
    this.sequence = view.getUint32(start + NETLINK_HEADER + 4 + 8, true);
  }

  #readPacket(memory: Memory, start: number, end: number): void {
    const { view } = memory;
    this.hook = this.inDevice = this.offset = this.length = this.wireLength = 0;
    this.checksum = ChecksumState.valid;
    this.receivedAt = 0;
    let at = start;
    while (end - at >= ATTRIBUTE_HEADER) {
      const length = view.getUint16(at, true);
      if (length < ATTRIBUTE_HEADER || length > end - at) break;
      // The two upper bits say how it is nested and in which order.
      const type = view.getUint16(at + 2, true) & 0x3fff;
      this.#readAttribute(memory, type, at + ATTRIBUTE_HEADER, length - ATTRIBUTE_HEADER);
      at += aligned(length);
    }
    if (this.wireLength < this.length) this.wireLength = this.length;
  }

  #readAttribute({ view }: Memory, type: number, at: number, length: number): void {
    if (type === PAYLOAD) {
      this.offset = at;
      this.length = length;
    } else if (type === PACKET_HEADER && length >= 7) {
      this.kind = MessageKind.packet;
      this.id = view.getUint32(at);
      this.hook = view.getUint8(at + 6);
    } else if (type === TIMESTAMP && length >= 16) {
      const seconds = view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4);
      this.receivedAt = seconds * 1e6 + view.getUint32(at + 12);
    } else if (length < 4) {
      return;
    } else if (type === IN_DEVICE) {
      this.inDevice = view.getUint32(at);
    } else if (type === WHOLE_LENGTH) {
      this.wireLength = view.getUint32(at);
    } else if (type === SKB_INFO) {
      const info = view.getUint32(at);
      if ((info & CHECKSUM_NOT_READY) !== 0) this.checksum = ChecksumState.partial;
      else if ((info & CHECKSUM_NOT_VERIFIED) !== 0) this.checksum = ChecksumState.unknown;
    }
  }
}

/** Octets of one verdict. */
export const VERDICT_LENGTH = 32;

/** Writes, at `at`, the verdict on every packet that waits with a number up to `id`. */
export function writeVerdict(
  memory: Memory,
  at: number,
  queue: number,
  id: number,
  verdict: Verdict,
): void {
  const { view } = memory;
  begin(memory, at, VERDICT_BATCH, REQUEST, 0, queue);
  attribute(memory, at + MESSAGE_HEADER, VERDICT_HEADER, 8);
  view.setUint32(at + MESSAGE_HEADER + 4, verdict);
  view.setUint32(at + MESSAGE_HEADER + 8, id);
  view.setUint32(at, VERDICT_LENGTH, true);
}

/** Octets that any of the configurations below needs at most. */
export const CONFIG_ROOM = 64;

/** Writes the wish to have `queue`, at 0; returns the length. Configurations are answered under the number `sequence`. */
export function writeBind(memory: Memory, queue: number, sequence: number): number {
  const at = beginConfig(memory, queue, sequence);
  attribute(memory, at, COMMAND, 4);
  memory.view.setUint32(at + 4, COMMAND_BIND << 24);
  return endConfig(memory, at + 8);
}

/** Of each packet come its first `octets`. */
export function writeCopyRange(
  memory: Memory,
  queue: number,
  sequence: number,
  octets: number,
): number {
  const at = beginConfig(memory, queue, sequence);
  attribute(memory, at, PARAMETERS, 5);
  memory.view.setUint32(at + 4, octets);
  memory.view.setUint8(at + 8, COPY_PACKET);
  return endConfig(memory, at + 12);
}

/** So many packets may wait for a verdict; the kernel drops further ones. */
export function writeMaxLength(
  memory: Memory,
  queue: number,
  sequence: number,
  packets: number,
): number {
  const at = beginConfig(memory, queue, sequence);
  attribute(memory, at, MAX_LENGTH, 4);
  memory.view.setUint32(at + 4, packets);
  return endConfig(memory, at + 8);
}

/** Merged packets come whole, and the checksum is left as it is: the kernel need not compute it for a packet that dies. */
export function writeFlags(memory: Memory, queue: number, sequence: number): number {
  const at = beginConfig(memory, queue, sequence);
  for (const [i, type] of [FLAGS, MASK].entries()) {
    attribute(memory, at + 8 * i, type, 4);
    memory.view.setUint32(at + 8 * i + 4, FLAG_GSO);
  }
  return endConfig(memory, at + 16);
}

const aligned = (length: number): number => (length + 3) & ~3;

function begin(
  { bytes, view }: Memory,
  at: number,
  type: number,
  flags: number,
  sequence: number,
  queue: number,
): void {
  bytes.fill(0, at, at + MESSAGE_HEADER);
  view.setUint16(at + 4, type, true);
  view.setUint16(at + 6, flags, true);
  view.setUint32(at + 8, sequence, true);
  view.setUint16(at + 18, queue);
}

function attribute({ view }: Memory, at: number, type: number, length: number): void {
  view.setUint16(at, ATTRIBUTE_HEADER + length, true);
  view.setUint16(at + 2, type, true);
}

function beginConfig(memory: Memory, queue: number, sequence: number): number {
  memory.bytes.fill(0, 0, CONFIG_ROOM);
  begin(memory, 0, CONFIG, REQUEST | ACKNOWLEDGE, sequence, queue);
  return MESSAGE_HEADER;
}

function endConfig(memory: Memory, length: number): number {
  memory.view.setUint32(0, length, true);
  return length;
}
