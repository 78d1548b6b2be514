import { type Seq, seqAdd, seqAfter, seqBefore, seqDiff, seqInWindow } from '../base/seq.ts';
import { addTime, elapsed, type Instant, millis, NEVER } from '../base/time.ts';
import { RangeSet } from '../tcp/range-set.ts';
import type { PacketView } from '../wire/packet-view.ts';
import { ACK, FIN, PSH, RST, SYN } from '../wire/tcp.ts';
import { handleFinAcked, handleTargetFin, handleTargetReset } from './closing.ts';
import { acknowledge } from './latency.ts';
import { noteAnswer } from './pacing.ts';
import { hasTargetClosed, Phase } from './phase.ts';
import { lostEdge, noteSack } from './recovery.ts';
import { noteRequestAnswer } from './requests.ts';
import type { SessionState } from './state.ts';

/** The delayed acknowledgement timer: RFC 9293 §3.8.6.3 allows 500 ms, Linux starts at 40. */
const DELAYED_ACK = millis(40);
/** Between two answers to what is not acceptable and carries no data; Linux takes the same. */
const CHALLENGE_PAUSE = millis(500);
/** Without an MSS of our own in the SYN, what the target may assume (RFC 9293 §3.7.1). */
const DEFAULT_MSS = 536;
/** Out-of-order ranges remembered of the target's octets; what lies beyond more holes than this is sent again. */
const RANGES = 8;

/**
 * A segment of the target in a synchronized state. The steps are those of RFC 9293 §3.10.7.4, in its order: sequence
 * number, RST, SYN, ACK, (URG is of no concern: the payload never comes here), text, FIN.
 */
export function handleSynchronized(s: SessionState, now: Instant, p: PacketView): void {
  if (!isAcceptable(s, p)) {
    s.context.counters.receivedStale++;
    if ((p.flags & RST) !== 0) return;
    // Data that comes again is acknowledged each time: its acknowledgement may have been lost.
    if (p.payloadLength > 0 || (p.flags & FIN) !== 0) acknowledge(s, now, true);
    else challenge(s, now);
    return;
  }
  if ((p.flags & RST) !== 0) {
    // Exactly what is expected, or it is challenged (RFC 5961 §3.2).
    if (p.seq === s.rcvNxt) handleTargetReset(s, now);
    else challenge(s, now);
    return;
  }
  if ((p.flags & SYN) !== 0 || (p.flags & ACK) === 0) {
    if ((p.flags & SYN) !== 0) challenge(s, now); // RFC 5961 §4.2: challenged; without ACK: dropped.
    return;
  }
  noteTimestamp(s, p);
  if (!handleAck(s, now, p)) return;
  if (s.hasEnded && s.phase !== Phase.timeWait) return;
  if (p.payloadLength === 0 && (p.flags & FIN) === 0) return;
  // RFC 9293 §3.10.7.4, seventh and eighth step: nothing can follow a FIN.
  if (hasTargetClosed(s.phase)) s.ackDue = true;
  else handleText(s, now, p);
}

/** Answers what cannot be right by saying where we are, but not so often that two confused ends keep each other busy (RFC 5961 §7). */
function challenge(s: SessionState, now: Instant): void {
  if (now < s.nextChallengeAt) return;
  s.nextChallengeAt = addTime(now, CHALLENGE_PAUSE);
  s.ackDue = true;
}

/** RFC 9293 §3.4 (the four cases), with PAWS in front (RFC 7323 §5.3). */
function isAcceptable(s: SessionState, p: PacketView): boolean {
  const { options } = s.context;
  const isReset = (p.flags & RST) !== 0;
  if (s.timestamps && options.hasTimestamps && !isReset) {
    if (((options.tsval - s.tsRecent) | 0) < 0) return false;
  }
  const window = s.rcvWnd;
  const { segmentLength } = p;
  if (segmentLength === 0) return seqInWindow(p.seq, s.rcvNxt, window);
  const last = seqAdd(p.seq, segmentLength - 1);
  return seqInWindow(p.seq, s.rcvNxt, window) || seqInWindow(last, s.rcvNxt, window);
}

/** RFC 7323 §4.3: TS.Recent follows segments that begin at or before the last acknowledgement sent. */
function noteTimestamp(s: SessionState, p: PacketView): void {
  const { options } = s.context;
  if (!s.timestamps || !options.hasTimestamps || seqAfter(p.seq, s.rcvNxt)) return;
  s.tsRecent = options.tsval;
}

/** Whether the segment is to be read on. */
function handleAck(s: SessionState, now: Instant, p: PacketView): boolean {
  if (seqAfter(p.ack, s.sndMax)) {
    challenge(s, now);
    return false;
  }
  const advances = seqAfter(p.ack, s.sndUna);
  if (advances) handleNewAck(s, now, p.ack);
  if (s.sackPermitted) {
    if (noteSack(s)) handleNewSack(s);
  } else if (!advances && isDuplicate(s, p)) {
    if (s.congestion.onDuplicateAck(s.flight, s.sndMax, s.mss)) s.retransmitDue = true;
  }
  if (s.flight === 0) s.retries = 0; // It answers zero-window probes: as long as it does, it is waited for.
  if (s.phase !== Phase.closed) updateWindow(s, now, p, advances);
  return true;
}

