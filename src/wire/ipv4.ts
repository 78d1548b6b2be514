import type { Memory } from '../base/memory.ts';
import { foldChecksum, wordSum } from './checksum.ts';

/** Of a header without options, in octets (RFC 791 §3.1). */
export const IPV4_HEADER_LENGTH = 20;

const DONT_FRAGMENT = 0x4000;

/**
 * Writes a header without options at `memory[offset …]` and its checksum. `totalLength` in octets, header included, at
 * most 65535; `src` and `dst` are the address words (the fourth of an `IpAddress`). Returns the offset after the header.
 */
export function writeIpv4Header(
  memory: Memory,
  offset: number,
  trafficClass: number,
  totalLength: number,
  id: number,
  dontFragment: boolean,
  ttl: number,
  protocol: number,
  src: number,
  dst: number,
): number {
  const { view } = memory;
  const first = 0x4500 | trafficClass;
  const flags = dontFragment ? DONT_FRAGMENT : 0;
  const hop = (ttl << 8) | protocol;
  view.setUint16(offset, first);
  view.setUint16(offset + 2, totalLength);
  view.setUint16(offset + 4, id);
  view.setUint16(offset + 6, flags);
  view.setUint16(offset + 8, hop);
  const sum = first + totalLength + (id & 0xffff) + flags + hop + wordSum(src) + wordSum(dst);
  view.setUint16(offset + 10, foldChecksum(sum));
  view.setInt32(offset + 12, src);
  view.setInt32(offset + 16, dst);
  return offset + IPV4_HEADER_LENGTH;
}
