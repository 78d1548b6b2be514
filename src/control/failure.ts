import { frameName } from './extended-frame.ts';
import type { ExtendedDecoder } from './extended-frame.ts';
import { Fault } from './fault.ts';
import { ByeCode } from './small-frames.ts';

/** What ended a connection, for the program and for people. */
export interface Failure {
  readonly fault: Fault;
  /** What was found and what to do next: a sentence without a capital or a full stop, that fits both ends. */
  readonly reason: string;
  /** Of `Fault.bye` from the peer: its `ByeCode`, or a number that is none. */
  readonly bye?: number;
}

/** What is said of a frame at which the decoder has stopped. */
export function frameFailure(fault: Fault, decoder: ExtendedDecoder): Failure {
  const name = frameName(decoder.type);
  return { fault, reason: sentence(fault, name, decoder.bodyLength) };
}

function sentence(fault: Fault, name: string, length: number): string {
  switch (fault) {
    case Fault.unknownType:
      return `a frame of unknown ${name} came, which may not be passed over: use the same release at both ends`;
    case Fault.badLength:
      return `a frame ${name} with a body of ${length} octets came, which no such frame has: use the same release at both ends, or look for what alters the stream`;
    case Fault.outOfTurn:
      return `a frame ${name} came where none may come: use the same release at both ends`;
    case Fault.tooEarly:
      return `a frame ${name} came before the proof of the key: give tcpcopy the key that intercept was given`;
    case Fault.notSupported:
      return `a frame ${name} came: this release cannot inject packets for its peer`;
    default:
      return `a frame ${name} that cannot be read came: use the same release at both ends, or look for what alters the stream`;
  }
}

const BYE_CODES: ReadonlyMap<Fault, ByeCode> = new Map<Fault, ByeCode>([
  [Fault.keyRequired, ByeCode.keyRequired],
  [Fault.peerWithoutKey, ByeCode.keyRequired],
  [Fault.tooEarly, ByeCode.keyRequired],
  [Fault.wrongKey, ByeCode.wrongKey],
  [Fault.notProven, ByeCode.wrongKey],
  [Fault.originalRefused, ByeCode.keyRequired],
  [Fault.notSupported, ByeCode.notSupported],
]);

/** How the peer is told of a failure. */
export const byeCodeOf = (fault: Fault): ByeCode => BYE_CODES.get(fault) ?? ByeCode.malformed;
