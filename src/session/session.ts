import { addTime, type Duration, elapsed, type Instant, NEVER } from '../base/time.ts';
import type { PacketSink } from '../ports/packet-sink.ts';
import type { ChecksumState } from '../ports/packet-source.ts';
import type { PacketView } from '../wire/packet-view.ts';
import { ACK, RST } from '../wire/tcp.ts';
import { handleSynchronized } from './acks.ts';
import { endSession, handleAfterEnd } from './closing.ts';
import { handleClientSegment, isSameTime } from './forward.ts';
import { cutAtGap, noteOnlineAck } from './gap.ts';
import { beginElsewhere, handleInSynSent, handleSynTimeout, reopen } from './handshake.ts';
import { acknowledge } from './latency.ts';
import { Outcome } from './outcome.ts';
import { isOpening, isSendingOpen, isSynchronized, Phase } from './phase.ts';
import { distrustSacks } from './recovery.ts';
import { RequestState } from './requests.ts';
import { type CopyEndpoints, SessionState } from './state.ts';
import { pollTransmit } from './transmit.ts';
import { Verdict } from './verdict.ts';

/** In microseconds. */
const MIN_LEFT = 1000;

/**
 * One replayed connection: towards the target a TCP client whose application is the captured client.
 *
 * It does no I/O and knows no clock. Four kinds of method and no fifth: `handle…` for what has happened, `poll…` for what is to
 * be done, commands (`stop`, `abandon`), getters. After every `handle…` or command call `pollTransmit`, then `pollTimeout`. `now` never goes back.
 */
export class Session extends SessionState {
  /** A segment of the client other than a SYN. */
  handleClientPacket(now: Instant, p: PacketView, checksum: ChecksumState): Verdict {
    return handleClientSegment(this, now, p, checksum);
  }

  /** The client has sent its SYN again, seen by the kernel at `seenAt`. */
  handleSynAgain(seenAt: Instant): Verdict {
    if (isSameTime(this.synSeenAt, seenAt)) return Verdict.seenTwice;
    this.synSeenAt = seenAt;
    return Verdict.synAgain;
  }

  /** A segment of the online server to the client, where the capture sees it. */
  handleOnlinePacket(now: Instant, p: PacketView): void {
    if ((p.flags & (ACK | RST)) === ACK && !this.hasEnded) noteOnlineAck(this, now, p.ack);
  }

  /** The header of a segment of the target; `p.payloadLength` octets followed it. */
  handleTargetHeader(now: Instant, p: PacketView): void {
    const { counters, options } = this.context;
    counters.received++;
    if (p.payloadLength > 0) {
      counters.receivedData++;
      counters.receivedOctets += p.payloadLength;
      if (this.hasRetransmitted) {
        counters.answeredRetransmissions++;
        this.hasRetransmitted = false;
      }
    }
    if ((p.flags & RST) !== 0) counters.receivedRst++;
    if (p.optionsLength > 0) {
      options.parse(p.memory as NonNullable<typeof p.memory>, p.optionsOffset, p.optionsLength);
      if (options.malformed) counters.receivedMalformed++;
    } else options.clear();
    this.lastTargetAt = now;
    if (this.phase === Phase.synSent) handleInSynSent(this, now, p);
    else if (this.phase === Phase.reconnecting) counters.receivedStale++;
    else if (this.hasEnded) handleAfterEnd(this, p);
    else handleSynchronized(this, now, p);
  }

  handleTimeout(now: Instant): void {
    if (this.rtxAt <= now) this.#handleRetransmissionTimeout(now);
    if (this.ackAt <= now) {
      this.ackAt = NEVER;
      acknowledge(this, now);
    }
    if (this.paceAt <= now) this.paceAt = NEVER;
    if (this.gapAt <= now) cutAtGap(this, now);
    if (this.lifeAt <= now) this.#handleLifeTimeout(now);
  }

  /** When `handleTimeout` must be called next, or `NEVER`. */
  pollTimeout(): Instant {
    const lateAck = this.lateAcks === null ? NEVER : this.lateAcks.next;
    const pace = Math.min(this.paceAt, this.gapAt);
    return Math.min(this.rtxAt, this.ackAt, lateAck, pace, this.lifeAt) as Instant;
  }

