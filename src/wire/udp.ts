import type { Memory } from '../base/memory.ts';
import { addressSum, foldChecksum, sum16, wordSum } from './checksum.ts';
import { FRAGMENT_HEADER_LENGTH, IPPROTO_FRAGMENT, IpView } from './ip-view.ts';
import { PacketError } from './packet-error.ts';

export const IPPROTO_UDP = 17;
/** Length of a header, in octets, and its fields (RFC 768). */
export const UDP_HEADER_LENGTH = 8;
const UDP = { destinationPort: 2, length: 4, checksum: 6 } as const;

/** Whether a packet of `length` octets at `offset` carries UDP, or a part of a datagram. */
export function isUdp(memory: Memory, offset: number, length: number): boolean {
  const { bytes } = memory;
  if (length < 20) return false;
  const version = (bytes[offset] as number) >>> 4;
  if (version === 4) return bytes[offset + 9] === IPPROTO_UDP;
  if (version !== 6 || length < 40) return false;
  let next = bytes[offset + 6] as number;
  let at = 40;
  // Those that the kernel's filter lets through, see `IpView`; what lies behind is for `parse` to judge.
  while (next === 0 || next === 43 || next === 60 || next === 135 || next === IPPROTO_FRAGMENT) {
    if (at + 8 > length) return false;
    const size = next === IPPROTO_FRAGMENT ? 1 : (bytes[offset + at + 1] as number) + 1;
    next = bytes[offset + at] as number;
    at += size << 3;
  }
  return next === IPPROTO_UDP;
}

/** A UDP datagram read in place, or a fragment of one. One view is made and re-used, as of `PacketView`. */
export class DatagramView extends IpView {
  /** Of the UDP header. */
  udpOffset = 0;
  /** It is a fragment; ports and checksum are undefined. */
  isFragment = false;
  /** The field of the header; 0: the sender made none. */
  checksum = 0;
  /** Behind the UDP header; of a fragment, the part of the datagram that it carries. */
  payloadOffset = 0;
  payloadLength = 0;

  /** UDP header and payload, in octets. */
  get udpLength(): number {
    return UDP_HEADER_LENGTH + this.payloadLength;
  }

  /**
   * As `PacketView.parse`; with `fragment` the addresses and the payload are good. What follows the datagram in its packet is
   * left out, as receivers do.
   */
  parse(memory: Memory, offset: number, length: number, wireLength: number): PacketError {
    const error = this.parseIp(memory, offset, length, wireLength, IPPROTO_UDP);
    this.isFragment = false;
    if (error === PacketError.fragment) return this.#parseFragment(memory, length);
    return error === PacketError.none ? this.#parseUdp(memory, length) : error;
  }

  #parseFragment(memory: Memory, length: number): PacketError {
    const { family, ipHeaderLength, packetLength } = this;
    const headers = ipHeaderLength + (family === 6 ? FRAGMENT_HEADER_LENGTH : 0);
    if (headers > packetLength) return PacketError.badTotalLength;
    if (headers > length) return PacketError.truncated;
    // A datagram in a single fragment has nothing to do with others of the same identification (RFC 6946 §4).
    if (family === 6 && this.fragmentOffset === 0 && !this.moreFragments) {
      if (memory.bytes[this.offset + ipHeaderLength] !== IPPROTO_UDP) return PacketError.notTcp;
      this.ipHeaderLength = headers;
      return this.#parseUdp(memory, length);
    }
    this.isFragment = true;
    this.payloadOffset = this.offset + headers;
    this.payloadLength = packetLength - headers;
    return packetLength > length ? PacketError.cutByCapture : PacketError.fragment;
  }

  #parseUdp(memory: Memory, length: number): PacketError {
    const { ipHeaderLength, packetLength } = this;
    const headers = ipHeaderLength + UDP_HEADER_LENGTH;
    if (packetLength < headers) return PacketError.badTotalLength;
    if (length < headers) return PacketError.truncated;
    const { view } = memory;
    const at = this.offset + ipHeaderLength;
    const udpLength = view.getUint16(at + UDP.length);
    if (udpLength < UDP_HEADER_LENGTH || ipHeaderLength + udpLength > packetLength) {
      return PacketError.badUdpLength;
    }
    this.udpOffset = at;
    this.sourcePort = view.getUint16(at);
    this.destinationPort = view.getUint16(at + UDP.destinationPort);
    this.checksum = view.getUint16(at + UDP.checksum);
    this.payloadOffset = at + UDP_HEADER_LENGTH;
    this.payloadLength = udpLength - UDP_HEADER_LENGTH;
    return ipHeaderLength + udpLength > length ? PacketError.cutByCapture : PacketError.none;
  }
}

/*
 * What a copy changes of a datagram are addresses and ports. So its checksum is that of two sums: that of its ends, and the
 * *rest*, that of everything else under the checksum, which all copies have in common.
 */

/** The rest, with a look at all octets: for a checksum that was left to hardware, or that is to be checked. */
export const restFromPayload = (p: DatagramView): number =>
  sum16(
    p.memory as Memory,
    p.payloadOffset,
    p.payloadLength,
    IPPROTO_UDP + wordSum(p.udpLength) + p.udpLength,
  );

/** Of addresses and ports, eighteen words. */
const endsSum = (p: DatagramView): number => addressSum(p) + p.sourcePort + p.destinationPort;

/** The rest from a checksum that is complete, the payload unseen: the first half of RFC 1624 eqn 3, where 0xffff less a word is ~m. */
export const restFromChecksum = (p: DatagramView): number =>
  (~p.checksum & 0xffff) + 18 * 0xffff - endsSum(p);

/** Whether the checksum, which is there, agrees with the datagram. */
export const isSoundDatagram = (p: DatagramView): boolean =>
  foldChecksum(restFromPayload(p) + endsSum(p) + p.checksum) === 0;

/**
 * Whether the checksum was left to hardware when the datagram was captured, as a file does not say: it is the sum of the
 * pseudo-header alone, as Linux leaves it.
 */
export const isPartialDatagram = (p: DatagramView): boolean =>
  p.checksum !== 0 &&
  foldChecksum(addressSum(p) + IPPROTO_UDP + wordSum(p.udpLength)) === (~p.checksum & 0xffff);

/** The checksum of a copy whose addresses and ports have the sum `ends`. Never 0, which would say that there is none (RFC 768). */
export function copyChecksum(rest: number, ends: number): number {
  const checksum = foldChecksum(rest + ends);
  return checksum === 0 ? 0xffff : checksum;
}

/** Returns the offset after the header; `length` in octets, with payload. */
export function writeUdpHeader(
  memory: Memory,
  at: number,
  sourcePort: number,
  destinationPort: number,
  length: number,
  checksum: number,
): number {
  const { view } = memory;
  view.setUint16(at, sourcePort);
  view.setUint16(at + UDP.destinationPort, destinationPort);
  view.setUint16(at + UDP.length, length);
  view.setUint16(at + UDP.checksum, checksum);
  return at + UDP_HEADER_LENGTH;
}
