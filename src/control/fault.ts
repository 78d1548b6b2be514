/** Why a control connection cannot go on: the first thing that was wrong. */
export const Fault = {
  /** Version 6: the first message names a client. */
  noVersion: 1,
  /** Version 6: see `FrameError`, whose text is given. */
  badFrame: 2,
  /** The peer speaks version 6 only, and that is not allowed here. */
  originalRefused: 3,
  /** A hello with a version that was not offered, or a second one. */
  badHello: 4,
  /** The mark of the change to extended frames where it may not stand. */
  badSwitch: 5,
  /** The peer wants proof of a key, and there is none here. */
  keyRequired: 6,
  /** There is a key here, and the peer has none. */
  peerWithoutKey: 7,
  /** The peer's proof does not fit: another key, or a handshake replayed. */
  wrongKey: 8,
  /** There is a key here, and the peer did not prove it in time. */
  notProven: 9,
  /** A registration before the proof. */
  tooEarly: 10,
  /** An extended frame of a type that is unknown here and may not be passed over. */
  unknownType: 11,
  /** An extended frame whose body is shorter or longer than its type allows. */
  badLength: 12,
  /** An extended frame whose header is not one, or a record in it that is not one. */
  damaged: 13,
  /** An extended frame of a known type that may not come now. */
  outOfTurn: 14,
  /** Something that this release does not do yet: packets to be injected. */
  notSupported: 15,
  /** The peer has said that it ends the connection, and why; its code is in `Failure.bye`. */
  bye: 16,
} as const;
export type Fault = (typeof Fault)[keyof typeof Fault];
