import { type Seq, seqAdd, seqAfter, seqBefore, seqDiff } from '../base/seq.ts';
import type { Memory } from '../base/memory.ts';
import { addTime, type Instant, NEVER } from '../base/time.ts';
import type { PacketSink } from '../ports/packet-sink.ts';
import { NONE } from '../tcp/send-queue.ts';
import { finishTcpChecksum, sum16 } from '../wire/checksum.ts';
import { IPV4_HEADER_LENGTH, writeIpv4Header } from '../wire/ipv4.ts';
import { IPV6_HEADER_LENGTH, writeIpv6Header } from '../wire/ipv6.ts';
import { ACK, FIN, IPPROTO_TCP, PSH, RST, SYN, TCP, TCP_HEADER_LENGTH, URG } from '../wire/tcp.ts';
import { writeTcpHeader } from '../wire/tcp-header.ts';
import {
  MAX_SACK_BLOCKS,
  TIMESTAMPS_LENGTH,
  writeSackBlock,
  writeSackHead,
  writeTimestamps,
} from '../wire/tcp-options.ts';
import { clockOf, synOptionsLength, writeSynOptions } from './handshake.ts';
import { endSession, noteFinSent } from './closing.ts';
import { Outcome } from './outcome.ts';
import { isSendingOpen, isSynchronized, Phase } from './phase.ts';
import { mayRelease, noteReleased } from './pacing.ts';
import { leapOverSacked, nextHole, noteResent, pipe, untilSacked } from './recovery.ts';
import { CROSSING, type SessionState } from './state.ts';

/**
 * The window that every segment but a SYN advertises, before scaling. A copy has no application that could be slow: it is
 * always ready for as much as the client's own window scale can express.
 */
const ADVERTISED_WINDOW = 0xffff;

/** Sends whatever is due at `now`: at most what the target's window and the congestion window allow. */
export function pollTransmit(s: SessionState, now: Instant, sink: PacketSink): void {
  if (s.answerRstDue) {
    s.answerRstDue = false;
    emit(s, now, sink, RST, s.answerRstSeq, NONE, 0, 0);
  }
  if (s.rstDue) {
    s.rstDue = false;
    // Exactly what the target expects next, if nothing was lost: a reset beside it would only be challenged (RFC 5961 §3.2).
    // Before its SYN-ACK there is nothing to acknowledge, and Linux in SYN-RECEIVED ignores a reset that acknowledges wrongly.
    emit(s, now, sink, s.isConnected ? RST | ACK : RST, s.sndMax, NONE, 0, 0);
  }
  if (s.synDue) sendSyn(s, now, sink);
  if (!isSynchronized(s.phase)) return;
  if (s.handshakeAckDue) {
    s.handshakeAckDue = false;
    emit(s, now, sink, ACK, s.sndNxt, NONE, 0, 0);
  }
  if (s.retransmitDue) retransmit(s, now, sink);
  sendNew(s, now, sink);
  if (s.probeDue) {
    s.probeDue = false;
    // An octet already acknowledged: the target must answer with an ACK that holds its window (RFC 9293 §3.8.6.1).
    emit(s, now, sink, ACK, seqAdd(s.sndUna, -1), NONE, 0, 0);
  }
  if (s.ackDue) emit(s, now, sink, ACK, s.sndNxt, NONE, 0, 0);
}

function sendSyn(s: SessionState, now: Instant, sink: PacketSink): void {
  s.synDue = false;
  const again = s.sndMax !== s.iss;
  emit(s, now, sink, SYN, s.iss, NONE, 0, 0);
  s.context.counters.sentSyn++;
  if (again) {
    s.context.counters.retransmitted++;
    s.timedAt = NEVER;
  } else {
    s.sndNxt = s.sndMax = seqAdd(s.iss, 1);
    s.timedEnd = s.sndNxt;
    s.timedAt = now;
  }
  s.rtxAt = addTime(now, s.rtt.rto);
}

/** Sends again what is lost: with SACK every hole that the congestion window has room for (RFC 6675 §5), else the segment at SND.UNA. */
function retransmit(s: SessionState, now: Instant, sink: PacketSink): void {
  if (!s.sackPermitted || !s.congestion.inRecovery) {
    retransmitFirst(s, now, sink);
    return;
  }
  s.retransmitDue = false;
  for (let at = nextHole(s); seqBefore(at, s.sndNxt); at = nextHole(s)) {
    const row = s.queue.lastBefore(seqAdd(at, 1));
    if (row === NONE) return;
    const { store } = s.context;
    const skip = seqDiff(at, store.seq(row));
    const until = untilSacked(s, at);
    const length = Math.min(store.length(row) - skip, s.mss, until);
    sendPiece(s, now, sink, row, skip, length);
    // A FIN goes with the last octet and takes a number.
    const isWhole = skip + length === store.length(row);
    noteResent(s, at, Math.max(1, length + (isWhole ? store.flags(row) & FIN : 0)));
    s.context.counters.retransmitted++;
    s.timedAt = NEVER;
  }
}

