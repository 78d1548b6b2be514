/**
 * What the counts in COUNTS mean: totals, of the whole intercept since its start up to 63, of this connection from 64 on. A
 * reader passes over ids that it does not know.
 */
export const CountId = {
  /** Packets that the capture has handed over. */
  captured: 1,
  /** Packets lost between the kernel and intercept because the buffer was full. */
  lostByKernel: 2,
  /** Responses of a connection that was never registered. */
  neverRegistered: 3,
  /** Responses that came after the end of their session, or waited too long for its registration. */
  expired: 4,
  /** Packets that are no response of any target. */
  foreign: 5,
  /** Packets that are no whole TCP packet. */
  unusable: 6,
  /** Responses sent on this connection. */
  sent: 64,
  /** Responses of this connection's sessions dropped because it did not take them fast enough. */
  slowPeer: 65,
  /** Routes that lead to this connection now. */
  routes: 66,
} as const;
export type CountId = (typeof CountId)[keyof typeof CountId];

/** From this id on, counts are of one connection. */
export const FIRST_OF_CONNECTION = 64;
