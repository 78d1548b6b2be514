import type { Memory } from '../base/memory.ts';
import { type Seq, seqOf } from '../base/seq.ts';
import type { Instant } from '../base/time.ts';
import { V4_MAPPED } from './address.ts';
import { ACK, FIN, IPPROTO_TCP, RST, SYN, TCP_HEADER_LENGTH } from './tcp.ts';

/** Why a packet was not usable: the first of these that applies, in the order in which a packet is read. */
export const PacketError = {
  none: 0,
  /** Shorter than the headers it claims to have. */
  truncated: 1,
  /** Neither 4 nor 6. */
  badVersion: 2,
  /** IPv4 IHL below 5 or beyond the packet. */
  badIpHeaderLength: 3,
  /** The IP length is shorter than the headers. */
  badTotalLength: 4,
  /** A fragment; only whole packets can be copied. */
  fragment: 5,
  notTcp: 6,
  /** IPv6 extension headers that overrun, or more of them than anyone sends. */
  badExtensionHeader: 7,
  /** TCP data offset below 5 or beyond the packet. */
  badDataOffset: 8,
  /** SYN+FIN, SYN+RST or none of SYN, FIN, RST and ACK (RFC 9293 §3.10: no state accepts these from a client). */
  badFlags: 9,
  /** The packet is longer than what was captured of it. */
  cutByCapture: 10,
} as const;
export type PacketError = (typeof PacketError)[keyof typeof PacketError];

/** For people, to follow "not usable, …". */
export const PACKET_ERROR_TEXT: Readonly<Record<PacketError, string>> = {
  [PacketError.none]: 'nothing wrong',
  [PacketError.truncated]: 'shorter than its headers claim',
  [PacketError.badVersion]: 'neither IPv4 nor IPv6',
  [PacketError.badIpHeaderLength]: 'impossible IPv4 header length',
  [PacketError.badTotalLength]: 'IP length shorter than the headers',
  [PacketError.fragment]: 'a fragment',
  [PacketError.notTcp]: 'not TCP',
  [PacketError.badExtensionHeader]: 'impossible IPv6 extension headers',
  [PacketError.badDataOffset]: 'impossible TCP header length',
  [PacketError.badFlags]: 'impossible TCP flags',
  [PacketError.cutByCapture]: 'cut by the capture',
};

/** IPv6 extension headers that are walked before a packet is given up; RFC 8504 §5.3 lets a node set such a limit. */
const MAX_EXTENSION_HEADERS = 8;

/**
 * A TCP/IP packet read in place. One view is made and re-used: `parse` fills the fields, which stay valid as long as the
 * memory does. Addresses are four words, IPv4 mapped (see `IpAddress`), so nothing above this file knows two families.
 */
export class PacketView {
  memory: Memory | null = null;
  /**
   * When the packet was captured, for whoever wants differences: on the kernel's clock, which need not be the program's. Not
   * touched by `parse`. Starts as a fraction so that V8 gives the field a double of its own.
   */
  seenAt: Instant = 0.5 as Instant;
  /** Of the first octet of the IP header. */
  offset = 0;
  family: 4 | 6 = 4;
  src0 = 0;
  src1 = 0;
  src2 = 0;
  src3 = 0;
  dst0 = 0;
  dst1 = 0;
  dst2 = 0;
  dst3 = 0;
  /** TTL or hop limit. */
  ttl = 0;
  /** DSCP and ECN: IPv4 type of service, IPv6 traffic class. */
  trafficClass = 0;
  /** IP header with its extension headers, in octets. */
  ipHeaderLength = 0;
  /** The whole packet as its IP header has it; where that says 0 (GRO, BIG TCP), as the capture has it. */
  packetLength = 0;
  tcpOffset = 0;
  tcpHeaderLength = 0;
  sourcePort = 0;
  destinationPort = 0;
  seq: Seq = seqOf(0);
  ack: Seq = seqOf(0);
  flags = 0;
  window = 0;
  urgentPointer = 0;
  payloadOffset = 0;
  payloadLength = 0;

  get optionsOffset(): number {
    return this.tcpOffset + TCP_HEADER_LENGTH;
  }

  get optionsLength(): number {
    return this.tcpHeaderLength - TCP_HEADER_LENGTH;
  }

  /** SEG.LEN: payload, plus one each for SYN and FIN (RFC 9293 §3.4). */
  get segmentLength(): number {
    return this.payloadLength + ((this.flags & SYN) >>> 1) + (this.flags & FIN);
  }

  /** SYN, FIN, RST are absent and there is no payload. */
  get isPureAck(): boolean {
    return this.payloadLength === 0 && (this.flags & (SYN | FIN | RST)) === 0;
  }

  /**
   * Reads the packet at `memory[offset … offset+length)`. `wireLength` is what it had on the wire. On an error other than
   * `cutByCapture` the fields are undefined; with `cutByCapture` the headers are good and the payload is not all there.
   */
  parse(memory: Memory, offset: number, length: number, wireLength: number): PacketError {
    this.memory = memory;
    this.offset = offset;
    if (length < 1) return PacketError.truncated;
    const version = (memory.bytes[offset] as number) >>> 4;
    if (version === 4) return this.#parseV4(memory, offset, length, wireLength);
    if (version === 6) return this.#parseV6(memory, offset, length, wireLength);
    return PacketError.badVersion;
  }