/** Sends the segment at SND.UNA again (fast retransmit, partial acknowledgement). */
function retransmitFirst(s: SessionState, now: Instant, sink: PacketSink): void {
  s.retransmitDue = false;
  const row = s.queue.head;
  if (row === NONE || !seqBefore(s.sndUna, s.sndMax)) return;
  const { store } = s.context;
  const skip = Math.max(0, seqDiff(s.sndUna, store.seq(row)));
  // No further than what was sent: of a piece that the window cut, the rest is not allowed yet.
  const length = Math.min(store.length(row) - skip, s.mss, s.flight);
  sendPiece(s, now, sink, row, skip, length);
  s.context.counters.retransmitted++;
  s.timedAt = NEVER;
}

function sendNew(s: SessionState, now: Instant, sink: PacketSink): void {
  const { store } = s.context;
  const { queue } = s;
  while (queue.cursor !== NONE) {
    if (seqBefore(s.sndNxt, s.sndMax) && leapOverSacked(s)) continue;
    const row = queue.cursor;
    const skip = seqDiff(s.sndNxt, store.seq(row));
    if (skip < 0) return; // A hole: the capture has not brought what comes before.
    const isNew = !seqBefore(s.sndNxt, s.sndMax);
    // What a SYN carried (Fast Open) has no acknowledgement number and waits for nothing.
    const hasAck = (store.flags(row) & ACK) !== 0;
    if (
      isNew &&
      skip === 0 &&
      hasAck &&
      !mayRelease(s, store.ack(row), (store.flags(row) & CROSSING) !== 0, now)
    ) {
      if (store.length(row) > 0) s.context.counters.held++;
      return;
    }
    let remaining = store.length(row) - skip;
    if (!isNew && s.sacked !== null) remaining = Math.min(remaining, untilSacked(s, s.sndNxt));
    const length = remaining === 0 ? 0 : sendable(s, now, remaining);
    if (length < 0) return;
    if (isNew && hasAck) noteReleased(s, store.ack(row), now);
    sendPiece(s, now, sink, row, skip, length);
    advance(s, now, row, skip + length, isNew);
  }
  // Behind everything that was captured before it, and not on top of what may be lost: a reset beside RCV.NXT is challenged.
  if (s.resetCaptured && s.flight === 0 && mayRelease(s, s.resetAck, false, now)) {
    emit(s, now, sink, RST | ACK, s.sndMax, NONE, 0, 0);
    endSession(s, now, Outcome.resetByClient);
  }
}

/** Octets of `remaining` that may be sent now; −1 when none. Arms the zero-window probe when only the window is to blame. */
function sendable(s: SessionState, now: Instant, remaining: number): number {
  const inFlight = seqDiff(s.sndNxt, s.sndUna);
  const { congestion } = s;
  const limit = s.sackPermitted
    ? congestion.cwnd
    : congestion.cwnd + congestion.limitedTransmit(s.mss);
  const room = Math.min(s.sndWnd - inFlight, limit - pipe(s));
  const length = Math.min(remaining, s.mss, room);
  if (length <= 0) {
    if (inFlight === 0 && s.rtxAt === NEVER) s.rtxAt = addTime(now, s.rtt.rto);
    return -1;
  }
  // Sender's silly window avoidance (RFC 9293 §3.8.6.2.1): no scraps while something is in flight.
  if (length < remaining && length < s.mss && inFlight > 0) return -1;
  return length;
}

/** Books what `sendNew` has sent of `row`, up to its octet `sentOfRow`. */
function advance(
  s: SessionState,
  now: Instant,
  row: number,
  sentOfRow: number,
  isNew: boolean,
): void {
  const { store } = s.context;
  const flags = store.flags(row);
  const complete = sentOfRow === store.length(row);
  s.sndNxt = seqAdd(store.seq(row), sentOfRow + (complete ? flags & FIN : 0));
  s.queue.advance(s.sndNxt);
  if (seqAfter(s.sndNxt, s.sndMax)) s.sndMax = s.sndNxt;
  if (s.rtxAt === NEVER) s.rtxAt = addTime(now, s.rtt.rto);
  if (complete && (flags & FIN) !== 0 && isSendingOpen(s.phase)) noteFinSent(s);
  if (!isNew) {
    s.context.counters.retransmitted++;
    s.timedAt = NEVER;
  } else if (s.timedAt === NEVER) {
    s.timedEnd = s.sndNxt;
    s.timedAt = now;
  }
}

/** Sends `length` octets of `row` from its octet `skip` on; the FIN goes with the last of them. */
function sendPiece(
  s: SessionState,
  now: Instant,
  sink: PacketSink,
  row: number,
  skip: number,
  length: number,
): void {
  const { store } = s.context;
  const captured = store.flags(row);
  const complete = skip + length === store.length(row);
  let flags = ACK;
  if (complete) flags |= captured & (FIN | PSH);
  if ((captured & URG) !== 0 && captured >>> 16 > skip) flags |= URG;
  emit(s, now, sink, flags, seqAdd(store.seq(row), skip), row, skip, length);
}

/** Builds one segment and hands it to the sink. `row` is `NONE` for a segment without payload of the client's. */
function emit(
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
  const window = isSyn ? s.syn.window : ADVERTISED_WINDOW;
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
  noteSent(s, flags, length);
}

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
  const { store, pool } = s.context;
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
    if (length > 0 && s.ackDue && s.sackPermitted && s.ranges !== null) return;
    s.ackDue = false;
    s.ackAt = NEVER;
    s.unacknowledged = 0;
  }
}
