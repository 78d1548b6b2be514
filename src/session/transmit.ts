import { seqAdd, seqAfter, seqBefore, seqDiff } from '../base/seq.ts';
import { addTime, type Instant, NEVER } from '../base/time.ts';
import type { PacketSink } from '../ports/packet-sink.ts';
import type { AckSchedule } from '../tcp/ack-schedule.ts';
import { NONE } from '../tcp/send-queue.ts';
import { ACK, FIN, PSH, RST, SYN, URG } from '../wire/tcp.ts';
import { endSession, noteFinSent } from './closing.ts';
import { emit, emitLateAck } from './emit.ts';
import { endCut } from './gap.ts';
import { Outcome } from './outcome.ts';
import { mayRelease, noteReleased } from './pacing.ts';
import { isSendingOpen, isSynchronized } from './phase.ts';
import { leapOverSacked, nextHole, noteResent, pipe, untilSacked } from './recovery.ts';
import { noteRequestSent, REQUEST } from './requests.ts';
import { CROSSING, type SessionState } from './state.ts';

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
  if (s.synDue && !s.routeDue && !isLagging(s, now)) sendSyn(s, now, sink);
  if (!isSynchronized(s.phase)) return;
  if (s.handshakeAckDue) {
    s.handshakeAckDue = false;
    emit(s, now, sink, ACK, s.sndNxt, NONE, 0, 0);
  }
  if (s.lateAcks !== null) sendLateAcks(s, s.lateAcks, now, sink);
  if (s.retransmitDue) retransmit(s, now, sink);
  sendNew(s, now, sink);
  if (s.probeDue) {
    s.probeDue = false;
    // An octet already acknowledged: the target must answer with an ACK that holds its window (RFC 9293 §3.8.6.1).
    emit(s, now, sink, ACK, seqAdd(s.sndUna, -1), NONE, 0, 0);
  }
  if (s.ackDue) emit(s, now, sink, ACK, s.sndNxt, NONE, 0, 0);
}

/** The acknowledgements that the client's would now have arrived with. */
function sendLateAcks(s: SessionState, acks: AckSchedule, now: Instant, sink: PacketSink): void {
  for (; acks.next <= now; acks.drop()) {
    for (let i = acks.count; i > 0; i--) emitLateAck(s, now, sink, acks.ack, acks.tsval);
  }
  if (acks.isEmpty) s.dropLateAcks();
}

/** Whether it is not yet the turn of this one among several copies; arms the pacing timer then. */
function isLagging(s: SessionState, now: Instant): boolean {
  if (now >= s.notBefore) return false;
  s.paceAt = s.notBefore;
  return true;
}

function sendSyn(s: SessionState, now: Instant, sink: PacketSink): void {
  s.synDue = false;
  const again = s.sndMax !== s.iss;
  emit(s, now, sink, SYN, s.iss, NONE, 0, 0);
  s.context.counters.sentSyn++;
  if (again) {
    s.noteRetransmitted();
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
    s.noteRetransmitted();
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
  s.noteRetransmitted();
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
    if (isNew && skip === 0 && isLagging(s, now)) return;
    // What a SYN carried (Fast Open) has no acknowledgement number and waits for nothing.
    const hasAck = (store.flags(row) & ACK) !== 0;
    if (
      isNew &&
      skip === 0 &&
      hasAck &&
      !mayRelease(s, store.ack(row), store.think(row), (store.flags(row) & CROSSING) !== 0, now)
    ) {
      if (store.length(row) > 0) s.context.counters.held++;
      return;
    }
    let remaining = store.length(row) - skip;
    if (!isNew && s.sacked !== null) remaining = Math.min(remaining, untilSacked(s, s.sndNxt));
    const length = remaining === 0 ? 0 : sendable(s, now, remaining);
    if (length < 0 || !isPaced(s, now, length)) return;
    if (isNew && skip === 0 && (store.flags(row) & REQUEST) !== 0) noteRequestSent(s);
    if (isNew && hasAck) noteReleased(s, store.ack(row), now);
    sendPiece(s, now, sink, row, skip, length);
    advance(s, now, row, skip + length, isNew);
  }
  if (s.isCut) endCut(s, now, sink);
  // Behind everything that was captured before it, and not on top of what may be lost: a reset beside RCV.NXT is challenged.
  if (
    s.resetCaptured &&
    s.flight === 0 &&
    !isLagging(s, now) &&
    mayRelease(s, s.resetAck, 0, false, now)
  ) {
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

/** Whether `length` octets may leave at once; arms the pacing timer when not. */
function isPaced(s: SessionState, now: Instant, length: number): boolean {
  if (length === 0) return true;
  const at = s.congestion.pace(now, length, s.rtt.shortest, s.mss);
  if (at <= now) return true;
  s.paceAt = at;
  return false;
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
  if (complete && (flags & FIN) !== 0 && isSendingOpen(s.phase)) noteFinSent(s, now);
  if (!isNew) {
    s.noteRetransmitted();
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
