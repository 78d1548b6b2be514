/**
 * How a captured connection ended at the target: each ends in exactly one of these, and their counts add up to the
 * connections that were copied.
 */
export const Outcome = {
  /** Still going on. */
  open: 0,
  /** Both sides closed, everything captured was acknowledged. */
  completed: 1,
  /** The client reset its connection, and the copy was reset too. */
  resetByClient: 2,
  /** The target answered the SYN with RST. */
  refused: 3,
  /** The target reset the connection. */
  resetByTarget: 4,
  /** The target closed first, and what the client went on with could not go to another connection. */
  closedByTarget: 5,
  /** No SYN-ACK came. */
  handshakeTimeout: 6,
  /** Captured data waited and the target was silent for longer than the session timeout. */
  responseTimeout: 7,
  /** Nothing to send and nothing received for longer than the keep-alive timeout. */
  idleTimeout: 8,
  /** The target closed first and the client did not follow in time. */
  closeWaitTimeout: 9,
  /** The client has closed, and the target was silent for too long before it did too. */
  closingTimeout: 10,
  /** The capture lost a packet of the client that never came again. */
  captureGap: 11,
  /** The client opened a new connection from the same port while the copy lived. */
  replaced: 12,
  /** Evicted, each by a limit of its own: captured pieces held for this connection, or octets of them; */
  segmentLimit: 13,
  octetLimit: 14,
  /** pieces held for all connections, or memory for their octets: those of the connection that asked for more are let go; */
  totalSegmentLimit: 15,
  totalOctetLimit: 16,
  /** timeouts in a row without progress; */
  retransmissionLimit: 17,
  /** connections that the copy has opened anew. */
  reconnectionLimit: 18,
  /** No intercept took the registration in the time for the handshake, so no response could have come back. */
  unregistered: 19,
  /** The program ended while the copy lived. */
  stopped: 20,
  /** A fault of ours; please report it. */
  internalError: 21,
  /** Let go of, as one of those that had begun last, because the process had used up its memory (-m). */
  shed: 22,
  /** Its place was another tcpcopy's, and there was no other one. */
  noFreePort: 23,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** For people, in the order of the values. */
export const OUTCOME_NAMES: readonly string[] = [
  'open',
  'completed',
  'reset by client',
  'refused by target',
  'reset by target',
  'closed by target',
  'timed out: no SYN-ACK',
  'timed out: no response',
  'timed out: idle',
  'timed out: client did not close',
  'timed out: target did not close',
  'capture gap',
  'replaced by a new connection',
  'evicted (--max-held-segments)',
  'evicted (--max-held-octets)',
  'evicted (--max-held-segments-total)',
  'evicted (--max-held-octets-total)',
  'evicted (--max-retransmissions)',
  'evicted (--max-reconnections)',
  'no intercept',
  'stopped with the program',
  'internal error',
  'shed (-m)',
  'no free port (-c)',
];

/** Whether the rest of what its client sends has no copy either: it would only meet the same limit, or find no place again. */
export const isForGood = (outcome: Outcome): boolean =>
  outcome === Outcome.shed ||
  outcome === Outcome.noFreePort ||
  (outcome >= Outcome.segmentLimit && outcome <= Outcome.totalOctetLimit);
