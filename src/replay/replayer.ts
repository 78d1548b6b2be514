import { DeadlineQueue } from '../base/deadline-queue.ts';
import type { FlowKey } from '../base/flow-key.ts';
import type { Memory } from '../base/memory.ts';
import type { Random } from '../base/random.ts';
import { seqAdd, seqAfter, seqDiff } from '../base/seq.ts';
import { SlabPool } from '../base/slab-pool.ts';
import { addTime, type Duration, type Instant, NEVER } from '../base/time.ts';
import type { PacketSink } from '../ports/packet-sink.ts';
import { type CapturedPacket, ChecksumState } from '../ports/packet-source.ts';
import { NoRoute, type RouteRegistrar } from '../ports/route-registrar.ts';
import { type SessionConfig, SessionContext } from '../session/context.ts';
import { isOverfull, Outcome } from '../session/outcome.ts';
import { isIntact } from '../session/soundness.ts';
import { Verdict } from '../session/verdict.ts';
import { SegmentStore } from '../tcp/segment-store.ts';
import { PacketError, PacketView } from '../wire/packet-view.ts';
import { ACK, FIN, RST, SYN } from '../wire/tcp.ts';
import { Admission, type AdmissionConfig } from './admission.ts';
import { type Copy, ReadyList } from './copy.ts';
import { CopyTable } from './copy-table.ts';
import { Ledger } from './ledger.ts';
import { LeftRoutes } from './left-routes.ts';
import { Relocation } from './relocation.ts';
import { parseResponse, parseWholeResponse } from './response-header.ts';
import { SkippedFlows } from './skipped-flows.ts';
import { isSpent, Succession } from './succession.ts';
import { type Transfer, TransferTable } from './transfers.ts';

export interface ReplayerConfig extends AdmissionConfig {
  readonly session: SessionConfig;
  /** Octets of captured payload held in all. */
  readonly maxPayload: number;
}

/**
 * The core of tcpcopy: captured packets and response headers in, packets for the targets out. No I/O, no clock, no randomness
 * of its own. After every `handle…` or command call `poll`, then `pollTimeout`; `now` never goes back.
 */
export class Replayer {
  readonly ledger: Ledger = new Ledger();
  readonly context: SessionContext;
  readonly transfers: TransferTable;
  readonly #admission: Admission;
  readonly #copies: CopyTable;
  /** Copies of one connection at the most. */
  readonly #lanes: number;
  readonly #left: LeftRoutes;
  readonly #relocation: Relocation;
  readonly #skipped: SkippedFlows;
  readonly #ready = new ReadyList();
  /** Copies whose turn has come while others were being polled. */
  readonly #begun: Copy[] = [];
  readonly #deadlines = new DeadlineQueue<Copy>();
  readonly #view = new PacketView();
  /** Told of every copy that has ended, with its outcome. */
  onEnded: ((copy: Copy) => void) | null = null;

  constructor(config: ReplayerConfig, random: Random) {
    this.transfers = new TransferTable(config.transfers);
    const pool = new SlabPool(config.maxPayload);
    this.context = new SessionContext(config.session, new SegmentStore(), pool);
    this.#lanes = Math.ceil(config.copies ?? 1);
    this.#copies = new CopyTable(random.uint32(), this.#lanes);
    this.#skipped = new SkippedFlows(random.uint32());
    const { context, ledger } = this;
    this.#admission = new Admission(config, context, this.#copies, ledger, random);
    this.#left = new LeftRoutes(this.#copies);
    this.#relocation = new Relocation(this.#admission, this.#copies, this.#left, ledger);
  }

  /** Copies in the table, those included that have ended and linger. */
  get size(): number {
    return this.#copies.size;
  }

