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
  /** The target closed first and the client never did. */
  closedByTarget: 5,
  /** No SYN-ACK came. */
  handshakeTimeout: 6,
  /** Captured data waited and the target was silent for longer than the session timeout. */
  responseTimeout: 7,
  /** Nothing to send and nothing received for longer than the keep-alive timeout. */
  idleTimeout: 8,
  /** The capture lost a packet of the client that never came again. */
  captureGap: 9,
  /** The client opened a new connection from the same port while the copy lived. */
  replaced: 10,
  /** A limit on memory or on held segments was met. */
  limit: 11,
  /** No intercept took the registration in the time for the handshake, so no response could have come back. */
  unregistered: 12,
  /** The program ended while the copy lived. */
  stopped: 13,
  /** A fault of ours; please report it. */
  internalError: 14,
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
  'capture gap',
  'replaced by a new connection',
  'limit met',
  'no intercept',
  'stopped with the program',
  'internal error',
];
