import type { Memory } from '../base/memory.ts';
import { seqAdd, seqAfter } from '../base/seq.ts';
import { addTime, elapsed, type Instant, NEVER } from '../base/time.ts';
import type { PacketView } from '../wire/packet-view.ts';
import { ACK, RST, SYN } from '../wire/tcp.ts';
import {
  TIMESTAMPS_LENGTH,
  writeMss,
  writeSackPermitted,
  writeTimestamps,
  writeWindowScale,
} from '../wire/tcp-options.ts';
import { endSession } from './closing.ts';
import { Outcome } from './outcome.ts';
import { startPacing } from './pacing.ts';
import { Phase } from './phase.ts';
import { type CopyEndpoints, defaultMss, headerOverhead, type SessionState } from './state.ts';

/** A smaller MSS only serves to make us send tiny segments; Linux draws the line here too (tcp_min_snd_mss). */
const MIN_MSS = 48;

/** Octets of the options of our SYN: those that the client's had, each padded to four. */
export function synOptionsLength(s: SessionState): number {
  const { syn } = s;
  return (
    (syn.mss > 0 ? 4 : 0) +
    (syn.sackPermitted ? 4 : 0) +
    (syn.timestamps ? TIMESTAMPS_LENGTH : 0) +
    (syn.windowScale < 0 ? 0 : 4)
  );
}

/** Writes what the client offered, in the order in which Linux does. Options unknown to us (MPTCP, Fast Open) were between the client and the online server alone. */
export function writeSynOptions(
  s: SessionState,
  memory: Memory,
  offset: number,
  now: Instant,
): void {
  const { syn } = s;
  let at = offset;
  if (syn.mss > 0) at = writeMss(memory, at, syn.mss);
  if (syn.sackPermitted) at = writeSackPermitted(memory, at);
  if (syn.timestamps) at = writeTimestamps(memory, at, clockOf(s, now), 0);
  if (syn.windowScale >= 0) writeWindowScale(memory, at, syn.windowScale);
}

/** The client's timestamp clock, carried on from its SYN at one tick a millisecond (RFC 7323 §5.4 allows 1 ms to 1 s). */
export function clockOf(s: SessionState, now: Instant): number {
  return (s.synTsval + elapsed(s.synCapturedAt, now) / 1000) | 0;
}

/** A segment of the target while we are in SYN-SENT: RFC 9293 §3.10.7.3. */
export function handleInSynSent(s: SessionState, now: Instant, p: PacketView): void {
  const hasAck = (p.flags & ACK) !== 0;
  const ackable = hasAck && seqAfter(p.ack, s.iss) && !seqAfter(p.ack, s.sndMax);
  if (hasAck && (!ackable || (p.flags & (SYN | RST)) === 0)) {
    if ((p.flags & RST) !== 0) return;
    // The target still has a connection of this tuple (a challenge ACK, RFC 5961 §4): reset that one, then try again. Where it is
    // one of ours, whose reset was lost, the SYN of the next lies right before what it expects, and the challenge fits our SYN.
    s.answerRstDue = true;
    s.answerRstSeq = p.ack;
    s.rtxAt = addTime(now, Math.max(s.clientRtt, 1000) as typeof s.clientRtt);
    return;
  }
  if ((p.flags & RST) !== 0) {
    if (ackable) endSession(s, now, Outcome.refused);
    return;
  }
  if ((p.flags & SYN) !== 0 && hasAck) acceptSynAck(s, now, p);
}

function acceptSynAck(s: SessionState, now: Instant, p: PacketView): void {
  const { options, config, counters } = s.context;
  counters.connected++;
  s.isConnected = true;
  s.irs = p.seq;
  s.rcvNxt = seqAdd(p.seq, 1);
  s.sndUna = p.ack;
  s.sndWl1 = p.seq;
  s.sndWl2 = p.ack;
  // Window scaling holds only when both sides offered it, and never for the SYN-ACK's own window (RFC 7323 §2.2).
  s.windowScaling = s.syn.windowScale >= 0 && options.windowScale >= 0;
  s.sndWndShift = s.windowScaling ? options.windowScale : 0;
  s.sndWnd = p.window;
  s.timestamps = s.syn.timestamps && options.hasTimestamps;
  s.tsRecent = options.tsval;
  s.sackPermitted = s.syn.sackPermitted && options.sackPermitted;
  s.sacked?.clear();
  setSegmentSizes(s, options.mss);
  s.congestion.reset(s.mss);
  if (s.timedAt !== NEVER) s.rtt.sample(elapsed(s.timedAt, now));
  s.timedAt = NEVER;
  s.rtxAt = NEVER;
  s.retries = 0;
  s.enter('synAcked');
  s.lifeAt = addTime(now, config.sessionTimeout);
  startPacing(s, now);
  // As the client's: when that was captured, which is a round trip of its own after the SYN.
  s.handshakeAckDue = s.clientRtt >= 0 || !config.simulateLatency;
}

/** The MSS option does not count the options that every segment carries: they come off (RFC 6691 §2). */
function setSegmentSizes(s: SessionState, announced: number): void {
  const options = s.timestamps ? TIMESTAMPS_LENGTH : 0;
  const isV4 = s.ends.target.family === 4;
  const offered = announced > 0 ? Math.max(announced, MIN_MSS) : defaultMss(isV4);
  s.targetMss = offered - options;
  s.overhead = headerOverhead(isV4) + options;
}

/** The SYN has not been answered in time: send it again. */
export function handleSynTimeout(s: SessionState): void {
  s.retries++;
  s.rtt.backOff();
  s.synDue = true;
  s.rtxAt = NEVER;
}

/** The pause before a reconnection is over: the connection starts anew in front of the first octet that was never sent. */
export function reopen(s: SessionState, now: Instant): void {
  s.enter('reopen');
  s.isConnected = false;
  s.iss = seqAdd(s.sndMax, -1);
  s.sndUna = s.sndNxt = s.sndMax = s.iss;
  s.routeDue = true;
  s.synDue = true;
  s.lifeAt = addTime(now, s.context.config.handshakeTimeout);
}

/**
 * The place is another tcpcopy's: the handshake begins anew from `ends`, to the same target and with the same ISS, in the time that is
 * left for it. A SYN that has left from the former place meets what the other one has there, at worst an established connection,
 * which answers with a challenge and stays (RFC 5961 §4).
 */
export function beginElsewhere(s: SessionState, ends: CopyEndpoints): void {
  s.ends = ends;
  s.routeDue = true;
  if (s.phase !== Phase.synSent) return; // Not opened again yet.
  s.sndUna = s.sndNxt = s.sndMax = s.iss;
  s.synDue = true;
  s.answerRstDue = false;
  s.rtxAt = s.timedAt = NEVER;
  s.retries = 0;
  s.rtt.reset();
}
