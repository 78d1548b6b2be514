import type { Memory } from '../base/memory.ts';
import { type Seq, seqAdd, seqAfter, seqBefore, seqDiff } from '../base/seq.ts';
import { addTime, type Duration, elapsed, type Instant, millis, seconds } from '../base/time.ts';
import { ChecksumState } from '../ports/packet-source.ts';
import { NONE } from '../tcp/send-queue.ts';
import { copyAndSum } from '../wire/checksum.ts';
import type { PacketView } from '../wire/packet-view.ts';
import { ACK, FIN, PSH, RST, URG } from '../wire/tcp.ts';
import { continueElsewhere, endSession } from './closing.ts';
import { noteAfterCut, watchGap } from './gap.ts';
import { notePureAck, thinkTime } from './latency.ts';
import { Outcome } from './outcome.ts';
import { isSynchronized, Phase } from './phase.ts';
import { isRequest, noteNoRequest, noteRequestCaptured, REQUEST } from './requests.ts';
import { isIntact, isSound } from './soundness.ts';
import { CROSSING, type SessionState } from './state.ts';
import { Verdict } from './verdict.ts';

/** Payload octets of the largest piece; longer segments (BIG TCP) become several. */
const MAX_PIECE = 65_536;
/** Captured data further ahead than any window reaches belongs to no connection we know. */
const MAX_JUMP = 1 << 24;
/** Of a round trip: the clocks of captures are not exact. */
const CROSSING_PART = 0.9;
/** Linux sends nothing again sooner than two ticks of its clock after it (tail loss probes), and others later. */
const SAME_TIME = millis(1);
/** What seems to be a longer round trip is a third segment that the capture missed, and the client's pause after it. */
const MAX_RTT = seconds(1);

/** A segment of the client, SYN excluded, of a session that has not ended. */
export function handleClientSegment(
  s: SessionState,
  now: Instant,
  p: PacketView,
  checksum: ChecksumState,
): Verdict {
  const isFirst = s.clientRtt < 0;
  if (isFirst) noteHandshakeEnd(s, p);
  if ((p.flags & RST) !== 0) return handleClientReset(s, now, p, checksum);
  if (p.payloadLength === 0 && (p.flags & FIN) === 0) {
    if (isFirst || s.queue.head === NONE) noteFirstAck(s, p, checksum);
    notePureAck(s, p);
    return Verdict.acknowledgement;
  }
  if (s.queue.head === NONE) {
    s.progressAt = now;
    s.notBefore = addTime(now, s.lag);
  }
  // What the client saw since its last piece cannot answer that one, if less than a round trip lies between.
  s.isCrossing = !isFirst && elapsed(s.lastPieceAt, p.seenAt) < s.clientRtt * CROSSING_PART;
  const before = s.queue.end;
  const stored = store(s, now, p, checksum);
  const isTwice = stored === Verdict.retransmission && isSameTime(s.lastPieceAt, p.seenAt);
  const verdict = isTwice ? Verdict.seenTwice : stored;
  // What comes again, or asks whether the server is there, is not what the next piece follows.
  if (verdict === Verdict.data || verdict === Verdict.fin) s.lastPieceAt = p.seenAt;
  watchGap(s, now);
  if (
    verdict === Verdict.data &&
    !s.hasEnded &&
    s.phase === Phase.closeWait &&
    seqAfter(s.queue.end, before)
  ) {
    // New data after the target has closed can only go to a new connection.
    continueElsewhere(s, now);
  }
  return verdict;
}

/** Whether two captured packets came closer together than the shortest time after which a kernel sends again what it takes for lost. */
export const isSameTime = (first: Instant, second: Instant): boolean =>
  Math.abs(elapsed(first, second)) < SAME_TIME;

/** The client's third segment, or what came in its place, arrives: the copy's leaves, if it has waited for this. */
function noteHandshakeEnd(s: SessionState, p: PacketView): void {
  const { config } = s.context;
  s.clientRtt = config.clientRtt ?? roundTrip(s.synSeenAt, p.seenAt);
  if (isSynchronized(s.phase) && config.simulateLatency) s.handshakeAckDue = true;
}

/** By the kernel's clock, since a batch is handled at one time of ours; that clock may be set back meanwhile. */
const roundTrip = (syn: Instant, next: Instant): Duration =>
  Math.min(Math.max(elapsed(syn, next), 0), MAX_RTT) as Duration;

