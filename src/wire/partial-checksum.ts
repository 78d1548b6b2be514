import type { Memory } from '../base/memory.ts';
import { addressSum, foldChecksum, wordSum } from './checksum.ts';
import type { PacketView } from './packet-view.ts';
import { IPPROTO_TCP, TCP } from './tcp.ts';

/**
 * Whether a TCP checksum was left to hardware when the packet was captured, as a file does not say: it is the sum of the
 * pseudo-header alone, as Linux leaves it, with or without the length, or 0.
 */
export function isPartialChecksum(p: PacketView): boolean {
  const found = (p.memory as Memory).view.getUint16(p.tcpOffset + TCP.checksum);
  if (found === 0) return true;
  const sum = addressSum(p) + IPPROTO_TCP;
  const left = ~found & 0xffff;
  const length = wordSum(p.tcpHeaderLength + p.payloadLength);
  return foldChecksum(sum + length) === left || foldChecksum(sum) === left;
}
