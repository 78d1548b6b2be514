import { type Duration, seconds } from '../base/time.ts';

/** How long after the connection has begun `handleTimeout` is due. A hello takes one round trip. */
export const HELLO_PATIENCE: Duration = seconds(5);

/** How far tcpcopy's end of a connection has come. */
export const Stage = {
  /** The offer is on its way and version 6 is spoken meanwhile; with a key, nothing is. */
  offered: 0,
  /** No hello came in time: version 6. A late hello is still taken. */
  version6: 1,
  /** Extended frames are sent, and the intercept is asked to prove the key. */
  proving: 2,
  /** Extended frames. */
  extended: 3,
  /** Nothing is read or written any more. */
  closed: 4,
} as const;
export type Stage = (typeof Stage)[keyof typeof Stage];

/** Whether a session could be put into the output. */
export const TellResult = {
  ok: 0,
  /** The peer speaks version 6, which has four octets for an address. */
  needsIpv6: 1,
  /** Cannot be said before the hello or the proof: again after `handleStage`. */
  notYet: 2,
  /** No room: the output must be sent first. */
  full: 3,
  /** The connection has ended. */
  closed: 4,
} as const;
export type TellResult = (typeof TellResult)[keyof typeof TellResult];
