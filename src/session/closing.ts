import { seqAdd, seqAfter, seqDiff } from '../base/seq.ts';
import { addTime, type Duration, type Instant, NEVER, seconds } from '../base/time.ts';
import { NONE } from '../tcp/send-queue.ts';
import type { PacketView } from '../wire/packet-view.ts';
import { ACK, RST } from '../wire/tcp.ts';
import { Outcome } from './outcome.ts';
import { acknowledge } from './latency.ts';
import { hasTargetClosed, isSendingOpen, Phase } from './phase.ts';
import { concludeRequest, concludeRequests } from './requests.ts';
import type { SessionState } from './state.ts';

/** A pause of less than this before a reconnection would only meet the reset on its way. */
const MIN_RECONNECT_PAUSE = 1000 as Duration;

/** A target that refused is not asked again, for the same connection, before this has passed; then the client's next request may join it. */
const REFUSED_PAUSE = seconds(1);

/** Ends the session with its outcome and lets go of what it holds; with `reset`, the target is told. It lingers to answer strays. */
export function endSession(s: SessionState, now: Instant, outcome: Outcome, reset = false): void {
  if (s.hasEnded) return;
  conclude(s, outcome);
  // Nothing was sent before the SYN, and a target that has not answered it may still be about to.
  s.rstDue = reset && s.sndMax !== s.iss;
  s.enter('end');
  noteLastSeen(s);
  dropOutput(s);
  s.lifeAt = addTime(
    now,
    outcome === Outcome.refused ? REFUSED_PAUSE : s.context.config.lingerTime,
  );
}

/** A copy that was cut has one end, however the rest went. */
function conclude(s: SessionState, outcome: Outcome): void {
  const isOurs = outcome === Outcome.internalError || outcome === Outcome.shed;
  s.outcome = s.isCut && !isOurs ? Outcome.captureGap : outcome;
  concludeRequests(s, s.outcome);
}

/** What the client had seen when it sent the last piece: what it sends after having seen more begins a request. */
function noteLastSeen(s: SessionState): void {
  const { store } = s.context;
  const { tail } = s.queue;
  if (s.isCut) {
    s.pacedAck = s.resetAck;
    s.pacedAckKnown = true;
    return;
  }
  if (tail === NONE || (store.flags(tail) & ACK) === 0) return;
  s.pacedAck = store.ack(tail);
  s.pacedAckKnown = true;
}

function dropOutput(s: SessionState): void {
  clearQueue(s);
  s.resetCaptured = false;
  s.synDue = s.ackDue = s.handshakeAckDue = s.retransmitDue = s.probeDue = false;
  s.rtxAt = s.ackAt = s.paceAt = s.gapAt = NEVER;
  s.timedAt = NEVER;
  s.dropLateAcks();
  s.ranges = null;
  s.sacked = null;
}

/** Empties the queue; what was in it and never sent is counted. */
function clearQueue(s: SessionState): void {
  const { counters, store } = s.context;
  for (let row = firstUnsent(s); row !== NONE; row = store.next(row)) {
    counters.unsentOctets += store.length(row) - Math.max(0, seqDiff(s.sndMax, store.seq(row)));
  }
  s.queue.clear();
}

/** Our FIN has left for the first time. */
export function noteFinSent(s: SessionState, now: Instant): void {
  s.finSeq = seqAdd(s.sndMax, -1);
  s.enter('finSent');
  s.lifeAt = addTime(now, s.context.config.closingTimeout);
}

/** The target has acknowledged our FIN. */
export function handleFinAcked(s: SessionState, now: Instant): void {
  const { phase } = s;
  if (phase !== Phase.finWait1 && phase !== Phase.closing && phase !== Phase.lastAck) return;
  s.enter('finAcked');
  if (phase === Phase.lastAck) completed(s, now);
  else if (phase === Phase.closing) beginTimeWait(s, now);
}

/** The target's FIN has come in order. */
export function handleTargetFin(s: SessionState, now: Instant): void {
  acknowledge(s, now);
  s.context.counters.receivedFin++;
  s.enter('finReceived');
  if (s.phase === Phase.timeWait) beginTimeWait(s, now);
  else if (s.phase === Phase.closeWait) {
    if (hasUnsentData(s)) continueElsewhere(s, now);
    else s.lifeAt = addTime(now, s.context.config.closeWaitTime);
  }
}

