import { type Seq, seqAdd, seqAfter, seqBefore } from '../base/seq.ts';
import { NONE } from '../tcp/send-queue.ts';
import { ACK } from '../wire/tcp.ts';
import { Outcome, OUTCOME_NAMES } from './outcome.ts';
import type { SessionState } from './state.ts';

/*
 * What becomes of requests. A request begins with a piece of client data that the client sent after it had seen more of the
 * online server's answers than at the piece before, and with the first piece of all; what follows at the same acknowledgement
 * number belongs to it, or was pipelined behind it. So it is counted from packets alone, whatever the protocol.
 */

/** Beside the flags of a piece, in the store: a request begins with it. */
export const REQUEST = 0x200;

/** The request that was sent last. */
export const RequestState = {
  /** There was none, or it has been counted. */
  none: 0,
  /** The target has said nothing since it began to leave. */
  sent: 1,
  /** It has. */
  answering: 2,
} as const;
export type RequestState = (typeof RequestState)[keyof typeof RequestState];

/** Requests of all copies; each that was captured ends in exactly one of the other counts, or is open. */
export class RequestCounters {
  captured = 0;
  /** The target answered before the next request left or the copy ended; at the end of the copy the answer must have come to an end too. */
  answered = 0;
  /** The target was silent for so long that the next request left. */
  unanswered = 0;
  /** With -W: the next request left before an answer. */
  overtaken = 0;
  /** Sent and not answered, or not to the end, when the copy ended, by its outcome. */
  readonly cutOff: Float64Array = new Float64Array(OUTCOME_NAMES.length);
  /** Never sent, by the outcome of the copy. */
  readonly neverSent: Float64Array = new Float64Array(OUTCOME_NAMES.length);

  /** Waiting to be sent, or for their answer. */
  get open(): number {
    let open = this.captured - this.answered - this.unanswered - this.overtaken;
    for (const n of this.cutOff) open -= n;
    for (const n of this.neverSent) open -= n;
    return open;
  }
}

/** Whether a request begins with data at `seq`, captured with `ack`, that goes between two rows of the queue (`NONE`: its ends). */
export function isRequest(
  s: SessionState,
  seq: Seq,
  ack: Seq,
  previous: number,
  next: number,
): boolean {
  const { store } = s.context;
  // It was captured late: the row behind it counts as the beginning.
  if (next !== NONE && !seqAfter(store.ack(next), ack)) return false;
  if (previous === NONE) {
    const start = seqAdd(s.iss, 1);
    const isFirst = seq === start || s.queue.end === start;
    return isFirst || !s.pacedAckKnown || seqAfter(ack, s.pacedAck);
  }
  // What a SYN carried (Fast Open) has no acknowledgement number: what follows belongs to it.
  return (store.flags(previous) & ACK) !== 0 && seqAfter(ack, store.ack(previous));
}

/** A row that begins a request has been put into the queue. */
export function noteRequestCaptured(s: SessionState): void {
  s.context.requests.captured++;
  s.requestsWaiting++;
}

/** The piece in `row`, taken for the beginning of a request, is the repetition of something older: the request begins behind it, if at all. */
export function noteNoRequest(s: SessionState, row: number): void {
  const { store } = s.context;
  const flags = store.flags(row);
  if ((flags & REQUEST) === 0 || seqBefore(store.seq(row), s.sndMax)) return;
  store.setFlags(row, flags & ~REQUEST);
  const next = store.next(row);
  if (next !== NONE && seqAfter(store.ack(next), store.ack(row))) {
    if ((store.flags(next) & REQUEST) === 0) {
      store.setFlags(next, store.flags(next) | REQUEST);
      return;
    }
  }
  s.context.requests.captured--;
  s.requestsWaiting--;
}

/** The first octets of a request are about to leave for the first time. */
export function noteRequestSent(s: SessionState): void {
  const { requests, config } = s.context;
  if (s.request === RequestState.answering) requests.answered++;
  else if (s.request === RequestState.sent) {
    if (config.holdRequests) requests.unanswered++;
    else requests.overtaken++;
  }
  s.requestsWaiting--;
  s.request = RequestState.sent;
}

/** The target has sent data. */
export function noteRequestAnswer(s: SessionState): void {
  if (s.request === RequestState.sent) s.request = RequestState.answering;
}

/** The connection to the target has ended, or has turned out to be useless, with `outcome`: the request sent last is answered or never will be. */
export function concludeRequest(s: SessionState, outcome: Outcome): void {
  if (s.request === RequestState.none) return;
  const { requests } = s.context;
  if (s.request === RequestState.answering && (s.lastDataPushed || hasClosed(outcome))) {
    requests.answered++;
  } else requests.cutOff[outcome] = (requests.cutOff[outcome] as number) + 1;
  s.request = RequestState.none;
}

/** The copy has ended: what still waits is never sent. */
export function concludeRequests(s: SessionState, outcome: Outcome): void {
  concludeRequest(s, outcome);
  const { neverSent } = s.context.requests;
  neverSent[outcome] = (neverSent[outcome] as number) + s.requestsWaiting;
  s.requestsWaiting = 0;
}

/** The target has closed its side, which ends an answer as well. */
const hasClosed = (outcome: Outcome): boolean =>
  outcome === Outcome.completed ||
  outcome === Outcome.closedByTarget ||
  outcome === Outcome.closeWaitTimeout;
