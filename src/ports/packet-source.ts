import type { Memory } from '../base/memory.ts';

/** What is known of the transport checksum of a captured packet. */
export const ChecksumState = {
  /** Nothing known: the header's value may be right, wrong, or not filled in yet. */
  unknown: 0,
  /** Not filled in yet: the sender left it to its hardware (offload), or the kernel merged packets (GRO). Normal input. */
  partial: 1,
  /** The kernel or the hardware has verified it. */
  valid: 2,
} as const;
export type ChecksumState = (typeof ChecksumState)[keyof typeof ChecksumState];

/** One captured packet. The object is reused: it is valid only until the handler returns. */
export interface CapturedPacket {
  readonly memory: Memory;
  /** Of the first octet of the IP header in `memory`; a multiple of 4. */
  readonly offset: number;
  /** Octets present in `memory` from `offset` on. */
  readonly length: number;
  /** Octets the packet had on the wire; greater than `length` when the capture cut it. */
  readonly wireLength: number;
  readonly checksum: ChecksumState;
  /** When the kernel received it, in microseconds of CLOCK_REALTIME; 0 when the source was not asked to tell. */
  readonly receivedAt: number;
}

export interface PacketHandler {
  handlePacket(packet: CapturedPacket): void;
}

export interface CaptureStatistics {
  /** Packets that passed the kernel's filter, dropped ones included. */
  readonly received: number;
  /** Packets lost between the kernel and us because the buffer was full. */
  readonly dropped: number;
}

/** Where packets come from: a packet socket, a file, a simulated link. */
export interface PacketSource {
  /** Packets stay where they are until `receive` is called again, so that a sink may refer to them until it is flushed. */
  readonly keepsBatch: boolean;
  /** Hands at most `budget` waiting packets to `handler`, never blocks, and returns how many there were. */
  receive(handler: PacketHandler, budget: number): number;
  /**
   * Says whether something waited, in the wake-up just handled, for what packets bring. A source may let packets gather to
   * save wake-ups; it should not while every turn waits for the one before.
   */
  noteWaiting(waiting: boolean): void;
  /** Totals since the source was opened. */
  statistics(): CaptureStatistics;
  close(): void;
}
