import type { FlowKey } from '../base/flow-key.ts';
import type { ResponseForm } from './response-form.ts';
import type { Signer } from './signer.ts';
import type { ControlTarget } from './small-frames.ts';

/** Keys are re-used: valid only during the call. The near end of a key is the client, the far end the target. */
export interface InterceptEndHandler {
  /** The first message has come. A version other than 6 deserves a warning, no more. */
  handleVersion(version: number): void;
  /**
   * Both are of ours and extended frames are spoken from here on. `proven`: both have proved the key. Where a key can be
   * proved but need not be, called with false first, and with true if the peer does.
   */
  handleExtended(proven: boolean): void;
  /** Which running tcpcopy the peer is a connection of, the same words for all its connections; once at the most. */
  handleInstance(instance: string): void;
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
  /** Peers that speak version 6 only are served, and with a key, peers that do not prove it. */
  readonly allowOriginal: boolean;
  /** 32 unpredictable octets, fresh for this connection. */
  readonly nonce: Uint8Array;
  /** 32 octets that both ends of a TLS connection know and nobody else (RFC 9266). */
  readonly channelBinding?: Uint8Array | undefined;
  /** What a tcpcopy of the original was built to read; `COMBINED`, unless given. */
  readonly responseForm?: ResponseForm;
}
