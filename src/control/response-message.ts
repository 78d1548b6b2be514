import type { Memory } from '../base/memory.ts';
import { foldChecksum, sum16 } from '../wire/checksum.ts';
import { IPV4_HEADER_LENGTH } from '../wire/ipv4.ts';
import type { PacketView } from '../wire/packet-view.ts';
import { FIN, PSH, SYN, TCP, TCP_HEADER_LENGTH } from '../wire/tcp.ts';
import {
  MAX_SACK_BLOCKS,
  TcpOption,
  TcpOptions,
  writeMss,
  writeSackPermitted,
  writeTimestamps,
  writeWindowScale,
} from '../wire/tcp-options.ts';

/*
 * What intercept tells tcpcopy of one response, version 6: 64 octets.
 *
 *    0             20            40               64
 *    +-------------+-------------+----------------+
 *    | IPv4 header | TCP header  | options, zeros |
 *    +-------------+-------------+----------------+
 *
 * The reader takes the payload's size from the lengths in the headers (total length − 4·IHL − 4·data offset), so the three
 * must agree. The original copies them as they are and is wrong when the response has IP options, more than 24 octets of
 * TCP options or a total length of 0; here they are put right.
 */

/** Of one message, in octets. */
export const MESSAGE_LENGTH = 64;
/** Of one message in payload mode: what follows the headers is the payload, when it is 128 octets or less. */
export const PAYLOAD_MESSAGE_LENGTH = 192;
const PAYLOAD_ROOM = PAYLOAD_MESSAGE_LENGTH - MESSAGE_LENGTH;
const OPTIONS_ROOM = MESSAGE_LENGTH - IPV4_HEADER_LENGTH - TCP_HEADER_LENGTH;
const MAX_TOTAL_LENGTH = 0xffff;
/** Payload of one part of a response too long for one IPv4 total length: leaves room for the longest headers of a message. */
const PART_PAYLOAD = MAX_TOTAL_LENGTH - MESSAGE_LENGTH;

const scratch = new TcpOptions();

/**
 * How many messages say what `view` holds: one, or several where merging (GRO, BIG TCP) made a packet longer than IPv4 can
 * declare.
 */
export function responseParts(view: PacketView): number {
  if (view.payloadLength <= PART_PAYLOAD) return 1;
  return Math.ceil(view.payloadLength / PART_PAYLOAD);
}

/**
 * Writes message `part` (0 for the first) of the IPv4 response in `view` at `memory[offset … offset+64)`. Needs the headers
 * only: the payload may have been cut off by the capture. Parts follow each other in sequence space, FIN and PSH on the last.
 */
export function writeResponse(
  view: PacketView,
  part: number,
  memory: Memory,
  offset: number,
): void {
  const source = view.memory as Memory;
  const { bytes, view: data } = memory;
  copyHeaders(source, view, memory, offset);
  const tcp = offset + IPV4_HEADER_LENGTH;
  const optionsLength = writeOptions(source, view, memory, tcp + TCP_HEADER_LENGTH);
  const tcpHeaderLength = TCP_HEADER_LENGTH + optionsLength;
  const before = part * PART_PAYLOAD;
  const payload = Math.min(view.payloadLength - before, PART_PAYLOAD);
  const total = IPV4_HEADER_LENGTH + tcpHeaderLength + payload;
  bytes[tcp + TCP.dataOffset] =
    (tcpHeaderLength << 2) | ((bytes[tcp + TCP.dataOffset] as number) & 15);
  if (before > 0) data.setInt32(tcp + TCP.seq, view.seq + before);
  if (before + payload < view.payloadLength) {
    bytes[tcp + TCP.flags] = (bytes[tcp + TCP.flags] as number) & ~(FIN | PSH);
  }
  if (bytes[offset] === 0x45 && data.getUint16(offset + 2) === total) return;
  bytes[offset] = 0x45;
  data.setUint16(offset + 2, total);
  data.setUint16(offset + 10, 0);
  data.setUint16(offset + 10, foldChecksum(sum16(memory, offset, IPV4_HEADER_LENGTH)));
}

