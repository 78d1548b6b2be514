import type { Instant } from '../base/time.ts';
import type { PacketHandler, PacketSource } from '../ports/packet-source.ts';
import type { Clock } from '../ports/reactor.ts';

/** Packets of one system call. */
const BATCH = 64;
/**
 * Batches of one wake-up: what has been captured is served before more is read, and everything else gets its turn, so a flood
 * of packets delays it by a few milliseconds at most.
 */
const BATCHES_PER_WAKE_UP = 4;

export interface BatchHandler extends PacketHandler {
  /** The packets of a batch come now, all at the time `now`. */
  beginBatch(now: Instant): void;
  /** There was at least one, and that was the last. */
  endBatch(): void;
}

/** Takes what waits in `source` to `handler`, in batches; what is left after the last one calls again. */
export function serveBatches(source: PacketSource, clock: Clock, handler: BatchHandler): void {
  for (let i = 0; i < BATCHES_PER_WAKE_UP; i++) {
    handler.beginBatch(clock.now());
    const count = source.receive(handler, BATCH);
    if (count > 0) handler.endBatch();
    if (count < BATCH) return;
  }
}
