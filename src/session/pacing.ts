import { type Seq, seqAdd, seqAfter, seqDiff } from '../base/seq.ts';
import {
  addTime,
  type Duration,
  elapsed,
  type Instant,
  millis,
  NEVER,
  seconds,
} from '../base/time.ts';
import { extraRoundTrip, isNear } from './latency.ts';
import { hasTargetClosed } from './phase.ts';
import type { SessionState } from './state.ts';

/*
 * When a captured request may leave.
 *
 * A piece of client data whose acknowledgement number is not after that of the piece before belongs to the same request, or
 * was pipelined: it leaves at once. One whose number has advanced by n was sent after the client had seen n more octets of
 * the online server's answers. It is held until the target has answered as much:
 *
 *   - n octets have come from the target since the corresponding point, the last of them at the end of what the target wrote
 *     (PSH): the response is complete;
 *   - or something has come, less or more than online, and the target has then been silent for a while: a longer one where
 *     it did not push what came last, since then there is more, and was perhaps lost; but not where exactly n have come, which
 *     may be all, or by chance the end of a segment in the middle of a longer answer. Where the answers so far were as long
 *     as online, what was missing may come later still: exactly as many octets are taken for the rest of that answer, not for
 *     the next one, or every request from here on would leave before the answer that it waits for;
 *   - or nothing has come since the last piece left, which the target has acknowledged, and its patience is over. Perhaps the
 *     online server spoke unasked, or the answer was longer there, and the target waits for us as we wait for it. Patience is
 *     short for a piece that left the client less than a round trip after the one before, since it does not wait for that
 *     one's answer; otherwise the target may merely be slow, and is waited for much longer. What it has sent beyond what was
 *     seen online proves nothing: its answers may be longer.
 *
 * After that passes what the client's round trip to the online server is longer than the copy's to the target, as it did before
 * the captured request could arrive, and the time that the client thought. See latency.ts; with --no-latency neither does.
 *
 * The same rule holds the login of a protocol in which the server speaks first.
 */

/** The shortest silence that ends a response whose length differs from the online one. */
const MIN_SILENCE = millis(5);
/**
 * A client that sends while it is being answered may have to send more before there is another answer: when the target has
 * answered as much as the client had seen, but nothing since the last piece left, the next is held no longer than this.
 */
const CROSSING_PAUSE = seconds(1);
/** The silence in which a piece is held that crosses an answer, or perhaps has been answered: twice the target's slowest answer so far, within these bounds. */
const MIN_PATIENCE = seconds(1);
const MAX_PATIENCE = seconds(5);
/** The silence of a target that has not answered at all; more when it has been slower before. */
const UNANSWERED_PATIENCE = seconds(30);
/** A target that always answers shorter need not be waited for so long each time: the silence is halved up to this often. */
const MAX_HALVINGS = 5;

/** The handshake is over: octets count from here. */
export function startPacing(s: SessionState, now: Instant): void {
  s.allAckedAt = now;
  s.pacedRcv = s.rcvNxt;
  s.rcvAtSend = s.rcvNxt;
  s.shortResponses = 0;
  s.missing = 0;
}

function silence(s: SessionState, isExact: boolean): Duration {
  const halvings = Math.min(s.shortResponses, MAX_HALVINGS);
  const shortest = MIN_SILENCE / 2 ** halvings;
  // Between two windows of a long response the target is silent for a round trip, also after what it has pushed.
  const windows = 2 * s.rtt.shortest;
  const wait = Math.max(shortest, windows, isNear(s) ? 0 : s.clientRtt * 1.5);
  return (s.lastDataPushed || isExact ? wait : Math.max(wait, MAX_PATIENCE)) as Duration;
}

/** Whether the target has answered `advance` octets, as much as the client had seen. */
function isAnswered(s: SessionState, advance: number): boolean {
  const progress = seqDiff(s.rcvNxt, s.pacedRcv);
  const all = advance + Math.max(s.missing, 0);
  return s.lastDataPushed && (progress === advance || progress >= all);
}

/** A silent target is waited for until then, once everything sent has arrived there; not as long where it is not certain that it owes an answer. */
function endOfPatience(s: SessionState, isShort: boolean): Instant {
  const slowest = 2 * s.slowestAnswer;
  const patience = isShort
    ? Math.min(Math.max(slowest, MIN_PATIENCE), MAX_PATIENCE)
    : Math.max(slowest, UNANSWERED_PATIENCE);
  const since = Math.max(s.lastDataAt, s.releasedAt, s.allAckedAt);
  return addTime(since as Instant, patience as Duration);
}

