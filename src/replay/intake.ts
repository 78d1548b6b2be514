import { seqAdd, seqAfter, seqDiff } from '../base/seq.ts';
import { type Duration, type Instant, NEVER } from '../base/time.ts';
import { ChecksumState } from '../ports/packet-source.ts';
import type { SessionContext } from '../session/context.ts';
import { isForGood, Outcome } from '../session/outcome.ts';
import { isIntact } from '../session/soundness.ts';
import { Verdict } from '../session/verdict.ts';
import type { PacketView } from '../wire/packet-view.ts';
import { ACK, FIN, RST, SYN } from '../wire/tcp.ts';
import { type Admission, isRefusal } from './admission.ts';
import type { Copy } from './copy.ts';
import type { Ledger } from './ledger.ts';
import type { Roster } from './roster.ts';
import { isSpent, Succession } from './succession.ts';
import type { Transfer, TransferTable } from './transfers.ts';

/** Captured packets, and what becomes of each: to which copies it belongs, which it begins, and which it brings to an end. */
export class Intake {
  readonly #context: SessionContext;
  readonly #transfers: TransferTable;
  readonly #admission: Admission;
  readonly #roster: Roster;
  readonly #ledger: Ledger;
  /** Copies of one connection at the most. */
  readonly #lanes: number;

  constructor(
    context: SessionContext,
    transfers: TransferTable,
    admission: Admission,
    roster: Roster,
    lanes: number,
  ) {
    this.#context = context;
    this.#transfers = transfers;
    this.#admission = admission;
    this.#roster = roster;
    this.#ledger = roster.ledger;
    this.#lanes = lanes;
  }

  /** Gives the packet to every copy of its connection; what became of it is what the first says. */
  handle(now: Instant, p: PacketView, checksum: ChecksumState): Verdict {
    const transfer = this.#transfers.match(p);
    if (transfer === undefined) return this.#judgeOther(now, p);
    if (this.#lanes === 1) return this.#judge(now, p, transfer, checksum, 0);
    const { seq, flags, payloadOffset, payloadLength, urgentPointer } = p;
    const { payload } = this.#context;
    const admission = this.#admission;
    admission.beginPacket();
    payload.open();
    const verdict = this.#judge(now, p, transfer, checksum, 0);
    // Of what is left out there are no copies, unless the share was larger when they began.
    const lanes = verdict === Verdict.notSampled && admission.share.isFixed ? 1 : this.#lanes;
    const isUnsampled = verdict === Verdict.notSampled && (flags & (SYN | ACK)) === SYN;
    for (let lane = 1; lane < lanes; lane++) {
      // What a copy does not need of a packet, it takes away.
      p.seq = seq;
      p.flags = flags;
      p.payloadOffset = payloadOffset;
      p.payloadLength = payloadLength;
      p.urgentPointer = urgentPointer;
      const copy = this.#roster.copies.findByClientPacket(p, lane);
      if (copy !== undefined && isUnsampled) this.#leaveAlone(now, copy);
      else if (lane < admission.wanted || (copy !== undefined && admission.wanted === 0)) {
        this.#judge(now, p, transfer, checksum, lane);
      } else if (copy !== undefined) this.#leaveAlone(now, copy);
    }
    payload.close();
    return verdict;
  }

  /** The connection that now has the port of this copy's client has fewer copies. */
  #leaveAlone(now: Instant, copy: Copy): void {
    if (!copy.hasEnded && isSpent(copy)) this.#roster.replace(now, copy);
    else this.#roster.copies.orphan(copy);
  }