  handleClientPacket(now: Instant, packet: CapturedPacket): void {
    this.ledger.captured++;
    const view = this.#view;
    view.seenAt = packet.receivedAt > 0 ? (packet.receivedAt as Instant) : now;
    const error = view.parse(packet.memory, packet.offset, packet.length, packet.wireLength);
    if (error !== PacketError.none) this.ledger.countError(error);
    else this.ledger.countVerdict(this.#dispatch(now, view, packet.checksum));
  }

  /**
   * The headers of a target's segment, `length` octets at `offset`, perhaps with payload behind them, of a packet that had
   * `wireLength` octets; where that is 0, they are a message of control protocol version 6: 64 octets, zero padded.
   */
  handleTargetHeader(
    now: Instant,
    memory: Memory,
    offset: number,
    length: number,
    wireLength: number,
  ): void {
    const view = this.#view;
    const isReadable =
      wireLength === 0
        ? parseResponse(view, memory, offset)
        : parseWholeResponse(view, memory, offset, length, wireLength);
    if (!isReadable) {
      this.ledger.malformedResponses++;
      return;
    }
    const copy = this.#copies.findByTargetPacket(view);
    if (copy === undefined) {
      this.ledger.unknownResponses++;
      return;
    }
    try {
      copy.handleTargetHeader(now, view);
    } catch (fault) {
      this.#contain(now, copy, fault);
    }
    this.#ready.add(copy);
  }

  /** An intercept has refused a session because another tcpcopy has it; the near end of `key` is that of the copy. */
  handleTaken(now: Instant, key: FlowKey): void {
    const copy = this.#relocation.handleTaken(now, key);
    if (copy !== undefined) this.#ready.add(copy);
  }

  handleTimeout(now: Instant): void {
    for (let c = this.#deadlines.popDue(now); c !== undefined; c = this.#deadlines.popDue(now)) {
      this.#ready.add(c);
      try {
        c.handleTimeout(now);
      } catch (fault) {
        this.#contain(now, c, fault);
      }
    }
  }

  /** When `handleTimeout` must be called next, or `NEVER`. */
  pollTimeout(): Instant {
    return this.#deadlines.next;
  }

  /** Registers routes, then sends what is due: a route is on its way before the SYN that needs it. */
  poll(now: Instant, registrar: RouteRegistrar, sink: PacketSink): void {
    if (this.#ready.first === null && this.#left.isEmpty) return;
    this.#pollReady(now, registrar, sink);
    while (this.#begun.length > 0 || !this.#left.isEmpty) {
      for (const copy of this.#begun.splice(0)) this.#ready.add(copy);
      this.#pollReady(now, registrar, sink);
    }
    sink.flush();
  }

  #pollReady(now: Instant, registrar: RouteRegistrar, sink: PacketSink): void {
    this.#left.poll(registrar);
    for (let c: Copy | null = this.#ready.first; c !== null; c = c.nextReady) {
      this.#updateRoute(now, c, registrar);
    }
    registrar.flush();
    for (let c = this.#ready.take(); c !== null; c = this.#ready.take()) {
      try {
        c.pollTransmit(now, sink);
      } catch (fault) {
        this.#contain(now, c, fault);
      }
      this.#settle(now, c);
    }
  }

  /** Tells the intercepts of every open copy again, after a connection to one of them was lost; call `poll` then. */
  renewRoutes(): void {
    this.#copies.forEach((copy) => {
      if (copy.hasEnded) return;
      copy.routeDue = true;
      this.#ready.add(copy);
    });
  }