/** The first acknowledgement of a client, before any data, is the point from which its answers are counted; later ones come with data. */
function noteFirstAck(s: SessionState, p: PacketView, checksum: ChecksumState): void {
  if (s.pacedAckKnown || !isIntact(p, checksum)) return;
  s.pacedAck = p.ack;
  s.pacedAckKnown = true;
}

/**
 * A reset waits, like data, for its turn: behind what was captured. One without ACK does not tell what the client had seen. One that
 * is far away is of an earlier connection: the online server had not forgotten it (RFC 9293 §3.5.1).
 */
function handleClientReset(
  s: SessionState,
  now: Instant,
  p: PacketView,
  checksum: ChecksumState,
): Verdict {
  if (!isIntact(p, checksum)) return Verdict.badChecksum;
  if (Math.abs(seqDiff(p.seq, s.queue.end)) > MAX_JUMP) return Verdict.outOfWindow;
  if (s.isCut) return Verdict.reset; // It ends with a reset of its own.
  if (s.queue.head === NONE) s.notBefore = addTime(now, s.lag);
  s.resetCaptured = true;
  s.resetAck = (p.flags & ACK) !== 0 ? p.ack : s.pacedAck;
  return Verdict.reset;
}

function store(s: SessionState, now: Instant, p: PacketView, checksum: ChecksumState): Verdict {
  const { queue } = s;
  const end = seqAdd(p.seq, p.segmentLength);
  if (!seqAfter(end, lowest(s))) return Verdict.retransmission;
  const ahead = seqDiff(end, queue.end);
  if (s.isCut) {
    if (!seqAfter(end, s.gapFrom)) return Verdict.retransmission;
    noteAfterCut(s, p.ack);
    return Verdict.lostData;
  }
  if (ahead > MAX_JUMP || (s.finCaptured && ahead > 0)) return Verdict.outOfWindow;
  if (ahead < 0 && (p.flags & FIN) !== 0) return Verdict.outOfWindow; // Data was captured beyond this FIN.
  const limit = limitMet(s, p);
  if (limit !== Outcome.open) {
    endSession(s, now, limit, true);
    return Verdict.overLimit;
  }
  if (p.seq === queue.end && p.payloadLength <= MAX_PIECE) return storeInOrder(s, now, p, checksum);
  if (!isIntact(p, checksum)) return Verdict.badChecksum;
  return fillHoles(s, now, p, end);
}

/** Which limit a segment more would exceed; `open`: none. */
function limitMet(s: SessionState, p: PacketView): Outcome {
  const { config, store } = s.context;
  const { queue } = s;
  if (queue.segments >= config.maxSegments) return Outcome.segmentLimit;
  if (queue.octets + p.payloadLength > config.maxOctets) return Outcome.octetLimit;
  if (store.used >= config.maxSegmentsTotal) return Outcome.totalSegmentLimit;
  return Outcome.open;
}

/** Below this, everything has been acknowledged by the target and is forgotten. */
function lowest(s: SessionState): Seq {
  if (s.queue.head === NONE) return s.queue.end;
  return s.sndUna === s.iss ? seqAdd(s.iss, 1) : s.sndUna;
}

/** The common case: the segment continues what is there. Copies and sums it in one pass, so that the check is free. */
function storeInOrder(
  s: SessionState,
  now: Instant,
  p: PacketView,
  checksum: ChecksumState,
): Verdict {
  const { pool, payload } = s.context;
  let handle = payload.take(p.payloadOffset, p.payloadLength);
  let sum = handle === NONE ? 0 : payload.sum;
  if (handle === NONE && p.payloadLength > 0) {
    handle = pool.take(p.payloadLength);
    if (handle === NONE) return outOfMemory(s, now);
    const at = pool.offsetOf(handle);
    const memory = p.memory as Memory;
    sum = copyAndSum(memory, p.payloadOffset, pool.memoryOf(handle), at, p.payloadLength);
    payload.offer(p.payloadOffset, p.payloadLength, handle, sum);
  }
  if (checksum === ChecksumState.unknown && !isSound(p, sum)) {
    if (handle !== NONE) pool.give(handle);
    return Verdict.badChecksum;
  }
  const begins = p.payloadLength > 0 && isRequest(s, p.seq, p.ack, s.queue.tail, NONE);
  s.queue.append(storeRow(s, p, p.seq, p.payloadLength, keptFlags(s, p, 0), handle, sum, begins));
  s.context.counters.takenOctets += p.payloadLength;
  if ((p.flags & FIN) !== 0) s.finCaptured = true;
  return p.payloadLength > 0 ? Verdict.data : Verdict.fin;
}

