import type { Scheduled } from '../base/deadline-queue.ts';
import { type Seq, seqAdd, seqOf } from '../base/seq.ts';
import { type Duration, type Instant, NEVER } from '../base/time.ts';
import { Congestion } from '../tcp/congestion.ts';
import type { AckSchedule } from '../tcp/ack-schedule.ts';
import type { RangeSet } from '../tcp/range-set.ts';
import { RttEstimator } from '../tcp/rtt.ts';
import { SendQueue } from '../tcp/send-queue.ts';
import type { IpAddress } from '../wire/address.ts';
import { TCP_HEADER_LENGTH } from '../wire/tcp.ts';
import type { SessionContext } from './context.ts';
import { Outcome } from './outcome.ts';
import { Phase, type PhaseEvent, transition } from './phase.ts';
import { RequestState } from './requests.ts';

/** RFC 9293 §3.7.1: what to assume when the peer names none. */
const DEFAULT_MSS_V4 = 536;
const DEFAULT_MSS_V6 = 1220;

/** Half of the largest receive buffer of Linux (tcp_rmem): the other half is for what it takes to hold packets. */
const MAX_WINDOW = 3 << 20;

/** Beside the flags of a piece, in the store: it left the client before an answer to the piece before could have come. */
export const CROSSING = 0x100;

/** The MSS of a target that announces none. */
export const defaultMss = (isV4: boolean): number => (isV4 ? DEFAULT_MSS_V4 : DEFAULT_MSS_V6);

/** Octets in front of the payload of a segment without options. */
export const headerOverhead = (isV4: boolean): number => (isV4 ? 20 : 40) + TCP_HEADER_LENGTH;

/** What is known of the way to one target; shared by its sessions, and changed when the kernel learns better. */
export interface TargetPath {
  /** Octets, IP header included, of the longest packet that passes. */
  mtu: number;
}

/** Both ends of a copy: the address and port it comes from, and the target. */
export interface CopyEndpoints {
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly target: IpAddress;
  readonly targetPort: number;
  readonly path: TargetPath;
}

/**
 * What the client's SYN said but for its numbers, or what we say in its place when no SYN was captured. Clients of one kind say
 * the same, so it is shared by many sessions.
 */
export interface SynTemplate {
  readonly window: number;
  readonly ttl: number;
  readonly trafficClass: number;
  readonly mss: number;
  /** −1: not offered. */
  readonly windowScale: number;
  readonly sackPermitted: boolean;
  readonly timestamps: boolean;
  /** False when we synthesised it. */
  readonly captured: boolean;
}

/** The numbers of a client's SYN. */
export interface SynNumbers {
  /** Its sequence number. */
  readonly iss: Seq;
  /** The client's clock (TSval); 0 where timestamps are not offered. */
  readonly tsval: number;
}

/**
 * One replayed connection: fields only; what happens to them is in the files beside this one, cut by role. Names are those of RFC
 * 9293 §3.3.1. The client's sequence numbers are kept, so SND.* are also the captured ones; RCV.* are the target's.
 *
 * ```
 *          1         2          3          4
 *     ----------|----------|----------|----------
 *            SND.UNA    SND.NXT    SND.UNA
 *                                 +SND.WND
 *     1 acknowledged   2 in flight   3 may be sent   4 not yet
 * ```
 */
export class SessionState implements Scheduled {
  queueIndex = -1;
  queuedAt: Instant = NEVER;

  readonly context: SessionContext;
  /** Changes only while no connection is there, see `beginElsewhere`. */
  ends: CopyEndpoints;
  readonly syn: SynTemplate;
  /** The sequence number of the captured SYN: that of the first connection, where there were several. */
  readonly capturedIss: Seq;
  /** The client's clock at its SYN (TSval), meaningful where the SYN offered timestamps. */
  readonly synTsval: number;
  phase: Phase = Phase.synSent;
  outcome: Outcome = Outcome.open;

