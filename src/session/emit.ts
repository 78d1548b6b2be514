import type { Memory } from '../base/memory.ts';
import type { Seq } from '../base/seq.ts';
import { type Instant, NEVER } from '../base/time.ts';
import type { PacketSink } from '../ports/packet-sink.ts';
import { NONE } from '../tcp/send-queue.ts';
import { finishTcpChecksum, sum16 } from '../wire/checksum.ts';
import { IPV4_HEADER_LENGTH, writeIpv4Header } from '../wire/ipv4.ts';
import { IPV6_HEADER_LENGTH, writeIpv6Header } from '../wire/ipv6.ts';
import { ACK, FIN, IPPROTO_TCP, RST, SYN, TCP, TCP_HEADER_LENGTH, URG } from '../wire/tcp.ts';
import { writeTcpHeader } from '../wire/tcp-header.ts';
import {
  MAX_SACK_BLOCKS,
  TIMESTAMPS_LENGTH,
  writeSackBlock,
  writeSackHead,
  writeTimestamps,
} from '../wire/tcp-options.ts';
import { clockOf, synOptionsLength, writeSynOptions } from './handshake.ts';
import { Phase } from './phase.ts';
import type { SessionState } from './state.ts';

/** Builds one segment and hands it to the sink. `row` is `NONE` for a segment without payload of the client's. */
export function emit(
  s: SessionState,
  now: Instant,
  sink: PacketSink,
  flags: number,
  seq: Seq,
  row: number,
  skip: number,
  length: number,
): void {
  build(s, now, sink, flags, seq, row, skip, length);
  noteSent(s, flags, length);
}

/** An acknowledgement as it would have left some time ago, when RCV.NXT and TS.Recent were `ack` and `tsRecent`. */
export function emitLateAck(
  s: SessionState,
  now: Instant,
  sink: PacketSink,
  ack: Seq,
  tsRecent: number,
): void {
  const { rcvNxt, tsRecent: latest } = s;
  s.rcvNxt = ack;
  s.tsRecent = tsRecent;
  build(s, now, sink, ACK, s.sndNxt, NONE, 0, 0);
  s.rcvNxt = rcvNxt;
  s.tsRecent = latest;
  s.context.counters.sent++;
}

function build(
  s: SessionState,
  now: Instant,
  sink: PacketSink,
  flags: number,
  seq: Seq,
  row: number,
  skip: number,
  length: number,
): void {
  const at = sink.begin();
  const { memory } = sink;
  const { ends } = s;
  const isV4 = ends.target.family === 4;
  const ipLength = isV4 ? IPV4_HEADER_LENGTH : IPV6_HEADER_LENGTH;
  const isSyn = (flags & SYN) !== 0;
  const blocks = flags === ACK && length === 0 ? sackBlocks(s) : 0;
  const optionsLength = isSyn ? synOptionsLength(s) : optionsOf(s, blocks);
  const headerLength = TCP_HEADER_LENGTH + optionsLength;
  writeIpHeader(s, sink, at, headerLength + length);
  const tcpAt = at + ipLength;
  const ack = (flags & ACK) !== 0 ? s.rcvNxt : (0 as Seq);
  const window = isSyn ? s.syn.window : advertised(s);
  writeTcpHeader(
    memory,
    tcpAt,
    ends.sourcePort,
    ends.targetPort,
    seq,
    ack,
    flags,
    window,
    headerLength,
  );
  if (isSyn) writeSynOptions(s, memory, tcpAt + TCP_HEADER_LENGTH, now);
  else if (optionsLength > 0) writeOptions(s, memory, tcpAt + TCP_HEADER_LENGTH, now, blocks);
  emitPayload(s, sink, at, ipLength, headerLength, flags, row, skip, length);
}

/**
 * The window field of every segment but a SYN. A copy has no application that could be slow: its window is always wholly open.
 */
const advertised = (s: SessionState): number =>
  s.windowScaling ? s.rcvWnd >>> s.syn.windowScale : s.rcvWnd;