/**
 * Payload mode: completes the message at `memory[offset … offset+192)` that `writeResponse` has begun. The payload follows the TCP
 * options at once; one of more than 128 octets, or one that was not captured whole, is left out. `captured`: octets present from
 * `view.offset` on.
 */
export function writePayload(
  view: PacketView,
  captured: number,
  memory: Memory,
  offset: number,
): void {
  memory.bytes.fill(0, offset + MESSAGE_LENGTH, offset + PAYLOAD_MESSAGE_LENGTH);
  const { payloadLength, payloadOffset } = view;
  if (payloadLength > PAYLOAD_ROOM) return;
  if (payloadOffset + payloadLength > view.offset + captured) return;
  const source = view.memory as Memory;
  const tcp = offset + IPV4_HEADER_LENGTH;
  const at = tcp + (((memory.bytes[tcp + TCP.dataOffset] as number) >>> 4) << 2);
  for (let i = 0; i < payloadLength; i++) {
    memory.bytes[at + i] = source.bytes[payloadOffset + i] as number;
  }
}

function copyHeaders(source: Memory, view: PacketView, memory: Memory, offset: number): void {
  const { view: from } = source;
  const { view: to } = memory;
  for (let i = 0; i < IPV4_HEADER_LENGTH; i += 4) {
    to.setInt32(offset + i, from.getInt32(view.offset + i));
    to.setInt32(offset + IPV4_HEADER_LENGTH + i, from.getInt32(view.tcpOffset + i));
  }
}

/** Writes the options, zero padded, and returns their length: at most 24, a multiple of 4. */
function writeOptions(source: Memory, view: PacketView, memory: Memory, offset: number): number {
  const { optionsOffset, optionsLength } = view;
  if (optionsLength > OPTIONS_ROOM) return writeWhatMatters(source, view, memory, offset);
  const { view: from } = source;
  const { view: to } = memory;
  let i = 0;
  for (; i < optionsLength; i += 4) to.setInt32(offset + i, from.getInt32(optionsOffset + i));
  for (; i < OPTIONS_ROOM; i += 4) to.setInt32(offset + i, 0);
  return optionsLength;
}

/**
 * Options that do not fit: the ones a TCP client needs are written anew, in the order of need. Timestamps and all that a
 * SYN-ACK negotiates fill the 24 octets exactly; on other segments the rest goes to SACK blocks, the latest first (RFC 2018 §4).
 */
function writeWhatMatters(
  source: Memory,
  view: PacketView,
  memory: Memory,
  offset: number,
): number {
  const options = scratch;
  options.parse(source, view.optionsOffset, view.optionsLength);
  memory.bytes.fill(0, offset, offset + OPTIONS_ROOM);
  let at = offset;
  if (options.hasTimestamps) at = writeTimestamps(memory, at, options.tsval, options.tsecr);
  if ((view.flags & SYN) !== 0) {
    if (options.mss > 0) at = writeMss(memory, at, options.mss);
    if (options.windowScale >= 0) at = writeWindowScale(memory, at, options.windowScale);
    if (options.sackPermitted) at = writeSackPermitted(memory, at);
  }
  const room = (offset + OPTIONS_ROOM - at - 4) >> 3;
  const blocks = Math.min(options.sackCount, room, MAX_SACK_BLOCKS);
  if (blocks <= 0) return at - offset;
  // NOP NOP SACK, 2 + 8n octets.
  memory.view.setInt32(at, 0x0101_0002 | (TcpOption.sack << 8) | (blocks << 3));
  at += 4;
  for (let i = 0; i < blocks; i++, at += 8) {
    memory.view.setInt32(at, options.sackLeft[i] as number);
    memory.view.setInt32(at + 4, options.sackRight[i] as number);
  }
  return at - offset;
}
