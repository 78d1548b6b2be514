import type { Memory } from '../base/memory.ts';
import type { IpAddress } from '../wire/address.ts';
import type { Failure } from './failure.ts';
import type { Signer } from './signer.ts';

/** What a response target list is made of: port 0 is every port, an address all zero is every address. */
export interface ControlTarget {
  readonly address: IpAddress;
  readonly port: number;
}

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

export interface TcpcopyEndHandler {
  /**
   * The headers of a response, and what came of its payload, at `memory[offset … offset+length)`, valid only during the
   * call; `offset` may be any number. `wireLength`: octets that the packet had on the wire; 0 for a message of version 6,
   * which is 64 octets (192 with payload), zero padded, and may have lost TCP options. `receivedAt`: microseconds of
   * CLOCK_REALTIME at the assistant, 0 when not known.
   */
  handleResponse(
    memory: Memory,
    offset: number,
    length: number,
    wireLength: number,
    receivedAt: number,
  ): void;
  /** The stage has changed. Sessions that were refused with `notYet` may be registered in `version6` and `extended`. */
  handleStage(stage: Stage): void;
  /** One of the counts that intercept keeps, see `CountId`; ids unknown to this release are handed over, too. */
  handleCount(id: number, value: number): void;
  /** The answer to `ping(token)`. */
  handlePong(token: number): void;
}

export interface TcpcopyEndOptions {
  /** The pre-shared key; null when the peer need not prove one. */
  readonly key: Signer | null;
  /** 32 unpredictable octets, fresh for this connection. */
  readonly nonce: Uint8Array;
  /** 32 octets that both ends of a TLS connection know and nobody else (RFC 9266); zeros without TLS. */
  readonly channelBinding: Uint8Array;
  /** Octets of payload wanted of each response: 0, or up to `ALL_PAYLOAD`. */
  readonly payload: number;
  /** Version 6 messages are 192 octets: the intercept is an original built with `--with-resp-payload`. */
  readonly payloadMessages: boolean;
  /** What intercept should capture for this peer. */
  readonly targets: readonly ControlTarget[];
}

/**
 * tcpcopy's end of a control connection, without I/O. Octets in through `handleData`; what is to be sent lies at
 * `memory[0 … length)` and is forgotten by `clear`. After the constructor, and after every call of `handleData` or a command,
 * the owner sends what is there.
 */
export interface TcpcopyEnd {
  readonly stage: Stage;
  /** Set once, when `handleData` has returned false or `bye` was called. */
  readonly failure: Failure | null;
  readonly memory: Memory;
  readonly length: number;
  /** Octets of a message that is not complete are held: a peer that stays so has stalled. */
  readonly isMidMessage: boolean;
  clear(): void;
  /** Reads `memory[0 … length)`. False when the connection must be closed, after what is in the output was sent. */
  handleData(memory: Memory, length: number): boolean;
  /** `HELLO_PATIENCE` after the connection began: without a hello it is version 6; with a key it has failed (returns false). */
  handleTimeout(): boolean;
  register(
    client: IpAddress,
    clientPort: number,
    target: IpAddress,
    targetPort: number,
  ): TellResult;
  endSession(
    client: IpAddress,
    clientPort: number,
    target: IpAddress,
    targetPort: number,
  ): TellResult;
  /** Replaces the list; sent now or as soon as the peer understands it. */
  setTargets(targets: readonly ControlTarget[]): void;
  setPayload(octets: number): void;
  /** Asks for `handlePong(token)`; `token` an integer from 0 to 2⁵³−1. False where version 6 is spoken, which has no such thing. */
  ping(token: number): boolean;
  /** Says why the connection is about to be closed, where the peer understands it. Nothing is taken after. */
  bye(reason: string): void;
}