  // Send side.
  iss: Seq;
  sndUna: Seq;
  sndNxt: Seq;
  /** The highest SND.NXT so far: what lies before it has been sent at least once. */
  sndMax: Seq;
  sndWnd = 0;
  sndWl1: Seq = seqOf(0);
  sndWl2: Seq = seqOf(0);
  /** RFC 7323: both sides offered window scaling. */
  windowScaling = false;
  /** Snd.Wind.Shift (RFC 7323 §2.2): from the target's SYN-ACK. */
  sndWndShift = 0;
  /** Payload octets of the longest segment that the target takes: its MSS less the options that every segment carries. */
  targetMss: number;
  /** Octets of headers and options in front of the payload. */
  overhead: number;
  /** The sequence number of our FIN; meaningful once the phase says that it was sent. */
  finSeq: Seq = seqOf(0);
  readonly queue: SendQueue;
  readonly congestion: Congestion;
  readonly rtt: RttEstimator = new RttEstimator();
  /** End of the segment being timed (Karn: one that was sent once); timing runs while `timedAt` is not `NEVER`. */
  timedEnd: Seq = seqOf(0);
  timedAt: Instant = NEVER;
  /** Something was sent again since the target last sent payload. */
  hasRetransmitted = false;
  /** RFC 2018: both sides offered selective acknowledgements. */
  sackPermitted = false;
  /** Beyond SND.UNA, what the target says that it has; made when it first does. */
  sacked: RangeSet | null = null;
  /** HighRxt of RFC 6675: in a recovery, the end of what was sent again last. */
  highRxt: Seq = seqOf(0);
  /** Timeouts in a row without progress. */
  retries = 0;

  // Receive side.
  /** The target's SYN-ACK has come: IRS and RCV.NXT mean something. */
  isConnected = false;
  irs: Seq = seqOf(0);
  rcvNxt: Seq = seqOf(0);
  /** Of the target's FIN, known once `finSeen`; it may lie beyond RCV.NXT. */
  targetFinSeq: Seq = seqOf(0);
  finSeen = false;
  /** Ranges received out of order; made when the first one is. */
  ranges: RangeSet | null = null;
  /** Octets received that no segment of ours has acknowledged. */
  unacknowledged = 0;
  /** Acknowledgements that the simulated client has sent and that have not left; made when there is one. */
  lateAcks: AckSchedule | null = null;
  /** RFC 7323: both sides offered timestamps. */
  timestamps = false;
  tsRecent = 0;

  // What the next pollTransmit must send.
  /** The route of this session must be registered with the intercepts before its SYN leaves. */
  routeDue = true;
  synDue = true;
  /** The third segment of the handshake, on its own as a client's kernel sends it. */
  handshakeAckDue = false;
  ackDue = false;
  rstDue = false;
  retransmitDue = false;
  probeDue = false;
  /** Sequence number of a reset that answers an unacceptable segment (RFC 9293 §3.10.7.3). */
  answerRstDue = false;
  answerRstSeq: Seq = seqOf(0);

  // What the client has done besides sending data.
  /** Its FIN is in the queue, or was. */
  finCaptured = false;
  /** It has reset the connection, having seen the octets up to `resetAck`: the copy does the same when its turn comes. */
  resetCaptured = false;
  resetAck: Seq = seqOf(0);

  /** When the last piece was captured, by the clock of `PacketView.seenAt`, and whether it is `CROSSING`. */
  lastPieceAt: Instant;
  isCrossing = false;

  /** See requests.ts: what became of the request sent last, and how many wait in the queue. */
  request: RequestState = RequestState.none;
  requestsWaiting = 0;

  /** The last acknowledgement without data that said anything new, and the lower 32 bits of when it was captured (`PacketView.seenAt`). */
  pureAck: Seq = seqOf(0);
  pureAckAt = 0;

  // Pacing: see pacing.ts.
  /** Between the online server and the client, measured from SYN to the first packet after it; −1 until known. */
  clientRtt: Duration = -1 as Duration;
  readonly synCapturedAt: Instant;
  /** When the client's SYN was captured last, by the clock of `PacketView.seenAt`: the round trip counts from here. */
  synSeenAt: Instant;
  /** Captured acknowledgement number of what was released last. */
  pacedAck: Seq = seqOf(0);
  pacedAckKnown = false;
  /** RCV.NXT that corresponds to `pacedAck`. */
  pacedRcv: Seq = seqOf(0);
  /** RCV.NXT when data was sent last: equal to RCV.NXT means that the target has not answered yet. */
  rcvAtSend: Seq = seqOf(0);
  /** When captured data left last for the first time. */
  releasedAt: Instant;
  /** When the target had acknowledged everything that was sent, the last time that this came to be. */
  allAckedAt: Instant = 0 as Instant;
  /** The longest that the target took to begin an answer. */
  slowestAnswer: Duration = 0 as Duration;
  lastDataAt: Instant;
  lastDataPushed = false;
  /** Requests in a row that were released by silence instead of by length. */
  shortResponses = 0;
  /** Octets that the first short answer after exact ones lacked: it may merely have stalled. −1: they have come since. */
  missing = 0;