/** SACK blocks for an acknowledgement of ours: as many as there are and fit (RFC 2018 §4). */
function sackBlocks(s: SessionState): number {
  if (!s.sackPermitted || s.ranges === null) return 0;
  return Math.min(s.ranges.count, s.timestamps ? MAX_SACK_BLOCKS - 1 : MAX_SACK_BLOCKS);
}

const optionsOf = (s: SessionState, blocks: number): number =>
  (s.timestamps ? TIMESTAMPS_LENGTH : 0) + (blocks > 0 ? 4 + 8 * blocks : 0);

/** Timestamps and `blocks` SACK blocks, the range that grew last in front. */
function writeOptions(
  s: SessionState,
  memory: Memory,
  offset: number,
  now: Instant,
  blocks: number,
): void {
  let at = offset;
  if (s.timestamps) at = writeTimestamps(memory, at, clockOf(s, now), s.tsRecent);
  const { ranges } = s;
  if (blocks === 0 || ranges === null) return;
  at = writeSackHead(memory, at, blocks);
  for (let i = 0, r = ranges.latest(-1); i < blocks; i++, r = ranges.latest(r)) {
    at = writeSackBlock(memory, at, ranges.left(r), ranges.right(r));
  }
}

function writeIpHeader(s: SessionState, sink: PacketSink, at: number, segmentLength: number): void {
  const { ends, syn } = s;
  if (ends.target.family === 6) {
    writeIpv6Header(
      sink.memory,
      at,
      syn.trafficClass,
      segmentLength,
      IPPROTO_TCP,
      syn.ttl,
      ends.source,
      ends.target,
    );
    return;
  }
  // Don't Fragment stays off: the ICMP message that path MTU discovery lives on would go to the client's address, not to us.
  s.ipId = (s.ipId + 1) & 0xffff;
  writeIpv4Header(
    sink.memory,
    at,
    syn.trafficClass,
    IPV4_HEADER_LENGTH + segmentLength,
    s.ipId,
    false,
    syn.ttl,
    IPPROTO_TCP,
    ends.source.w3,
    ends.target.w3,
  );
}

function emitPayload(
  s: SessionState,
  sink: PacketSink,
  at: number,
  ipLength: number,
  headerLength: number,
  flags: number,
  row: number,
  skip: number,
  length: number,
): void {
  const { store, pool, counters } = s.context;
  counters.sentPacketOctets += ipLength + headerLength + length;
  if ((flags & URG) !== 0) {
    const pointer = (store.flags(row) >>> 16) - skip;
    sink.memory.view.setUint16(at + ipLength + TCP.urgentPointer, pointer);
  }
  let sum = 0;
  let payload = null;
  let offset = 0;
  if (length > 0) {
    const handle = store.handle(row);
    payload = pool.memoryOf(handle);
    offset = pool.offsetOf(handle) + skip;
    // The sum was taken when the piece was stored; a part of a piece is summed anew.
    sum = length === store.length(row) ? store.sum(row) : sum16(payload, offset, length);
  }
  finishTcpChecksum(sink.memory, at, ipLength, headerLength + length, headerLength, sum);
  sink.commit(ipLength + headerLength, payload, offset, length);
}

function noteSent(s: SessionState, flags: number, length: number): void {
  const { counters } = s.context;
  counters.sent++;
  if (length > 0) {
    counters.sentData++;
    counters.sentOctets += length;
  }
  if ((flags & FIN) !== 0) counters.sentFin++;
  if ((flags & RST) !== 0) counters.sentRst++;
  if ((flags & ACK) !== 0 && s.phase !== Phase.closed) {
    // Data carries no SACK blocks: where there is something to say of holes, a segment of its own says it.
    const isTold = s.lateAcks !== null || (s.ackDue && s.sackPermitted);
    if (length > 0 && s.ranges !== null && isTold) return;
    s.dropLateAcks();
    s.ackDue = false;
    s.ackAt = NEVER;
    s.unacknowledged = 0;
  }
}
