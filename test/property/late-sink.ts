import { Memory } from '../../src/base/memory.ts';
import { HEADER_ROOM, type PacketSink } from '../../src/ports/packet-sink.ts';

/** Packets of one batch. */
const BATCH = 64;

interface Queued {
  readonly headerLength: number;
  readonly payload: Memory | null;
  readonly offset: number;
  readonly length: number;
}

/** A sink that reads payloads as late as it may: when it is flushed, so that one which has been overwritten meanwhile shows. */
export class LateSink implements PacketSink {
  readonly memory: Memory = Memory.alloc(BATCH * HEADER_ROOM);
  /** Whole packets, in order. */
  packets: Uint8Array[] = [];
  flushes = 0;
  readonly #queue: Queued[] = [];

  begin(): number {
    if (this.#queue.length === BATCH) this.flush();
    return this.#queue.length * HEADER_ROOM;
  }

  commit(headerLength: number, payload: Memory | null, offset: number, length: number): void {
    this.#queue.push({ headerLength, payload, offset, length });
  }

  flush(): void {
    this.flushes++;
    for (const [i, { headerLength, payload, offset, length }] of this.#queue.entries()) {
      const packet = new Uint8Array(headerLength + length);
      const at = i * HEADER_ROOM;
      packet.set(this.memory.bytes.subarray(at, at + headerLength));
      if (payload !== null && length > 0) {
        packet.set(payload.bytes.subarray(offset, offset + length), headerLength);
      }
      this.packets.push(packet);
    }
    this.#queue.length = 0;
  }

  /** What has been sent since the last call. */
  take(): Uint8Array[] {
    return this.packets.splice(0);
  }
}
