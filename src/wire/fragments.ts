import type { Memory } from '../base/memory.ts';
import { updateChecksum } from './checksum.ts';
import { FRAGMENT_HEADER_LENGTH } from './ip-view.ts';

/** Of the IPv4 header: flags and offset, checksum (RFC 791 §3.1). */
const V4_FRAGMENT = 6;
const V4_CHECKSUM = 10;
const V4_MORE = 0x2000;

/**
 * Makes the IPv4 header at `at`, which was that of a whole packet without flags, the one of a fragment that begins `offset` octets, a
 * multiple of 8, into the data of the datagram.
 */
export function markIpv4Fragment(
  memory: Memory,
  at: number,
  offset: number,
  hasMore: boolean,
): void {
  const { view } = memory;
  const field = (offset >>> 3) | (hasMore ? V4_MORE : 0);
  view.setUint16(at + V4_FRAGMENT, field);
  view.setUint16(at + V4_CHECKSUM, updateChecksum(view.getUint16(at + V4_CHECKSUM), 0, field));
}

/** Writes an IPv6 Fragment header (RFC 8200 §4.5) and returns the offset after it. */
export function writeFragmentHeader(
  memory: Memory,
  at: number,
  nextHeader: number,
  offset: number,
  hasMore: boolean,
  id: number,
): number {
  const { view } = memory;
  view.setUint16(at, nextHeader << 8);
  view.setUint16(at + 2, offset | (hasMore ? 1 : 0));
  view.setInt32(at + 4, id);
  return at + FRAGMENT_HEADER_LENGTH;
}
