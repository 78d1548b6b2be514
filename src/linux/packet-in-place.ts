import type { Memory } from '../base/memory.ts';
import { type CapturedPacket, ChecksumState } from '../ports/packet-source.ts';

/** A packet where the kernel has put it: one object, which is set anew for each. */
export class PacketInPlace implements CapturedPacket {
  readonly memory: Memory;
  offset = 0;
  length = 0;
  wireLength = 0;
  checksum: ChecksumState = ChecksumState.unknown;
  /** Starts as a fraction so that V8 gives the field a double of its own, which is then written in place. */
  receivedAt = 0.5;

  constructor(memory: Memory) {
    this.memory = memory;
  }
}