function handleNewAck(s: SessionState, now: Instant, ack: Seq): void {
  const acked = seqDiff(ack, s.sndUna);
  if (s.timedAt !== NEVER && !seqBefore(ack, s.timedEnd)) {
    s.rtt.sample(elapsed(s.timedAt, now));
    s.timedAt = NEVER;
  }
  s.sndUna = ack;
  s.progressAt = now;
  if (seqBefore(s.sndNxt, ack)) s.sndNxt = ack; // After a timeout the target may turn out to have had it all.
  s.queue.acknowledge(ack);
  s.queue.advance(s.sndNxt);
  s.retries = 0;
  // An idle copy shall not keep 1.4 KB for a loss of long ago.
  if (ack === s.sndMax) s.sacked = null;
  else s.sacked?.advance(ack);
  if (s.congestion.onAck(acked, ack, s.mss, s.sackPermitted)) s.retransmitDue = true;
  s.rtxAt = s.sndUna === s.sndMax ? NEVER : addTime(now, s.rtt.rto);
  if (s.sndUna === s.sndMax) s.allAckedAt = now;
  if (seqAfter(ack, s.finSeq)) handleFinAcked(s, now);
}

/** RFC 6675 §5: something has arrived beyond what is missing, and may say that this is lost. */
function handleNewSack(s: SessionState): void {
  const { congestion } = s;
  const wasInRecovery = congestion.inRecovery;
  const isLost = seqAfter(lostEdge(s), s.sndUna);
  if (!congestion.onSack(isLost, s.flight, s.sndMax, s.mss)) return;
  if (!wasInRecovery) s.highRxt = s.sndUna;
  s.retransmitDue = true;
}

/** RFC 5681 §2: nothing new in it, while something is in flight. */
function isDuplicate(s: SessionState, p: PacketView): boolean {
  return (
    p.ack === s.sndUna &&
    s.flight > 0 &&
    p.segmentLength === 0 &&
    p.window << s.sndWndShift === s.sndWnd
  );
}

/**
 * RFC 9293 §3.10.7.4, fifth step: only a segment newer than the last one that did may change the window. As in Linux, one that
 * acknowledges something new is newer: its window counts from there, also where it is the retransmission of old text.
 */
function updateWindow(s: SessionState, now: Instant, p: PacketView, advances: boolean): void {
  const newer = advances || seqBefore(s.sndWl1, p.seq);
  if (!newer && (s.sndWl1 !== p.seq || seqAfter(s.sndWl2, p.ack))) return;
  const wasClosed = s.sndWnd === 0;
  s.sndWnd = p.window << s.sndWndShift;
  s.sndWl1 = p.seq;
  s.sndWl2 = p.ack;
  if (!wasClosed || s.sndWnd === 0) return;
  s.retries = 0;
  if (s.flight === 0) s.rtxAt = NEVER;
  else {
    // It was closed over what was in flight, and need not have kept that: not to be left to a timer that has backed off.
    s.retransmitDue = true;
    s.rtxAt = addTime(now, s.rtt.rto);
  }
}

function handleText(s: SessionState, now: Instant, p: PacketView): void {
  const { counters } = s.context;
  const end = seqAdd(p.seq, p.payloadLength);
  if ((p.flags & FIN) !== 0 && !s.finSeen) {
    s.finSeen = true;
    s.targetFinSeq = end;
  }
  if (seqAfter(p.seq, s.rcvNxt)) {
    counters.receivedOutOfOrder++;
    s.ranges ??= new RangeSet(RANGES);
    s.ranges.add(p.seq, end);
    acknowledge(s, now, true);
    return;
  }
  const before = s.rcvNxt;
  if (seqAfter(end, s.rcvNxt)) s.rcvNxt = end;
  if (s.ranges !== null) s.rcvNxt = s.ranges.advance(s.rcvNxt);
  const fresh = seqDiff(s.rcvNxt, before);
  if (fresh > 0) noteFreshData(s, now, p, fresh);
  if (s.finSeen && s.rcvNxt === s.targetFinSeq) {
    s.rcvNxt = seqAdd(s.rcvNxt, 1);
    handleTargetFin(s, now);
  } else if (fresh === 0) {
    acknowledge(s, now, true);
  }
}

/** In-order data: acknowledged with the second segment or after a moment (RFC 9293 §3.8.6.3), at once when it closed a hole (RFC 5681 §4.2). */
function noteFreshData(s: SessionState, now: Instant, p: PacketView, fresh: number): void {
  noteAnswer(s, now);
  noteRequestAnswer(s);
  s.lastDataAt = now;
  s.progressAt = now;
  s.lastDataPushed = (p.flags & PSH) !== 0;
  s.unacknowledged += fresh;
  const segment = s.syn.mss > 0 ? s.syn.mss : DEFAULT_MSS;
  const overhead = s.timestamps ? 12 : 0;
  if (s.unacknowledged >= 2 * (segment - overhead) || s.ranges !== null) acknowledge(s, now);
  else if (s.ackAt === NEVER) s.ackAt = addTime(now, DELAYED_ACK);
  if (s.ranges?.isEmpty) s.ranges = null;
}
