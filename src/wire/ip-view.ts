import type { Memory } from '../base/memory.ts';
import type { Instant } from '../base/time.ts';
import { V4_MAPPED } from './address.ts';
import { PacketError } from './packet-error.ts';

/** IPv6 extension headers that are walked before a packet is given up; RFC 8504 §5.3 lets a node set such a limit. */
const MAX_EXTENSION_HEADERS = 8;
/** Next Header of a Fragment header (RFC 8200 §4.5), and its length in octets. */
export const IPPROTO_FRAGMENT = 44;
export const FRAGMENT_HEADER_LENGTH = 8;
/** Of the field with the offset in IPv4 and IPv6: more fragments follow. */
const V4_MORE_FRAGMENTS = 0x2000;
const V6_MORE_FRAGMENTS = 1;

/**
 * The IP header of a packet read in place, and the ports behind it: what all protocols have in common. Addresses are four
 * words, IPv4 mapped (see `IpAddress`), so nothing above this file knows two families.
 */
export abstract class IpView {
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
  /** IP header with its extension headers, in octets; of an IPv6 fragment those in front of its Fragment header. */
  ipHeaderLength = 0;
  /** The whole packet as its IP header has it; where that says 0 (GRO, BIG TCP), as the capture has it. */
  packetLength = 0;
  sourcePort = 0;
  destinationPort = 0;
  /** Of a fragment: where its data lies in that of the whole datagram, in octets; whether more follows; of which datagram. */
  fragmentOffset = 0;
  moreFragments = false;
  fragmentId = 0;

  /**
   * Reads the IP header of the packet at `memory[offset … offset+length)`, which had `wireLength` octets on the wire and should
   * carry `protocol`. With `fragment` the fields are good, those of the fragment only when its header has been captured.
   */
  protected parseIp(
    memory: Memory,
    offset: number,
    length: number,
    wireLength: number,
    protocol: number,
  ): PacketError {
    this.memory = memory;
    this.offset = offset;
    if (length < 1) return PacketError.truncated;
    const version = (memory.bytes[offset] as number) >>> 4;
    if (version === 4) return this.#parseV4(memory, offset, length, wireLength, protocol);
    if (version === 6) return this.#parseV6(memory, offset, length, wireLength, protocol);
    return PacketError.badVersion;
  }

  #parseV4(
    memory: Memory,
    offset: number,
    length: number,
    wireLength: number,
    protocol: number,
  ): PacketError {
    if (length < 20) return PacketError.truncated;
    const { bytes, view } = memory;
    const headerLength = ((bytes[offset] as number) & 15) << 2;
    if (headerLength < 20) return PacketError.badIpHeaderLength;
    const declared = view.getUint16(offset + 2);
    const packetLength = declared === 0 ? wireLength : declared;
    if (packetLength > wireLength) return PacketError.truncated;
    if (headerLength > packetLength) return PacketError.badIpHeaderLength;
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
    this.ipHeaderLength = headerLength;
    this.packetLength = packetLength;
    // More Fragments or an offset: the rest of the datagram is elsewhere (RFC 791 §3.1).
    const fragment = view.getUint16(offset + 6);
    if ((fragment & 0x3fff) !== 0) {
      this.fragmentOffset = (fragment & 0x1fff) << 3;
      this.moreFragments = (fragment & V4_MORE_FRAGMENTS) !== 0;
      this.fragmentId = view.getUint16(offset + 4);
      return PacketError.fragment;
    }
    return bytes[offset + 9] === protocol ? PacketError.none : PacketError.notTcp;
  }

  #parseV6(
    memory: Memory,
    offset: number,
    length: number,
    wireLength: number,
    protocol: number,
  ): PacketError {
    if (length < 40) return PacketError.truncated;
    const { bytes, view } = memory;
    const declared = view.getUint16(offset + 4);
    const packetLength = declared === 0 ? wireLength : declared + 40;
    if (packetLength > wireLength) return PacketError.truncated;
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
    this.packetLength = packetLength;
    return this.#walkExtensions(memory, length, protocol);
  }

  #walkExtensions(memory: Memory, length: number, protocol: number): PacketError {
    const { bytes } = memory;
    const { offset, packetLength } = this;
    let next = bytes[offset + 6] as number;
    let headerLength = 40;
    for (let n = 0; next !== protocol; n++) {
      if (next === IPPROTO_FRAGMENT) return this.#readFragmentHeader(memory, headerLength, length);
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
    this.ipHeaderLength = headerLength;
    return PacketError.none;
  }

  #readFragmentHeader(memory: Memory, headerLength: number, length: number): PacketError {
    this.ipHeaderLength = headerLength;
    if (headerLength + FRAGMENT_HEADER_LENGTH > length) return PacketError.fragment;
    const at = this.offset + headerLength;
    const field = memory.view.getUint16(at + 2);
    this.fragmentOffset = field & 0xfff8;
    this.moreFragments = (field & V6_MORE_FRAGMENTS) !== 0;
    this.fragmentId = memory.view.getInt32(at + 4);
    return PacketError.fragment;
  }
}
