import { type Seq, seqBefore, seqOf } from '../base/seq.ts';
import { addTime, type Duration, type Instant, millis } from '../base/time.ts';

/** RFC 6928 §2: ten segments, at most 14,600 octets unless two segments are more. */
const initialWindow = (mss: number): number => Math.min(10 * mss, Math.max(2 * mss, 14_600));

/** Duplicate acknowledgements that mean a loss (RFC 5681 §3.2). */
export const DUP_ACK_THRESHOLD = 3;

/**
 * A window leaves in slices: of each round trip's sixteenth, as much as would be two windows a round trip, and no less than the
 * initial window. So an acknowledgement of many segments, which is common where the target takes bursts, sets off no burst.
 */
const SLICES = 16;
const WINDOWS_A_ROUND_TRIP = 2;
/** A slice of less than a millisecond would cost more wake-ups than the burst does harm. */
const PACED_FROM = millis(16);

/**
 * NewReno congestion control (RFC 5681, RFC 6582; RFC 6675 where the target sends SACK blocks) of one connection, in octets. It exists so that a copy does not burst a
 * captured backlog into a queue that the real client never filled.
 */
export class Congestion {
  cwnd: number;
  #ssthresh = 0x7fffffff;
  /** While `inRecovery`, SND.NXT when the loss was noticed: an acknowledgement up to here ends the recovery. */
  #recover: Seq = seqOf(0);
  inRecovery = false;
  /** What was sent before a timeout is being sent again: duplicates of it bring duplicate acknowledgements, which mean no loss. */
  #afterTimeout = false;
  dupAcks = 0;
  #sliceEnd: Instant = 0 as Instant;
  #sliceRoom = 0;

  constructor(mss: number) {
    this.cwnd = initialWindow(mss);
  }

  /** A new connection, whose segments hold `mss` octets. */
  reset(mss: number): void {
    this.cwnd = initialWindow(mss);
    this.#ssthresh = 0x7fffffff;
    this.inRecovery = false;
    this.#afterTimeout = false;
    this.dupAcks = 0;
  }

  /** `acked` octets newly acknowledged up to `ack`. Returns whether this is a partial acknowledgement: the next hole is lost too. */
  onAck(acked: number, ack: Seq, mss: number, usesSack: boolean): boolean {
    this.dupAcks = 0;
    if (this.#afterTimeout && !seqBefore(ack, this.#recover)) this.#afterTimeout = false;
    if (this.inRecovery) {
      if (seqBefore(ack, this.#recover)) {
        if (usesSack) return true; // RFC 6675 §5, step B: the pipe says what may be sent, the window stays.
        // RFC 6582 §3.2 step 3, partial acknowledgement: deflate by what left the network, keep one segment of room.
        this.cwnd = Math.max(mss, this.cwnd - acked + mss);
        return true;
      }
      this.inRecovery = false;
      this.cwnd = this.#ssthresh;
      return false;
    }
    this.#grow(acked, mss);
    return false;
  }

  /**
   * By the octets acknowledged (RFC 3465), without its limit for one acknowledgement, which is for senders that do not pace
   * (RFC 9406 §4.3): a target that answers a burst with one acknowledgement would be sent to ever more slowly than by a kernel.
   */
  #grow(acked: number, mss: number): void {
    if (this.cwnd >= this.#ssthresh) {
      this.cwnd += Math.max(1, Math.floor((mss * Math.min(acked, this.cwnd)) / this.cwnd));
    } else if (this.#afterTimeout) {
      this.cwnd += Math.min(acked, 2 * mss); // What is acknowledged need not have left the network now (RFC 3465 §2.3).
    } else {
      this.cwnd = Math.min(this.cwnd + acked, Math.max(this.#ssthresh, this.cwnd + mss));
    }
  }

  /**
   * When `length` octets may leave, for a round trip of `rtt`: `now`, and they are booked, or a later time at which to ask again.
   */
  pace(now: Instant, length: number, rtt: Duration, mss: number): Instant {
    if (rtt < PACED_FROM) return now;
    if (now >= this.#sliceEnd) {
      this.#sliceEnd = addTime(now, (rtt / SLICES) as Duration);
      this.#sliceRoom = Math.max((this.cwnd * WINDOWS_A_ROUND_TRIP) / SLICES, initialWindow(mss));
    }
    if (this.#sliceRoom <= 0) return this.#sliceEnd;
    this.#sliceRoom -= length;
    return now;
  }

  /** Returns whether the segment at SND.UNA must be sent again now (fast retransmit). */
  onDuplicateAck(flight: number, sndNxt: Seq, mss: number): boolean {
    if (this.#afterTimeout) return false;
    this.dupAcks++;
    if (this.inRecovery) {
      this.cwnd += mss;
      return false;
    }
    if (this.dupAcks !== DUP_ACK_THRESHOLD) return false;
    this.#enterRecovery(flight, sndNxt, mss);
    this.cwnd += DUP_ACK_THRESHOLD * mss;
    return true;
  }

  /** Something beyond a hole has been acknowledged selectively. Returns whether holes are to be sent again now (RFC 6675 §5). */
  onSack(isLost: boolean, flight: number, sndMax: Seq, mss: number): boolean {
    if (this.#afterTimeout) return false;
    if (this.inRecovery) return true;
    this.dupAcks++;
    if (!isLost && this.dupAcks < DUP_ACK_THRESHOLD) return false;
    this.#enterRecovery(flight, sndMax, mss);
    return true;
  }

  /** Octets beyond `cwnd` that the first two duplicate acknowledgements allow (limited transmit, RFC 3042 §2). */
  limitedTransmit(mss: number): number {
    if (this.inRecovery || this.#afterTimeout) return 0;
    return Math.min(this.dupAcks, DUP_ACK_THRESHOLD - 1) * mss;
  }

  #enterRecovery(flight: number, recover: Seq, mss: number): void {
    this.#ssthresh = Math.max(Math.floor(flight / 2), 2 * mss);
    this.cwnd = this.#ssthresh;
    this.#recover = recover;
    this.inRecovery = true;
  }

  /** The retransmission timer expired (RFC 5681 §3.1, equation 4, and the loss window of one segment; RFC 6582 §4.1). */
  onTimeout(flight: number, sndMax: Seq, mss: number): void {
    this.#recover = sndMax;
    this.#afterTimeout = true;
    this.#ssthresh = Math.max(Math.floor(flight / 2), 2 * mss);
    this.cwnd = mss;
    this.inRecovery = false;
    this.dupAcks = 0;
  }
}
