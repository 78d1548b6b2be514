import { type Seq, seqAfter, seqBefore, seqDiff } from '../base/seq.ts';
import { addTime, type Instant, millis, NEVER } from '../base/time.ts';
import type { PacketSink } from '../ports/packet-sink.ts';
import { NONE } from '../tcp/send-queue.ts';
import { ACK, FIN, RST } from '../wire/tcp.ts';
import { endSession } from './closing.ts';
import { emit } from './emit.ts';
import { Outcome } from './outcome.ts';
import { isSynchronized } from './phase.ts';
import type { SessionState } from './state.ts';

/*
 * What the capture has lost. A hole in the client's octets may close: the packet was only late, or the online server missed it
 * too and the client sends it again. Where the online server's packets are seen, its acknowledgement number tells that it
 * does not miss anything, so the client will not send it again; where they are not, time decides. Then the copy is cut: what
 * came before the hole is sent in its turn, what came after it is let go, and the copy ends.
 */

/** What is late by less than this may still come, although the online server has it. */
const GRACE = millis(50);
/** Acknowledgements further ahead than any window reaches are of another connection. */
const MAX_JUMP = 1 << 24;

/** A hole that does not close cuts the copy in time; one that closes stops the watch, and the next one gets its own time. */
export function watchGap(s: SessionState, now: Instant): void {
  if (s.hasEnded || s.isCut) return;
  const { inOrderEnd, hasGap } = s.queue;
  const isLost = seqAfter(s.onlineAck, inOrderEnd);
  if (!hasGap && !isLost) {
    s.gapAt = NEVER;
    return;
  }
  if (s.gapAt === NEVER || s.gapFrom !== inOrderEnd) {
    s.gapFrom = inOrderEnd;
    s.gapAt = addTime(now, s.context.config.gapTimeout);
  }
  if (isLost) s.gapAt = Math.min(s.gapAt, addTime(now, GRACE)) as Instant;
}

/** The online server has acknowledged what the client sent before `ack`. */
export function noteOnlineAck(s: SessionState, now: Instant, ack: Seq): void {
  if (!seqAfter(ack, s.onlineAck) || seqDiff(ack, s.queue.end) > MAX_JUMP) return;
  s.onlineAck = ack;
  watchGap(s, now);
}

/** Nothing behind the hole can be sent any more: lets go of it, and ends the copy when what lies before the hole has arrived. */
export function cutAtGap(s: SessionState, now: Instant): void {
  const { store, config } = s.context;
  const { queue } = s;
  s.gapAt = NEVER;
  s.isCut = true;
  s.resetCaptured = false;
  const { tail } = queue;
  s.resetAck = tail !== NONE && (store.flags(tail) & ACK) !== 0 ? store.ack(tail) : s.pacedAck;
  noteUnsent(s);
  queue.truncate();
  // What the target has never heard of, it need not hear a part of.
  if (!isSynchronized(s.phase) && (queue.head === NONE || s.sndMax === s.iss)) {
    endSession(s, now, Outcome.captureGap, true);
  } else if (config.onGap === 'close') {
    queue.append(store.take(queue.end, 0, FIN, s.resetAck, NONE, 0));
  }
}

/** The account of what `truncate` is about to drop; requests among it count as waiting until the copy ends. */
function noteUnsent(s: SessionState): void {
  const { store, counters } = s.context;
  const { head, inOrderEnd } = s.queue;
  for (let row = head; row !== NONE; row = store.next(row)) {
    if (!seqBefore(store.seq(row), inOrderEnd)) counters.unsentOctets += store.length(row);
  }
}

/** Ends the copy with a reset when all that lay before the hole has arrived. */
export function endCut(s: SessionState, now: Instant, sink: PacketSink): void {
  if (s.context.config.onGap === 'close' || s.queue.head !== NONE) return;
  emit(s, now, sink, RST | ACK, s.sndMax, NONE, 0, 0);
  endSession(s, now, Outcome.captureGap);
}

/** Data of the client came although the copy has been cut: what `ack` shows of the client's progress decides what may begin another copy. */
export function noteAfterCut(s: SessionState, ack: Seq): void {
  if (seqAfter(ack, s.resetAck)) s.resetAck = ack;
}