  /** Ends every copy with a reset; call `poll` once more to send them. */
  stop(now: Instant): void {
    this.#copies.forEach((copy) => {
      if (copy.hasEnded) return;
      copy.stop(now, Outcome.stopped);
      this.#ready.add(copy);
    });
  }

  /**
   * Whether a copy has something to send, or waits for an answer or for its end: all but those that are open and idle. Visits every
   * copy.
   */
  get isBusy(): boolean {
    let isBusy = false;
    this.#copies.forEach((copy) => {
      isBusy ||= copy.isWaiting || copy.isBusy;
    });
    return isBusy;
  }

  /** Visits every copy, those included that have ended and linger. */
  forEachCopy(visit: (copy: Copy) => void): void {
    this.#copies.forEach(visit);
  }

  /** Lets go of every copy that has ended, though it may linger: what is captured next is of other connections. */
  forgetEnded(now: Instant): void {
    const ended: Copy[] = [];
    this.#copies.forEach((copy) => {
      if (copy.hasEnded) ended.push(copy);
    });
    for (const copy of ended) if (!copy.isDetached) this.#detach(now, copy);
  }

  /** The first fault of ours that was contained, for the log. */
  fault: unknown = undefined;

  /** Gives the packet to every copy of its connection; what became of it is what the first says. */
  #dispatch(now: Instant, p: PacketView, checksum: ChecksumState): Verdict {
    const transfer = this.transfers.match(p);
    if (transfer === undefined) return this.#judgeOther(now, p);
    if (this.#lanes === 1) return this.#judge(now, p, transfer, checksum, 0);
    const { seq, flags, payloadOffset, payloadLength, urgentPointer } = p;
    const { payload } = this.context;
    const admission = this.#admission;
    admission.wanted = 0;
    payload.open();
    const verdict = this.#judge(now, p, transfer, checksum, 0);
    // Of what is left out there are no copies, unless the share was larger when they began.
    const lanes = verdict === Verdict.notSampled && !admission.isRamping ? 1 : this.#lanes;
    for (let lane = 1; lane < lanes; lane++) {
      // What a copy does not need of a packet, it takes away.
      p.seq = seq;
      p.flags = flags;
      p.payloadOffset = payloadOffset;
      p.payloadLength = payloadLength;
      p.urgentPointer = urgentPointer;
      const copy = this.#copies.findByClientPacket(p, lane);
      if (lane < admission.wanted || (copy !== undefined && admission.wanted === 0)) {
        this.#judge(now, p, transfer, checksum, lane);
      } else if (copy !== undefined) this.#leaveAlone(now, copy);
    }
    payload.close();
    return verdict;
  }

  /** The connection that now has the port of this copy's client has fewer copies. */
  #leaveAlone(now: Instant, copy: Copy): void {
    if (!copy.hasEnded && isSpent(copy)) this.#replace(now, copy);
    else this.#copies.orphan(copy);
  }

  #judge(
    now: Instant,
    p: PacketView,
    transfer: Transfer,
    checksum: ChecksumState,
    lane: number,
  ): Verdict {
    let copy = this.#copies.findByClientPacket(p, lane);
    let former: Copy | undefined;
    if ((p.flags & (SYN | ACK)) === SYN) {
      if (!isIntact(p, checksum)) return Verdict.badChecksum;
      if (copy?.syn.captured && copy.capturedIss === p.seq) {
        return copy.handleSynAgain(p.seenAt);
      }
      if (copy !== undefined && this.#mustEndFirst(now, copy)) {
        return this.#follow(now, copy, p, transfer, checksum);
      }
      if (copy !== undefined) this.#replace(now, copy);
      copy = undefined;
    } else if (copy !== undefined && copy.succession?.live === copy) {
      // Of a later connection, whose copy has ended before it could begin.
      return p.payloadLength > 0 ? Verdict.lostData : Verdict.afterEnd;
    } else if (copy?.hasEnded) {
      if (!isNews(copy, p)) return Verdict.afterEnd;
      if (!isIntact(p, checksum)) return Verdict.badChecksum;
      if (!this.#goesOn(copy, p)) return Verdict.lostData;
      if (seqAfter(copy.queue.end, p.seq)) {
        skipOctets(p, seqDiff(copy.queue.end, p.seq));
        checksum = ChecksumState.valid; // As was just found: it covers what is skipped too.
      }
      this.#detach(now, copy);
      former = copy;
      copy = undefined;
    }
    if (copy !== undefined) return this.#feed(now, copy, p, checksum);
    const admitted = this.#admission.admit(now, p, checksum, transfer, lane, former);
    if (typeof admitted === 'number') {
      if (lane === 0 && !this.#admission.mayJoin) this.#noteSkipped(p, admitted);
      return admitted;
    }
    return this.#begin(now, admitted, p, checksum);
  }

  /** A packet to no address and port of -x: perhaps it comes from one. */
  #judgeOther(now: Instant, p: PacketView): Verdict {
    if (!this.transfers.isFromOnline(p)) return Verdict.unmatched;
    for (let lane = 0; lane < this.#lanes; lane++) {
      const copy = this.#copies.findByOnlinePacket(p, lane);
      if (copy === undefined) continue;
      this.#ready.add(copy);
      copy.handleOnlinePacket(now, p);
    }
    return Verdict.onlineServer;
  }

  /** With -O: counts each connection once whose beginning was not captured. */
  #noteSkipped(p: PacketView, verdict: Verdict): void {
    if (verdict === Verdict.strayData) {
      if (!this.#skipped.note(p)) return;
      this.ledger.connections++;
      this.ledger.skipped++;
    } else if (verdict === Verdict.stray && (p.flags & (FIN | RST)) !== 0) {
      this.#skipped.forget(p);
    }
  }

  #begin(now: Instant, copy: Copy, p: PacketView, checksum: ChecksumState): Verdict {
    const former = this.#copies.findByEnds(copy.ends);
    if (former !== undefined) this.#detach(now, former);
    this.#copies.add(copy);
    this.#ready.add(copy);
    if ((p.flags & SYN) === 0) return this.#feed(now, copy, p, checksum);
    return this.#takeSyn(now, copy, p, checksum);
  }

  #takeSyn(now: Instant, copy: Copy, p: PacketView, checksum: ChecksumState): Verdict {
    if (p.payloadLength > 0) {
      // Fast Open: what the SYN carried follows it as ordinary data.
      p.seq = seqAdd(p.seq, 1);
      p.flags &= ~SYN;
      this.#feed(now, copy, p, checksum);
      copy.clientRtt = -1 as Duration; // It came with the SYN, not a round trip later.
    }
    return Verdict.syn;
  }

  /** Whether the copy of an earlier connection from the same port has something left to do, or others wait for it already. */
  #mustEndFirst(now: Instant, copy: Copy): boolean {
    const { succession } = copy;
    if (succession === null) {
      return !copy.hasEnded && !isSpent(copy) && this.#admission.hasRoom();
    }
    const { last } = succession;
    const isTooMany = succession.isFull || !this.#admission.hasRoom();
    if (last !== undefined && isTooMany) this.#replace(now, last);
    return this.#admission.hasRoom();
  }

  /** A client has begun anew from the port of `former`: its copy waits until that one has ended. */
  #follow(
    now: Instant,
    former: Copy,
    p: PacketView,
    transfer: Transfer,
    checksum: ChecksumState,
  ): Verdict {
    const live = former.succession?.live ?? former;
    const { lane } = former;
    const copy = this.#admission.admit(now, p, checksum, transfer, lane, live);
    if (typeof copy === 'number') return copy;
    const succession = former.succession ?? new Succession(former, now);
    copy.lifeAt = NEVER; // Nothing of the handshake has begun.
    succession.add(copy);
    this.#copies.addWaiting(copy);
    this.#ready.add(copy);
    this.#ready.add(live);
    this.ledger.waited++;
    return this.#takeSyn(now, copy, p, checksum);
  }

  #feed(now: Instant, copy: Copy, p: PacketView, checksum: ChecksumState): Verdict {
    this.#ready.add(copy);
    try {
      return copy.handleClientPacket(now, p, checksum);
    } catch (fault) {
      this.#contain(now, copy, fault);
      return Verdict.data;
    }
  }

  /** Whether what a client sends after its copy has ended is worth a copy of its own. */
  #goesOn(copy: Copy, p: PacketView): boolean {
    // Refused a moment ago, refused again; and where a limit was met, the rest of a request would only meet it again.
    const isHopeless =
      copy.outcome === Outcome.refused ||
      copy.outcome === Outcome.noFreePort ||
      isOverfull(copy.outcome);
    // The rest of a request that the copy was given in part would mean nothing on another connection.
    const isFirst = !copy.isCut && copy.queue.end === seqAdd(copy.capturedIss, 1);
    const isRequest = isFirst || !copy.pacedAckKnown || seqAfter(p.ack, copy.pacedAck);
    return this.#admission.mayJoin && !isHopeless && isRequest;
  }

  #replace(now: Instant, copy: Copy): void {
    copy.stop(now, Outcome.replaced);
    this.#ready.add(copy);
    this.#detach(now, copy);
  }

  /** A fault of ours ends one copy, not the process. */
  #contain(now: Instant, copy: Copy, fault: unknown): void {
    this.fault ??= fault;
    copy.stop(now, Outcome.internalError);
  }

  #updateRoute(now: Instant, copy: Copy, registrar: RouteRegistrar): void {
    if (copy.isDetached || copy.isWaiting) return;
    if (copy.isFinished) {
      registrar.unregister(copy.ends, copy.routeSlot);
      copy.routeSlot = NoRoute.now;
    } else if (copy.routeDue && !copy.hasEnded) {
      copy.routeSlot = registrar.register(copy.ends);
      if (copy.routeSlot === NoRoute.ever) copy.abandon(now, Outcome.unregistered);
      // Until an intercept is back the route stays due, and no SYN leaves.
      copy.routeDue = copy.routeSlot < 0;
    }
  }

  /** Books what has become of a copy, and when it must be looked at again. */
  #settle(now: Instant, copy: Copy): void {
    if (copy.hasEnded && !copy.isCounted) {
      copy.isCounted = true;
      this.ledger.countOutcome(copy.outcome);
      this.onEnded?.(copy);
    }
    if (copy.isDetached) return;
    const { succession } = copy;
    if (succession !== null && this.#settleSuccession(now, copy, succession)) return;
    if (copy.isFinished) this.#detach(now, copy);
    else this.#deadlines.schedule(copy, copy.pollTimeout());
  }

  /** Of a copy that waits, or that others wait for. Returns whether there is nothing more to be done for it. */
  #settleSuccession(now: Instant, copy: Copy, succession: Succession): boolean {
    if (succession.live !== copy) {
      if (copy.hasEnded) this.#detach(now, copy);
      return copy.hasEnded;
    }
    if (!copy.hasEnded) {
      if (!succession.mustYield(now)) {
        this.#deadlines.schedule(copy, earlier(copy.pollTimeout(), succession.deadline));
        return true;
      }
      copy.stop(now, Outcome.replaced);
      this.#ready.add(copy);
      return true;
    }
    const next = succession.proceed(now);
    if (next === undefined) return false;
    this.#detach(now, copy);
    next.lifeAt = addTime(now, this.context.config.handshakeTimeout);
    this.#copies.admitWaiting(next);
    this.#begun.push(next);
    return true;
  }

  #detach(now: Instant, copy: Copy): void {
    copy.isDetached = true;
    this.#left.leave(copy);
    this.#copies.remove(copy);
    this.#admission.release(now, copy);
    if (copy.isWaiting) copy.succession?.forget(copy);
    this.#deadlines.remove(copy);
    const goesOn = !copy.finCaptured && copy.outcome !== Outcome.resetByClient;
    if (goesOn && !this.#admission.mayJoin) this.#skipped.remember(copy);
  }
}

/** Leaves out the first octets of the payload: a copy that has ended was given them, and may have sent them. */
function skipOctets(p: PacketView, skip: number): void {
  p.seq = seqAdd(p.seq, skip);
  p.payloadOffset += skip;
  p.payloadLength -= skip;
  p.urgentPointer = Math.max(0, p.urgentPointer - skip);
}

const earlier = (a: Instant, b: Instant): Instant => (a < b ? a : b);

/** Whether a packet of a connection whose copy has ended carries data that the copy never saw. */
const isNews = (copy: Copy, p: PacketView): boolean =>
  p.payloadLength > 0 &&
  !copy.finCaptured &&
  seqAfter(seqAdd(p.seq, p.payloadLength), copy.queue.end);
