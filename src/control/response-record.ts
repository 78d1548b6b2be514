import type { Memory } from '../base/memory.ts';
import type { PacketView } from '../wire/packet-view.ts';
import { Fault } from './fault.ts';
import { extendFrame, FINE, FrameType, MAX_BODY, RESPONSE_RECORD } from './extended-frame.ts';
import type { OutBuffer } from './out-buffer.ts';

/*
 * One response in a frame of type RESPONSES:
 *
 *    0        4        6       8             12                16          24
 *    +--------+--------+-------+-------------+-----------------+-----------+--------+---------+-------+
 *    | length | header | flags | wire length | payload present | received  | header | payload | zeros |
 *    +--------+--------+-------+-------------+-----------------+-----------+--------+---------+-------+
 *
 * The header is the IP header with its options or extension headers, and the TCP header, as captured. `received` is microseconds
 * since 1970 on the assistant's clock, 0 when not known.
 */

/** Octets of payload wanted: all there is. */
export const ALL_PAYLOAD = 0xffff_ffff;
/** Flag: the packet had more payload than is present. */
export const PAYLOAD_CUT = 1;
/** Bodies are closed at this length, so that a reader has something to do before all has come; one long record may exceed it. */
const BODY_AIM = 65_536;
/** The shortest headers: IPv4 and TCP without options. */
const MIN_HEADERS = 40;

/** Whether the response went in; `captured` and `wanted` as in `InterceptEnd`. `limit`: octets that the output may have after. */
export function addRecord(
  out: OutBuffer,
  limit: number,
  view: PacketView,
  captured: number,
  receivedAt: number,
  wanted: number,
): boolean {
  const headers = view.payloadOffset - view.offset;
  const room = Math.min(wanted, MAX_BODY - RESPONSE_RECORD - headers);
  const present = Math.max(0, Math.min(captured - headers, view.payloadLength, room));
  const length = (RESPONSE_RECORD + headers + present + 3) & ~3;
  if (out.length + length + 8 > limit) return false;
  const at = extendFrame(out, FrameType.responses, length, Math.max(BODY_AIM, length));
  if (at < 0) return false;
  const { memory } = out;
  const { view: to } = memory;
  to.setUint32(at, length);
  to.setUint16(at + 4, headers);
  to.setUint16(at + 6, present < view.payloadLength ? PAYLOAD_CUT : 0);
  to.setUint32(at + 8, view.packetLength);
  to.setUint32(at + 12, present);
  to.setUint32(at + 16, receivedAt / 0x1_0000_0000);
  to.setUint32(at + 20, receivedAt);
  // Up to three octets of padding lie in the last word.
  to.setInt32(at + length - 4, 0);
  copy(view.memory as Memory, view.offset, memory, at + RESPONSE_RECORD, headers + present);
  return true;
}

/** Headers are a few words; a whole payload goes as fast by words as by a call that must be given a view made for it. */
function copy(from: Memory, fromAt: number, to: Memory, toAt: number, octets: number): void {
  const words = octets & ~3;
  for (let i = 0; i < words; i += 4) to.view.setInt32(toAt + i, from.view.getInt32(fromAt + i));
  for (let i = words; i < octets; i++) to.bytes[toAt + i] = from.bytes[fromAt + i] as number;
}

export interface RecordHandler {
  handleResponse(
    memory: Memory,
    offset: number,
    length: number,
    wireLength: number,
    receivedAt: number,
  ): void;
}

/** Reads the record at `memory[offset … offset+length)` in place. */
export function readRecord(
  memory: Memory,
  offset: number,
  length: number,
  handler: RecordHandler,
): Fault | typeof FINE {
  const { bytes, view } = memory;
  const headers = view.getUint16(offset + 4);
  const wireLength = view.getUint32(offset + 8);
  const present = view.getUint32(offset + 12);
  const octets = headers + present;
  if (headers < MIN_HEADERS || ((RESPONSE_RECORD + octets + 3) & ~3) !== length) {
    return Fault.damaged;
  }
  const version = (bytes[offset + RESPONSE_RECORD] as number) >>> 4;
  if (octets > wireLength || (version !== 4 && version !== 6)) return Fault.damaged;
  const receivedAt = view.getUint32(offset + 16) * 0x1_0000_0000 + view.getUint32(offset + 20);
  handler.handleResponse(memory, offset + RESPONSE_RECORD, octets, wireLength, receivedAt);
  return FINE;
}