  #judge(
    now: Instant,
    p: PacketView,
    transfer: Transfer,
    checksum: ChecksumState,
    lane: number,
  ): Verdict {
    let copy = this.#roster.copies.findByClientPacket(p, lane);
    let former: Copy | undefined;
    if ((p.flags & (SYN | ACK)) === SYN) {
      if (!isIntact(p, checksum)) return Verdict.badChecksum;
      if (copy?.syn.captured && copy.capturedIss === p.seq) {
        return copy.handleSynAgain(p.seenAt);
      }
      if (copy !== undefined && this.#mustEndFirst(now, copy)) {
        return this.#follow(now, copy, p, transfer, checksum);
      }
      if (copy !== undefined) this.#roster.replace(now, copy);
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
      this.#roster.detach(now, copy);
      former = copy;
      copy = undefined;
    }
    if (copy !== undefined) return this.#feed(now, copy, p, checksum);
    return this.#beginOrLeave(now, p, transfer, checksum, lane, former);
  }

  /** A packet that belongs to no copy in this lane. */
  #beginOrLeave(
    now: Instant,
    p: PacketView,
    transfer: Transfer,
    checksum: ChecksumState,
    lane: number,
    former: Copy | undefined,
  ): Verdict {
    const { leftOut } = this.#roster;
    const isSyn = (p.flags & SYN) !== 0;
    if (lane === 0 && !isSyn && leftOut.has(p)) {
      if ((p.flags & (FIN | RST)) !== 0) leftOut.forget(p);
      if (p.payloadLength === 0) return Verdict.stray;
      return this.#admission.mayJoin ? Verdict.leftOut : Verdict.strayData;
    }
    const admitted = this.#admission.admit(now, p, checksum, transfer, lane, former);
    if (typeof admitted === 'number') {
      if (lane === 0) this.#noteLeftOut(p, admitted, former);
      return admitted;
    }
    if (isSyn && lane === 0) leftOut.forget(p);
    return this.#begin(now, admitted, p, checksum);
  }

  /** A packet to no address and port of -x: perhaps it comes from one. */
  #judgeOther(now: Instant, p: PacketView): Verdict {
    if (!this.#transfers.isFromOnline(p)) return Verdict.unmatched;
    for (let lane = 0; lane < this.#lanes; lane++) {
      const copy = this.#roster.copies.findByOnlinePacket(p, lane);
      if (copy === undefined) continue;
      this.#roster.ready.add(copy);
      try {
        copy.handleOnlinePacket(now, p);
      } catch (fault) {
        this.#roster.contain(now, copy, fault);
      }
    }
    return Verdict.onlineServer;
  }

  /** A connection that was refused a copy stays without one, and so does with -O one whose beginning was not captured. */
  #noteLeftOut(p: PacketView, verdict: Verdict, former: Copy | undefined): void {
    const isUnseen = verdict === Verdict.strayData;
    if (!isUnseen && !isRefusal(verdict)) return;
    const isNew = this.#roster.leftOut.add(p);
    if (!isUnseen || !isNew || former !== undefined) return;
    this.#ledger.connections++;
    this.#ledger.skipped++;
  }

  #begin(now: Instant, copy: Copy, p: PacketView, checksum: ChecksumState): Verdict {
    const former = this.#roster.copies.findByEnds(copy.ends);
    if (former !== undefined) this.#roster.detach(now, former);
    this.#roster.add(copy);
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
    if (last !== undefined && isTooMany) this.#roster.replace(now, last);
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
    if (typeof copy === 'number') {
      this.#roster.copies.orphan(former);
      if (lane === 0) this.#noteLeftOut(p, copy, former);
      return copy;
    }
    const succession = former.succession ?? new Succession(former, now);
    copy.lifeAt = NEVER; // Nothing of the handshake has begun.
    succession.add(copy);
    this.#roster.addWaiting(copy);
    this.#roster.ready.add(live);
    this.#ledger.waited++;
    return this.#takeSyn(now, copy, p, checksum);
  }

  #feed(now: Instant, copy: Copy, p: PacketView, checksum: ChecksumState): Verdict {
    this.#roster.ready.add(copy);
    try {
      return copy.handleClientPacket(now, p, checksum);
    } catch (fault) {
      this.#roster.contain(now, copy, fault);
      return Verdict.data;
    }
  }

  /** Whether what a client sends after its copy has ended is worth a copy of its own. */
  #goesOn(copy: Copy, p: PacketView): boolean {
    // Refused a moment ago, refused again; and where a limit was met, the rest of a request would only meet it again.
    const isHopeless = copy.outcome === Outcome.refused || isForGood(copy.outcome);
    // The rest of a request that the copy was given in part would mean nothing on another connection.
    const isFirst = !copy.isCut && copy.queue.end === seqAdd(copy.capturedIss, 1);
    const isRequest = isFirst || !copy.pacedAckKnown || seqAfter(p.ack, copy.pacedAck);
    return this.#admission.mayJoin && !isHopeless && isRequest;
  }
}

/** Leaves out the first octets of the payload: a copy that has ended was given them, and may have sent them. */
function skipOctets(p: PacketView, skip: number): void {
  p.seq = seqAdd(p.seq, skip);
  p.payloadOffset += skip;
  p.payloadLength -= skip;
  p.urgentPointer = Math.max(0, p.urgentPointer - skip);
}

/** Whether a packet of a connection whose copy has ended carries data that the copy never saw. */
const isNews = (copy: Copy, p: PacketView): boolean =>
  p.payloadLength > 0 &&
  !copy.finCaptured &&
  seqAfter(seqAdd(p.seq, p.payloadLength), copy.queue.end);
