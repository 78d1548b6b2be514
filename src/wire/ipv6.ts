import type { Memory } from '../base/memory.ts';
import type { AddressWords } from './address.ts';

/** Of the fixed header, in octets (RFC 8200 §3). */
export const IPV6_HEADER_LENGTH = 40;

/**
 * Writes a header with flow label 0 (RFC 6437 §3: a sender that does not label flows) at `memory[offset …]`.
 * `payloadLength` is what follows the header, at most 65535. Returns the offset after the header.
 */
export function writeIpv6Header(
  memory: Memory,
  offset: number,
  trafficClass: number,
  payloadLength: number,
  nextHeader: number,
  hopLimit: number,
  src: AddressWords,
  dst: AddressWords,
): number {
  const { view } = memory;
  view.setInt32(offset, 0x6000_0000 | (trafficClass << 20));
  view.setUint16(offset + 4, payloadLength);
  view.setUint16(offset + 6, (nextHeader << 8) | hopLimit);
  view.setInt32(offset + 8, src.w0);
  view.setInt32(offset + 12, src.w1);
  view.setInt32(offset + 16, src.w2);
  view.setInt32(offset + 20, src.w3);
  view.setInt32(offset + 24, dst.w0);
  view.setInt32(offset + 28, dst.w1);
  view.setInt32(offset + 32, dst.w2);
  view.setInt32(offset + 36, dst.w3);
  return offset + IPV6_HEADER_LENGTH;
}
