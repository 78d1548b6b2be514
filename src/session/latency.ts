import {
  addTime,
  type Duration,
  type Instant,
  micros,
  millis,
  NEVER,
  seconds,
} from '../base/time.ts';
import { AckSchedule } from '../tcp/ack-schedule.ts';
import type { PacketView } from '../wire/packet-view.ts';
import type { SessionState } from './state.ts';

/*
 * The client is further away from the target than the copy is. What the target says reaches the copy after half of the
 * copy's own round trip, and the copy's answer takes the other half; the client's would take the client's round trip, which
 * is known from its handshake with the online server. The difference passes before an acknowledgement leaves, so that the
 * target measures the client's round trip, its retransmission timer fits, and its congestion window opens as fast as for the
 * client; and before a request leaves, see pacing.ts.
 *
 * ```
 *   client  ────────────────────────────┐ ack
 *                                       │
 *   copy    ─────┐ header     ┊ waits ┊ └──┐ ack
 *   target  data ┘                         └▶ data + client's round trip
 * ```
 */

/** Client round trips up to this count as none: the machine itself takes longer. */
const LAN_RTT = millis(1);
/** Acknowledgements leave in steps of a part of the time that they wait, and of no less than this: a wake-up costs more than it brings. */
const STEPS = 64;
const MIN_STEP = micros(500);

/** A client that sends its next request sooner than this after it has acknowledged an answer does not think. */
const MIN_THINK = millis(5);
/** Of what the client thinks, no more than this is waited for. */
const MAX_THINK = seconds(5);

/** Whether the client's round trip is of no concern. */
export const isNear = (s: SessionState): boolean =>
  s.clientRtt <= LAN_RTT || !s.context.config.simulateLatency;

/** By how much the client is further away; 0 when it is not, when that is not known, and with --no-latency. */
export function extraRoundTrip(s: SessionState): Duration {
  if (isNear(s)) return 0 as Duration;
  return Math.max(0, s.clientRtt - s.rtt.shortest) as Duration;
}

/** RCV.NXT is to be acknowledged, as soon as the client's acknowledgement would be on its way. */
export function acknowledge(s: SessionState, now: Instant, isDuplicate = false): void {
  const delay = extraRoundTrip(s);
  if (delay < MIN_STEP) {
    s.ackDue = true;
    return;
  }
  const { spareSchedules } = s.context;
  s.lateAcks ??= spareSchedules.pop() ?? new AckSchedule();
  // In steps that are the same for all, so that one wake-up serves many.
  const step = Math.max(MIN_STEP, Math.floor(delay / STEPS));
  const due = Math.ceil(addTime(now, delay) / step) * step;
  s.lateAcks.add(due as Instant, s.rcvNxt, s.tsRecent, isDuplicate);
  s.unacknowledged = 0;
  s.ackAt = NEVER;
}

/** The client has sent an acknowledgement without data: from here it thinks, if this covers the whole answer. */
export function notePureAck(s: SessionState, p: PacketView): void {
  if (p.ack === s.pureAck) return;
  s.pureAck = p.ack;
  s.pureAckAt = p.seenAt | 0;
}

/**
 * How long the client thought before it sent the request in hand, as far as its packets tell: from its acknowledgement of all
 * that it had read by then. An eighth less, so that a copy whose target is as fast as the online server does not fall behind
 * with every turn. In microseconds.
 */
export function thinkTime(s: SessionState, p: PacketView): number {
  const passed = ((p.seenAt | 0) - s.pureAckAt) | 0;
  if (p.ack !== s.pureAck || passed < MIN_THINK) return 0;
  return Math.min(passed - (passed >>> 3), MAX_THINK);
}