/** Puts those octets of the segment that are not there yet into the holes that they fill. */
function fillHoles(s: SessionState, now: Instant, p: PacketView, end: Seq): Verdict {
  const { store } = s.context;
  const { queue } = s;
  const floor = lowest(s);
  let at = seqBefore(p.seq, floor) ? floor : p.seq;
  let previous = queue.lastBefore(at);
  if (previous !== NONE && seqAfter(store.end(previous), at)) at = store.end(previous);
  let added = 0;
  while (seqBefore(at, end)) {
    const next = previous === NONE ? queue.head : store.next(previous);
    let until = next === NONE || seqBefore(end, store.seq(next)) ? end : store.seq(next);
    if (seqDiff(until, at) > MAX_PIECE) until = seqAdd(at, MAX_PIECE);
    if (seqBefore(at, until)) {
      const row = storePart(s, p, at, until, end, isRequest(s, at, p.ack, previous, next));
      if (row === NONE) return outOfMemory(s, now);
      queue.insertAfter(previous, row);
      previous = row;
      added++;
      at = until;
    } else {
      previous = next;
      noteEarlierAck(s, p, next, end);
      at = store.end(next);
    }
  }
  if (added === 0) return Verdict.retransmission;
  if ((p.flags & FIN) !== 0) s.finCaptured = true;
  return p.payloadLength > 0 ? Verdict.data : Verdict.fin;
}

/**
 * What was captured of a piece first may have been its repetition, or a keep-alive probe with its last octet, sent when the
 * client had seen more: what counts is how much it had seen when it sent those octets first.
 */
function noteEarlierAck(s: SessionState, p: PacketView, row: number, end: Seq): void {
  const { store } = s.context;
  const isCovered = !seqBefore(store.seq(row), p.seq) && !seqAfter(store.end(row), end);
  const haveAcks = (p.flags & store.flags(row) & ACK) !== 0;
  if (!isCovered || !haveAcks || !seqBefore(p.ack, store.ack(row))) return;
  store.setAck(row, p.ack);
  noteNoRequest(s, row);
}

/** A row for the octets `from` to `until` of the segment, which ends at `end`; the FIN goes with the last. `NONE` when memory is out. */
function storePart(
  s: SessionState,
  p: PacketView,
  from: Seq,
  until: Seq,
  end: Seq,
  isFirst: boolean,
): number {
  const { pool } = s.context;
  const isLast = until === end;
  const kept = keptFlags(s, p, seqDiff(from, p.seq));
  const flags = isLast ? kept : kept & ~(FIN | PSH);
  const length = seqDiff(until, from) - (flags & FIN);
  let handle = NONE;
  let sum = 0;
  if (length > 0) {
    handle = pool.take(length);
    if (handle === NONE) return NONE;
    const source = p.payloadOffset + seqDiff(from, p.seq);
    const target = pool.memoryOf(handle);
    sum = copyAndSum(p.memory as Memory, source, target, pool.offsetOf(handle), length);
  }
  s.context.counters.takenOctets += length;
  return storeRow(s, p, from, length, flags, handle, sum, isFirst && length > 0);
}

/** A row for octets of the segment whose payload is in cell `handle`; `begins`: a request begins with them. */
function storeRow(
  s: SessionState,
  p: PacketView,
  seq: Seq,
  length: number,
  flags: number,
  handle: number,
  sum: number,
  begins: boolean,
): number {
  const { store } = s.context;
  if (!begins) return store.take(seq, length, flags, p.ack, handle, sum);
  const row = store.take(seq, length, flags | REQUEST, p.ack, handle, sum);
  store.setThink(row, thinkTime(s, p));
  noteRequestCaptured(s);
  return row;
}

/** FIN, PSH and ACK as captured, and `CROSSING`; an urgent pointer, counted from octet `skip` of the segment on, goes into the upper half. */
function keptFlags(s: SessionState, p: PacketView, skip: number): number {
  const pointer = p.urgentPointer - skip;
  const urgent = (p.flags & URG) !== 0 && pointer > 0 ? URG | (pointer << 16) : 0;
  return (p.flags & (FIN | PSH | ACK)) | (s.isCrossing ? CROSSING : 0) | urgent;
}

function outOfMemory(s: SessionState, now: Instant): Verdict {
  const isShed = s.context.config.isPoolByMemoryLimit === true;
  endSession(s, now, isShed ? Outcome.shed : Outcome.totalOctetLimit, true);
  return Verdict.overLimit;
}
