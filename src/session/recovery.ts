import { type Seq, seqAdd, seqAfter, seqBefore, seqDiff } from '../base/seq.ts';
import { NONE } from '../tcp/send-queue.ts';
import { DUP_ACK_THRESHOLD } from '../tcp/congestion.ts';
import { RangeSet } from '../tcp/range-set.ts';
import type { SessionState } from './state.ts';

/*
 * Loss recovery with selective acknowledgements (RFC 2018, RFC 6675). The target's SACK blocks come in the options of the
 * response headers, of which a message has room for 24 octets: one block beside timestamps, two without. A receiver names the
 * latest first (RFC 2018 §4), so the scoreboard fills all the same.
 *
 *      SND.UNA                highRxt           lost edge                SND.NXT
 *   ──────┼──────────┬──────────┼─────────┬────────┼─────────┬──────────────┼──▶
 *         │ sent again │ SACKed │ sent again │ lost, to be   │ SACKed │ in    │
 *         │          │          │         │  sent again      │        │ flight│
 */

/** Ranges that the scoreboard of one connection remembers. */
const CAPACITY = 64;

/** Enters the SACK blocks of the segment in hand. Returns whether they told anything new (RFC 6675 §2, duplicate acknowledgement). */
export function noteSack(s: SessionState): boolean {
  const { options } = s.context;
  let isNew = false;
  for (let i = 0; i < options.sackCount; i++) {
    const left = options.sackLeft[i] as Seq;
    const right = options.sackRight[i] as Seq;
    // What is at or before SND.UNA tells of duplicates (RFC 2883); what was never sent is not believed.
    if (!seqAfter(left, s.sndUna) || !seqAfter(right, left) || seqAfter(right, s.sndMax)) continue;
    s.sacked ??= new RangeSet(CAPACITY);
    if (s.sacked.add(left, right)) isNew = true;
  }
  return isNew;
}

/**
 * What lies before this and is not SACKed is lost (RFC 6675 §4, IsLost): three ranges, or more than two segments, have arrived
 * from beyond it. SND.UNA when nothing is. Where too little is in flight for that, and nothing is left to be sent, all but one
 * segment will do (RFC 5827 §3.2).
 */
export function lostEdge(s: SessionState): Seq {
  const { sacked } = s;
  if (sacked === null || sacked.isEmpty) return s.sndUna;
  let octets = 0;
  for (let i = sacked.count - 1; i >= 0; i--) {
    octets += seqDiff(sacked.right(i), sacked.left(i));
    const ranges = sacked.count - i;
    if (ranges >= DUP_ACK_THRESHOLD || octets > (DUP_ACK_THRESHOLD - 1) * s.mss) {
      return sacked.left(i);
    }
  }
  const isTail = s.queue.cursor === NONE && s.flight <= (DUP_ACK_THRESHOLD + 1) * s.mss;
  return isTail && octets >= s.flight - s.mss ? sacked.left(sacked.count - 1) : s.sndUna;
}

/** Octets that are on their way (RFC 6675 §4, SetPipe): sent, neither SACKed nor lost, and what was sent again. */
export function pipe(s: SessionState): number {
  const inFlight = seqDiff(s.sndNxt, s.sndUna);
  const { sacked } = s;
  if (sacked === null || sacked.isEmpty) return inFlight;
  const outstanding = inFlight - sacked.octets(s.sndUna, s.sndNxt);
  if (!s.congestion.inRecovery) return outstanding;
  const from = seqAfter(s.highRxt, s.sndUna) ? s.highRxt : s.sndUna;
  const edge = lostEdge(s);
  if (!seqBefore(from, edge)) return outstanding;
  return outstanding - (seqDiff(edge, from) - sacked.octets(from, edge));
}

/** Where the next octets begin that must be sent again now (RFC 6675 §4, NextSeg rule 1); SND.NXT when there are none. */
export function nextHole(s: SessionState): Seq {
  const { sacked } = s;
  // The first segment that is missing goes at once, whatever the window (§5, step 4.3; a partial acknowledgement counts too).
  if (!seqAfter(s.highRxt, s.sndUna)) return s.sndUna;
  if (sacked === null) return s.sndNxt;
  let from = s.highRxt;
  const within = sacked.indexOf(from);
  if (within >= 0) from = sacked.right(within);
  if (!seqBefore(from, lostEdge(s))) return s.sndNxt;
  return s.congestion.cwnd - pipe(s) >= s.mss ? from : s.sndNxt;
}

/** After a timeout everything is sent again but what has arrived: the cursor leaps over it. Returns whether it did. */
export function leapOverSacked(s: SessionState): boolean {
  const within = s.sacked === null ? -1 : s.sacked.indexOf(s.sndNxt);
  if (within < 0) return false;
  s.sndNxt = (s.sacked as RangeSet).right(within);
  s.queue.advance(s.sndNxt);
  return true;
}

/** Octets from SND.NXT, or from `seq`, up to the next that have arrived: what is sent again goes no further. */
export function untilSacked(s: SessionState, seq: Seq): number {
  return seqDiff(s.sacked === null ? s.sndMax : s.sacked.nextLeft(seq, s.sndMax), seq);
}

/**
 * The retransmission timer has expired. A target may take back what it has only SACKed (RFC 2018 §8): where it seems to have done
 * so, or nothing of what was sent again has arrived, the scoreboard counts no more.
 */
export function distrustSacks(s: SessionState): void {
  if (s.sacked === null) return;
  if (s.retries > 1 || s.sacked.indexOf(s.sndUna) >= 0) s.sacked.clear();
}

/** The segment at SND.UNA has been sent again, up to `length` octets on, or a later one. */
export function noteResent(s: SessionState, seq: Seq, length: number): void {
  s.highRxt = seqAdd(seq, length);
}
