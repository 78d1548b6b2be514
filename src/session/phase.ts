import { InvariantError } from '../base/invariant.ts';

/**
 * Where a replayed connection stands: the states of RFC 9293 §3.3.2 that a client passes, and two of ours. RECONNECTING waits
 * before the connection is opened again; CLOSED still answers what the target sends until the session is reaped.
 */
export const Phase = {
  synSent: 0,
  established: 1,
  finWait1: 2,
  finWait2: 3,
  closeWait: 4,
  closing: 5,
  lastAck: 6,
  timeWait: 7,
  reconnecting: 8,
  closed: 9,
} as const;
export type Phase = (typeof Phase)[keyof typeof Phase];

/** RFC 9293 spelling, for messages. */
export const PHASE_NAMES: readonly string[] = [
  'SYN-SENT',
  'ESTABLISHED',
  'FIN-WAIT-1',
  'FIN-WAIT-2',
  'CLOSE-WAIT',
  'CLOSING',
  'LAST-ACK',
  'TIME-WAIT',
  'RECONNECTING',
  'CLOSED',
];

export type PhaseEvent =
  | 'synAcked'
  | 'finSent'
  | 'finAcked'
  | 'finReceived'
  | 'reconnect'
  | 'reopen'
  | 'end';

const P = Phase;

/** Every transition there is. `end` and, once synchronized, `reconnect` are possible from everywhere and stand in `transition`. */
const TRANSITIONS: Readonly<Record<string, Partial<Record<Phase, Phase>>>> = {
  synAcked: { [P.synSent]: P.established },
  finSent: { [P.established]: P.finWait1, [P.closeWait]: P.lastAck },
  finAcked: { [P.finWait1]: P.finWait2, [P.closing]: P.timeWait, [P.lastAck]: P.closed },
  finReceived: {
    [P.established]: P.closeWait,
    [P.finWait1]: P.closing,
    [P.finWait2]: P.timeWait,
  },
  reconnect: {
    [P.synSent]: P.reconnecting,
    [P.established]: P.reconnecting,
    [P.closeWait]: P.reconnecting,
  },
  reopen: { [P.reconnecting]: P.synSent },
};

/** The phase after `event` in `phase`. Throws InvariantError when there is none: a fault of ours. */
export function transition(phase: Phase, event: PhaseEvent): Phase {
  if (event === 'end') return P.closed;
  const next = TRANSITIONS[event]?.[phase];
  if (next === undefined) {
    throw new InvariantError(`No transition for "${event}" in ${PHASE_NAMES[phase]}`);
  }
  return next;
}

/** The target has acknowledged our SYN and has not seen the end yet: segments are exchanged. */
export const isSynchronized = (phase: Phase): boolean =>
  phase >= P.established && phase <= P.timeWait;

/** There is no connection yet, or there is none any more and another one will be opened. */
export const isOpening = (phase: Phase): boolean => phase === P.synSent || phase === P.reconnecting;

/** The client may still send: its FIN has not left. */
export const isSendingOpen = (phase: Phase): boolean =>
  phase === P.established || phase === P.closeWait;

/** The target's FIN has come, and everything before it. */
export const hasTargetClosed = (phase: Phase): boolean =>
  phase >= P.closeWait && phase <= P.timeWait;