  /** How far this one is behind the first of several copies of a connection, and until when nothing new may leave for that reason. */
  lag: Duration = 0 as Duration;
  notBefore: Instant = 0 as Instant;

  // Timers: `NEVER` when stopped.
  /** Retransmission or, with a closed window and nothing in flight, zero-window probe. */
  rtxAt: Instant = NEVER;
  ackAt: Instant = NEVER;
  paceAt: Instant = NEVER;
  gapAt: Instant = NEVER;
  /** What the online server has acknowledged, where its packets are captured; else the client's initial sequence number. */
  onlineAck: Seq;
  /** A hole was given up: the copy ends where it begins. `resetAck` is then the highest acknowledgement number of what lay behind it. */
  isCut = false;
  /** Where the hole begins that `gapAt` waits for. */
  gapFrom: Seq = seqOf(0);
  /** Whatever bounds the present phase. */
  lifeAt: Instant = NEVER;

  /** Challenges before this are not answered. */
  nextChallengeAt: Instant = 0 as Instant;
  lastTargetAt: Instant;
  /** When something new went out, arrived there or came back last; captured data that begins to wait counts too. */
  progressAt: Instant;
  reconnects = 0;
  ipId: number;

  constructor(
    context: SessionContext,
    ends: CopyEndpoints,
    syn: SynTemplate,
    { iss, tsval }: SynNumbers,
    now: Instant,
    ipId: number,
  ) {
    this.context = context;
    this.ends = ends;
    this.syn = syn;
    this.capturedIss = iss;
    this.synTsval = tsval;
    this.iss = iss;
    this.onlineAck = iss;
    this.sndUna = iss;
    this.sndNxt = iss;
    this.sndMax = iss;
    const isV4 = ends.target.family === 4;
    this.targetMss = defaultMss(isV4);
    this.overhead = headerOverhead(isV4);
    this.queue = new SendQueue(context.store, context.pool, seqAdd(iss, 1));
    this.congestion = new Congestion(this.mss);
    this.synCapturedAt = now;
    this.synSeenAt = now;
    this.lastPieceAt = now;
    this.releasedAt = now;
    this.lastDataAt = now;
    this.lastTargetAt = now;
    this.progressAt = now;
    this.ipId = ipId;
  }

  /** Effective send MSS (RFC 9293 §3.7.1): what the target takes, if the path lets it through. */
  get mss(): number {
    return Math.max(1, Math.min(this.targetMss, this.ends.path.mtu - this.overhead));
  }

  get hasEnded(): boolean {
    return this.outcome !== Outcome.open;
  }

  /** Octets sent and not acknowledged. */
  get flight(): number {
    return (this.sndMax - this.sndUna) | 0;
  }

  /** What our segments advertise, in octets: what a Linux client's buffer comes to offer, or as much of it as the window scale can express. */
  get rcvWnd(): number {
    return this.windowScaling ? Math.min(0xffff << this.syn.windowScale, MAX_WINDOW) : 0xffff;
  }

  /** Something was sent once more: what is being timed says nothing any longer (Karn). */
  noteRetransmitted(): void {
    this.context.counters.retransmitted++;
    this.hasRetransmitted = true;
    this.timedAt = NEVER;
  }

  /** Everything has been acknowledged, or nothing more will be. */
  dropLateAcks(): void {
    if (this.lateAcks === null) return;
    this.lateAcks.clear();
    this.context.spareSchedules.push(this.lateAcks);
    this.lateAcks = null;
  }

  /** The only place where the phase changes. */
  enter(event: PhaseEvent): void {
    this.phase = transition(this.phase, event);
  }
}