/** The target has reset the connection. */
export function handleTargetReset(s: SessionState, now: Instant): void {
  if (s.phase === Phase.timeWait) return;
  if (isSendingOpen(s.phase) && beginsRequest(s)) reconnect(s, now);
  else endSession(s, now, Outcome.resetByTarget);
}

function beginTimeWait(s: SessionState, now: Instant): void {
  conclude(s, Outcome.completed);
  clearQueue(s);
  s.resetCaptured = false;
  s.rtxAt = s.paceAt = s.gapAt = NEVER;
  s.lifeAt = addTime(now, s.context.config.lingerTime);
}

function completed(s: SessionState, now: Instant): void {
  conclude(s, Outcome.completed);
  dropOutput(s);
  s.lifeAt = addTime(now, s.context.config.lingerTime);
}

/** Whether client data waits that was never sent; a FIN alone is none. */
function hasUnsentData(s: SessionState): boolean {
  const row = firstUnsent(s);
  return row !== NONE && s.context.store.length(row) > 0;
}

/** The first piece that has octets never sent; after a timeout the cursor stands before it. */
function firstUnsent(s: SessionState): number {
  const { store } = s.context;
  let row = s.queue.cursor;
  while (row !== NONE && !seqAfter(store.end(row), s.sndMax)) row = store.next(row);
  return row;
}

/** The target takes no more on this connection, and client data is left: on a new one, if it can be understood there. */
export function continueElsewhere(s: SessionState, now: Instant): void {
  if (beginsRequest(s)) reconnect(s, now);
  else endSession(s, now, Outcome.closedByTarget, true);
}

/**
 * Whether the first data that was never sent begins a request. The rest of a request that was sent in part would mean
 * nothing on another connection, and one that was sent and not answered is not sent a second time.
 */
function beginsRequest(s: SessionState): boolean {
  const { store } = s.context;
  const row = firstUnsent(s);
  if (row === NONE || store.length(row) === 0 || store.seq(row) !== s.sndMax) return false;
  const isFirst = s.sndMax === seqAdd(s.iss, 1);
  return isFirst || !s.pacedAckKnown || seqAfter(store.ack(row), s.pacedAck);
}

/**
 * Opens a new connection for client data that the target, having closed or reset this one, has not been sent. Only after
 * progress: a target that takes nothing at all ends the session.
 */
function reconnect(s: SessionState, now: Instant): void {
  const { counters } = s.context;
  const hasClosed = hasTargetClosed(s.phase);
  const start = seqAdd(s.irs, hasClosed ? 2 : 1);
  if (s.sndUna === seqAdd(s.iss, 1) && s.rcvNxt === start && s.reconnects > 0) {
    endSession(s, now, hasClosed ? Outcome.closedByTarget : Outcome.resetByTarget, true);
    return;
  }
  if (s.reconnects >= s.context.config.maxReconnections) {
    endSession(s, now, Outcome.reconnectionLimit, true);
    return;
  }
  s.reconnects++;
  counters.reconnects++;
  concludeRequest(s, hasClosed ? Outcome.closedByTarget : Outcome.resetByTarget);
  s.rstDue = true;
  s.queue.acknowledge(s.sndMax);
  s.sndUna = s.sndNxt = s.sndMax; // What was sent is done with: the client may still retransmit it.
  s.enter('reconnect');
  s.rtxAt = s.ackAt = s.paceAt = s.timedAt = NEVER;
  s.ackDue = s.handshakeAckDue = s.retransmitDue = s.probeDue = false;
  s.finSeen = false;
  s.dropLateAcks();
  s.ranges = null;
  s.pacedAckKnown = false;
  s.lifeAt = addTime(now, Math.max(s.clientRtt, MIN_RECONNECT_PAUSE) as Duration);
}

/** A segment of the target for a session that has ended and lingers. */
export function handleAfterEnd(s: SessionState, p: PacketView): void {
  if ((p.flags & RST) !== 0) return;
  if (s.phase === Phase.timeWait) {
    // RFC 9293 §3.10.7.4: the only thing that can arrive is the target's FIN again; acknowledge it.
    if (p.segmentLength > 0) s.ackDue = true;
    return;
  }
  if (s.outcome === Outcome.completed && p.segmentLength === 0) return;
  if ((p.flags & ACK) === 0) return;
  s.answerRstDue = true;
  s.answerRstSeq = p.ack;
}
