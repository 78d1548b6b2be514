import type { Memory } from '../base/memory.ts';
import { ChecksumState } from '../ports/packet-source.ts';
import { addressSum, foldChecksum, sum16, wordSum } from '../wire/checksum.ts';
import type { PacketView } from '../wire/packet-view.ts';
import { IPPROTO_TCP } from '../wire/tcp.ts';

/** Whether the TCP checksum agrees with the header and a payload whose sum is `payload`. */
export function isSound(p: PacketView, payload: number): boolean {
  const pseudo = addressSum(p) + IPPROTO_TCP + wordSum(p.tcpHeaderLength + p.payloadLength);
  const header = sum16(p.memory as Memory, p.tcpOffset, p.tcpHeaderLength, pseudo);
  return foldChecksum(header + payload) === 0;
}

/**
 * Whether a captured packet may be believed: its checksum is right, or it is known that it need not be looked at. A bad one
 * never reached the online server's TCP: the client will send it again.
 */
export function isIntact(p: PacketView, checksum: ChecksumState): boolean {
  if (checksum !== ChecksumState.unknown) return true;
  return isSound(p, sum16(p.memory as Memory, p.payloadOffset, p.payloadLength));
}