/** The target has sent something new: call before `lastDataAt` is moved. */
export function noteAnswer(s: SessionState, now: Instant): void {
  if (s.missing > 0 && seqDiff(s.rcvNxt, s.pacedRcv) === s.missing) {
    // The rest of the answer before: to what was sent since there is none yet.
    s.pacedRcv = s.rcvNxt;
    s.rcvAtSend = s.rcvNxt;
    s.missing = -1;
  }
  if (s.releasedAt < s.lastDataAt || s.sndMax === seqAdd(s.iss, 1)) return;
  s.slowestAnswer = Math.max(s.slowestAnswer, elapsed(s.releasedAt, now)) as Duration;
}

/**
 * Whether what the client sent next, having seen the octets before `ack` and then thought for `think` microseconds, may leave at
 * `now`; arms the pacing timer when only time is missing.
 */
export function mayRelease(
  s: SessionState,
  ack: Seq,
  think: number,
  isCrossing: boolean,
  now: Instant,
): boolean {
  if (!s.pacedAckKnown || !seqAfter(ack, s.pacedAck)) return true;
  const isGreeting = s.sndMax === seqAdd(s.iss, 1);
  if (!s.context.config.holdRequests && !isGreeting) return true;
  // A target that has closed answers no more.
  if (hasTargetClosed(s.phase)) return true;
  const advance = seqDiff(ack, s.pacedAck);
  const answered = isAnswered(s, advance);
  const isExact = seqDiff(s.rcvNxt, s.pacedRcv) === advance;
  const isSilent = s.rcvNxt === s.rcvAtSend;
  // A hole in what came is certain to be filled: the answer is not over.
  if (!answered && (s.ranges !== null || (isSilent && s.flight > 0))) return false;
  const latency = extraRoundTrip(s) + (s.context.config.simulateLatency ? think : 0);
  const wait = answered ? latency : Math.max(latency, silence(s, isExact));
  let at = addTime(s.lastDataAt, wait as Duration);
  if (isSilent && isExact) at = Math.max(at, addTime(s.releasedAt, CROSSING_PAUSE)) as Instant;
  else if (isSilent) at = endOfPatience(s, isCrossing || s.missing < 0);
  if (at <= now) {
    s.paceAt = NEVER;
    return true;
  }
  s.paceAt = at;
  return false;
}

/** What the client sent at `ack` is about to leave for the first time: moves the corresponding points of both streams. */
export function noteReleased(s: SessionState, ack: Seq, now: Instant): void {
  s.paceAt = NEVER;
  s.releasedAt = now;
  s.progressAt = now;
  // The first data of all counts also where an acknowledgement that came after it has overtaken it in the capture.
  const isFirst = s.sndMax === seqAdd(s.iss, 1) && seqAfter(s.pacedAck, ack);
  if (!s.pacedAckKnown || isFirst) {
    s.pacedAck = ack;
    s.pacedAckKnown = true;
  } else if (seqAfter(ack, s.pacedAck)) {
    const advance = seqDiff(ack, s.pacedAck);
    const progress = seqDiff(s.rcvNxt, s.pacedRcv);
    if (isAnswered(s, advance)) {
      // What the target has sent beyond it answers requests that are pipelined behind this one.
      const rest = progress === advance ? 0 : Math.max(s.missing, 0);
      s.pacedRcv = seqAdd(s.pacedRcv, advance + rest);
      s.shortResponses = 0;
      s.missing = 0;
    } else {
      const hasStalled = s.shortResponses === 0 && progress > 0 && progress < advance;
      s.missing = hasStalled ? advance - progress : 0;
      const { config, counters } = s.context;
      const isSilent = s.rcvNxt === s.rcvAtSend && !hasTargetClosed(s.phase);
      if (isSilent && config.holdRequests) counters.releasedUnanswered++;
      s.pacedRcv = s.rcvNxt;
      s.shortResponses = progress === advance ? 0 : s.shortResponses + 1;
    }
    s.pacedAck = ack;
  }
  s.rcvAtSend = s.rcvNxt;
}