  pollTransmit(now: Instant, sink: PacketSink): void {
    pollTransmit(this, now, sink);
  }

  /** Whether nothing is left to be done: the session may be forgotten. */
  get isFinished(): boolean {
    return this.hasEnded && this.lifeAt === NEVER && !this.rstDue;
  }

  /** Whether it may begin from another place: it has no connection, and is not at its end. */
  get isMovable(): boolean {
    return isOpening(this.phase);
  }

  /** Begins anew from another place, at the same target. Only while `isMovable`. */
  moveTo(ends: CopyEndpoints): void {
    beginElsewhere(this, ends);
  }

  /** Whether there is something to send, or an answer or the end to wait for: not so of a connection that is open and idle. */
  get isBusy(): boolean {
    if (this.hasEnded) return false;
    const waits = this.request === RequestState.sent || this.requestsWaiting > 0;
    return waits || !this.isConnected || this.finCaptured || this.queue.segments > 0;
  }

  /** Ends the connection at the target with a reset. */
  stop(now: Instant, outcome: Outcome): void {
    endSession(this, now, outcome, true);
  }

  /** Ends the session without a word to the target, which has not heard of it. */
  abandon(now: Instant, outcome: Outcome): void {
    endSession(this, now, outcome);
  }

  #handleRetransmissionTimeout(now: Instant): void {
    this.rtxAt = NEVER;
    if (this.phase === Phase.synSent) {
      handleSynTimeout(this);
      return;
    }
    if (!isSynchronized(this.phase)) return;
    this.retries++;
    this.rtt.backOff();
    this.timedAt = NEVER;
    if (this.retries > this.context.config.maxRetransmissions) {
      endSession(this, now, Outcome.retransmissionLimit, true);
    } else if (this.flight > 0 && this.sndWnd > 0) {
      // RFC 6298 (5.4) to (5.6); what follows SND.UNA is sent again as the window opens (go-back-N).
      this.congestion.onTimeout(this.flight, this.sndMax, this.mss);
      this.sndNxt = this.sndUna;
      this.queue.rewind();
      distrustSacks(this);
    } else {
      this.probeDue = true;
      this.rtxAt = addTime(now, this.rtt.rto);
    }
  }

  #handleLifeTimeout(now: Instant): void {
    this.lifeAt = NEVER;
    if (this.hasEnded) return;
    if (this.phase === Phase.synSent) {
      const outcome = this.routeDue ? Outcome.unregistered : Outcome.handshakeTimeout;
      endSession(this, now, outcome, true);
    } else if (this.phase === Phase.reconnecting) reopen(this, now);
    else if (this.phase === Phase.closeWait) endSession(this, now, Outcome.closeWaitTimeout, true);
    else this.#checkSilence(now);
  }

  /** -t, -k and --closing-timeout: a silent target is given up, sooner when captured data waits for it; then what counts is that something moves. */
  #checkSilence(now: Instant): void {
    const { config } = this.context;
    const waits = this.queue.segments > 0;
    const limit = this.#patience(waits);
    const since = waits
      ? this.progressAt
      : (Math.max(this.lastTargetAt, this.progressAt) as Instant);
    if (elapsed(since, now) >= limit) {
      const outcome = waits ? Outcome.responseTimeout : Outcome.idleTimeout;
      const isOpen = isSendingOpen(this.phase);
      endSession(this, now, isOpen ? outcome : Outcome.closingTimeout, true);
    } else {
      // Never further ahead than the shorter limit: data may come to wait meanwhile.
      // Nor so near that rounding makes it now: a timer armed in the present would never end.
      const left = Math.max(limit - elapsed(since, now), MIN_LEFT);
      this.lifeAt = addTime(now, Math.min(left, config.sessionTimeout) as Duration);
    }
  }

  #patience(waits: boolean): Duration {
    const { config } = this.context;
    if (!isSendingOpen(this.phase)) return config.closingTimeout;
    if (waits) return config.sessionTimeout;
    return Math.max(config.sessionTimeout, config.keepAliveTimeout) as Duration;
  }
}
