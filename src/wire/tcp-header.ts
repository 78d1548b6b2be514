import type { Memory } from '../base/memory.ts';
import type { Seq } from '../base/seq.ts';
import { TCP, TCP_HEADER_LENGTH } from './tcp.ts';

/**
 * Writes the fixed part of a header at `memory[offset …]`, urgent pointer and checksum 0: options and then
 * `finishTcpChecksum` come after it. `window` is the field as it stands on the wire, not scaled; `headerLength` in octets with
 * options, a multiple of 4 from 20 to 60. Returns the offset of the options.
 */
export function writeTcpHeader(
  memory: Memory,
  offset: number,
  sourcePort: number,
  destinationPort: number,
  seq: Seq,
  ack: Seq,
  flags: number,
  window: number,
  headerLength: number,
): number {
  const { view } = memory;
  view.setUint16(offset + TCP.sourcePort, sourcePort);
  view.setUint16(offset + TCP.destinationPort, destinationPort);
  view.setInt32(offset + TCP.seq, seq);
  view.setInt32(offset + TCP.ack, ack);
  // Data offset in words in the upper four bits: octets / 4 << 12.
  view.setUint16(offset + TCP.dataOffset, (headerLength << 10) | flags);
  view.setUint16(offset + TCP.window, window);
  view.setInt32(offset + TCP.checksum, 0);
  return offset + TCP_HEADER_LENGTH;
}