  #parseV4(memory: Memory, offset: number, length: number, wireLength: number): PacketError {
    if (length < 20) return PacketError.truncated;
    const { bytes, view } = memory;
    const headerLength = ((bytes[offset] as number) & 15) << 2;
    if (headerLength < 20) return PacketError.badIpHeaderLength;
    const declared = view.getUint16(offset + 2);
    const packetLength = declared === 0 ? wireLength : declared;
    if (packetLength > wireLength) return PacketError.truncated;
    if (headerLength > packetLength) return PacketError.badIpHeaderLength;
    // More Fragments or an offset: the rest of the datagram is elsewhere (RFC 791 §3.1).
    if ((view.getUint16(offset + 6) & 0x3fff) !== 0) return PacketError.fragment;
    if (bytes[offset + 9] !== IPPROTO_TCP) return PacketError.notTcp;
    this.family = 4;
    this.trafficClass = bytes[offset + 1] as number;
    this.ttl = bytes[offset + 8] as number;
    this.src0 = 0;
    this.src1 = 0;
    this.src2 = V4_MAPPED;
    this.src3 = view.getInt32(offset + 12);
    this.dst0 = 0;
    this.dst1 = 0;
    this.dst2 = V4_MAPPED;
    this.dst3 = view.getInt32(offset + 16);
    return this.#parseTcp(memory, headerLength, length, packetLength);
  }

  #parseV6(memory: Memory, offset: number, length: number, wireLength: number): PacketError {
    if (length < 40) return PacketError.truncated;
    const { bytes, view } = memory;
    const declared = view.getUint16(offset + 4);
    const packetLength = declared === 0 ? wireLength : declared + 40;
    if (packetLength > wireLength) return PacketError.truncated;
    let next = bytes[offset + 6] as number;
    let headerLength = 40;
    for (let n = 0; next !== IPPROTO_TCP; n++) {
      if (next === 44) return PacketError.fragment;
      // Hop-by-Hop, Routing, Destination Options (RFC 8200 §4.1), Mobility (RFC 6275): all measured in 8-octet units.
      if (next !== 0 && next !== 43 && next !== 60 && next !== 135) return PacketError.notTcp;
      if (n === MAX_EXTENSION_HEADERS || headerLength + 8 > length) {
        return PacketError.badExtensionHeader;
      }
      const at = offset + headerLength;
      next = bytes[at] as number;
      headerLength += ((bytes[at + 1] as number) + 1) << 3;
      if (headerLength > packetLength) return PacketError.badExtensionHeader;
    }
    this.family = 6;
    this.trafficClass = (view.getUint16(offset) >>> 4) & 255;
    this.ttl = bytes[offset + 7] as number;
    this.src0 = view.getInt32(offset + 8);
    this.src1 = view.getInt32(offset + 12);
    this.src2 = view.getInt32(offset + 16);
    this.src3 = view.getInt32(offset + 20);
    this.dst0 = view.getInt32(offset + 24);
    this.dst1 = view.getInt32(offset + 28);
    this.dst2 = view.getInt32(offset + 32);
    this.dst3 = view.getInt32(offset + 36);
    return this.#parseTcp(memory, headerLength, length, packetLength);
  }

  #parseTcp(
    memory: Memory,
    ipHeaderLength: number,
    length: number,
    packetLength: number,
  ): PacketError {
    if (packetLength < ipHeaderLength + TCP_HEADER_LENGTH) return PacketError.badTotalLength;
    if (length < ipHeaderLength + TCP_HEADER_LENGTH) return PacketError.truncated;
    const { bytes, view } = memory;
    const at = this.offset + ipHeaderLength;
    const tcpHeaderLength = ((bytes[at + 12] as number) >>> 4) << 2;
    const headers = ipHeaderLength + tcpHeaderLength;
    if (tcpHeaderLength < TCP_HEADER_LENGTH || headers > packetLength) {
      return PacketError.badDataOffset;
    }
    if (headers > length) return PacketError.truncated;
    const flags = bytes[at + 13] as number;
    if ((flags & (SYN | FIN | RST | ACK)) === 0) return PacketError.badFlags;
    if ((flags & SYN) !== 0 && (flags & (FIN | RST)) !== 0) return PacketError.badFlags;
    this.ipHeaderLength = ipHeaderLength;
    this.packetLength = packetLength;
    this.tcpOffset = at;
    this.tcpHeaderLength = tcpHeaderLength;
    this.sourcePort = view.getUint16(at);
    this.destinationPort = view.getUint16(at + 2);
    this.seq = seqOf(view.getInt32(at + 4));
    this.ack = seqOf(view.getInt32(at + 8));
    this.flags = flags;
    this.window = view.getUint16(at + 14);
    this.urgentPointer = view.getUint16(at + 18);
    this.payloadOffset = this.offset + headers;
    this.payloadLength = packetLength - headers;
    return packetLength > length ? PacketError.cutByCapture : PacketError.none;
  }
}
