import type { Memory } from '../base/memory.ts';
import { PacketError, type PacketView } from '../wire/packet-view.ts';
import { TCP_HEADER_LENGTH } from '../wire/tcp.ts';

/** Octets at most that the header of a response takes: the message of protocol version 6. */
const HEADER_LENGTH = 64;
/** Of TCP headers, in octets (RFC 9293 §3.1). */
const MAX_TCP_HEADER = 60;
/** What an IPv4 total length can say; the header alone has come, so nothing shorter would be right. */
const MAX_PACKET = 0xffff;

/**
 * Reads the headers of a response, `length` octets at `offset` of a packet that had `wireLength` octets on the wire. Returns
 * whether it is one.
 */
export function parseWholeResponse(
  view: PacketView,
  memory: Memory,
  offset: number,
  length: number,
  wireLength: number,
): boolean {
  const error = view.parse(memory, offset, length, wireLength);
  return error === PacketError.none || error === PacketError.cutByCapture;
}

/**
 * Reads the header of a response from a message of version 6, `HEADER_LENGTH` octets at `offset`, zero padded. Returns whether it is one. An intercept of the
 * original sends the first octets of longer headers as they are: what is there of their options is read, and the payload's
 * length is right all the same.
 */
export function parseResponse(view: PacketView, memory: Memory, offset: number): boolean {
  const first = memory.bytes[offset] as number;
  const ipLength = first >>> 4 === 4 ? (first & 15) << 2 : HEADER_LENGTH;
  // Only options may be missing: fixed headers are read without a further look.
  const mayBeCut = ipLength + TCP_HEADER_LENGTH <= HEADER_LENGTH;
  const length = mayBeCut ? ipLength + MAX_TCP_HEADER : HEADER_LENGTH;
  const error = view.parse(memory, offset, Math.max(length, HEADER_LENGTH), MAX_PACKET);
  if (error !== PacketError.none && error !== PacketError.cutByCapture) return false;
  const room = offset + HEADER_LENGTH - view.tcpOffset;
  if (view.tcpHeaderLength > room) view.tcpHeaderLength = room;
  return true;
}
