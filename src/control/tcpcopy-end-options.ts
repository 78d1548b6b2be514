import type { FlowKey } from '../base/flow-key.ts';
import type { Memory } from '../base/memory.ts';
import type { ResponseForm } from './response-form.ts';
import type { RecordHandler } from './response-record.ts';
import type { Signer } from './signer.ts';
import type { ControlTarget } from './small-frames.ts';
import type { Stage } from './stage.ts';

export interface TcpcopyEndHandler extends RecordHandler {
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
  /**
   * The session with these ends is another tcpcopy's, and its route leads there. The near end of the key is the client, the far end
   * the target; valid only during the call. Never called where no `instance` was given.
   */
  handleTaken(key: FlowKey): void;
  /** The answer to `ping(token)`. */
  handlePong(token: number): void;
}

export interface TcpcopyEndOptions {
  /** The pre-shared key; null when the peer need not prove one. */
  readonly key: Signer | null;
  /** 32 unpredictable octets, fresh for this connection. */
  readonly nonce: Uint8Array;
  /** 32 octets that both ends of a TLS connection know and nobody else (RFC 9266). */
  readonly channelBinding?: Uint8Array | undefined;
  /** 8 unpredictable octets, the same for all connections of one running tcpcopy; when absent, its sessions are no leases. */
  readonly instance?: Uint8Array;
  /** Octets of payload wanted of each response: 0, or up to `ALL_PAYLOAD`. */
  readonly payload?: number;
  /** What an intercept of the original was built to send; `COMBINED`, unless given. */
  readonly responseForm?: ResponseForm;
  /** What intercept should capture for this peer; when absent, what its sessions need. */
  readonly targets?: readonly ControlTarget[];
}
