import type { Memory } from '../base/memory.ts';

/** Octets of a stream have arrived at `memory[0…length)`; they are valid only during the call. */
export interface StreamHandler {
  handleData(memory: Memory, length: number): void;
  /** The stream is gone; nothing more is called. `reason` is a sentence fragment such as "closed by the peer". */
  handleClose(reason: string): void;
}

/** A connected byte stream that never blocks. */
export interface ByteStream {
  /** "address:port" of the other side, for messages. */
  readonly peer: string;
  /** 32 octets that only the two ends of a protected stream know (RFC 9266); absent where anyone between them may listen or speak. */
  readonly channelBinding?: Uint8Array;
  start(handler: StreamHandler): void;
  /**
   * Sends `length` octets at `offset` of `memory`. What the kernel does not take at once is copied and sent later.
   * Returns false, having taken nothing, when more than the stream's limit is waiting already or the stream is closed.
   */
  send(memory: Memory, offset: number, length: number): boolean;
  /** Octets that wait for the kernel to take them. */
  readonly backlog: number;
  close(): void;
}
