import type { FlowKey } from '../base/flow-table.ts';
import type { Memory } from '../base/memory.ts';
import type { PacketView } from '../wire/packet-view.ts';
import type { Failure } from './failure.ts';
import type { AddResult } from './frame.ts';
import type { Signer } from './signer.ts';
import type { ControlTarget } from './tcpcopy-end.ts';

/** Keys are re-used: valid only during the call. The near end of a key is the client, the far end the target. */
export interface InterceptEndHandler {
  /** The first message has come. A version other than 6 deserves a warning, no more. */
  handleVersion(version: number): void;
  /** Both are of ours and extended frames are spoken from here on. `proven`: both have proved the key. */
  handleExtended(proven: boolean): void;
  handleSessionAdd(key: FlowKey): void;
  handleSessionDelete(key: FlowKey): void;
  /** What this peer wants captured: replaces its former list. */
  handleTargets(targets: readonly ControlTarget[]): void;
  /** Octets of payload wanted of each response: 0, or up to `ALL_PAYLOAD`. */
  handlePayloadWanted(octets: number): void;
  /** The answer to `ping(token)`. */
  handlePong(token: number): void;
}

export interface InterceptEndOptions {
  /** The pre-shared key; null when there is none. */
  readonly key: Signer | null;
  /** Peers that speak version 6 only, and peers that do not prove the key, are served. */
  readonly allowOriginal: boolean;
  /** 32 unpredictable octets, fresh for this connection. */
  readonly nonce: Uint8Array;
  /** 32 octets that both ends of a TLS connection know and nobody else (RFC 9266); zeros without TLS. */
  readonly channelBinding: Uint8Array;
  /** Version 6 messages are 192 octets: the tcpcopy is an original that wants payload. */
  readonly payloadMessages: boolean;
}

/**
 * intercept's end of a control connection, without I/O. Octets in through `handleData`, responses in through `addResponse`;
 * what is to be sent lies at `memory[0 … length)`, always whole frames, and is forgotten by `clear`.
 */
export interface InterceptEnd {
  /** Set once, when `handleData` has returned false or `bye` was called. */
  readonly failure: Failure | null;
  readonly isExtended: boolean;
  /** Responses may be added: the first message has come, and the proof if it is required. */
  readonly isReady: boolean;
  /** Octets of a message that is not complete are held: a peer that stays so has stalled. */
  readonly isMidMessage: boolean;
  readonly payloadWanted: number;
  readonly memory: Memory;
  readonly length: number;
  /** Responses in the output. */
  readonly packets: number;
  clear(): void;
  /** Reads `memory[0 … length)`. False when the connection must be closed, after what is in the output was sent. */
  handleData(memory: Memory, length: number): boolean;
  /**
   * Puts the response in `view` at the end of the output, or nothing. `captured`: octets present from `view.offset` on, at least
   * all headers. `receivedAt`: microseconds of CLOCK_REALTIME, 0 when not known.
   */
  addResponse(view: PacketView, captured: number, receivedAt: number): AddResult;
  /** One count for the peer's ledger; see `CountId`. False where version 6 is spoken or there is no room. */
  addCount(id: number, value: number): boolean;
  /** As `TcpcopyEnd.ping`. */
  ping(token: number): boolean;
  /** Says why the connection is about to be closed, where the peer understands it. Nothing is taken after. */
  bye(code: number, reason: string): void;
}
