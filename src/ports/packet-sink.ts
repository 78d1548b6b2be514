import type { Memory } from '../base/memory.ts';

/** Octets that `begin` makes room for: an IPv6 header, a TCP header with all its options, and some to spare. */
export const HEADER_ROOM = 128;

/** What a sink of one interface calls packets that it has no neighbour to hand to. */
export const NO_NEXT_HOP = 'no next hop';

/**
 * Where packets go: a raw socket, a link, a tunnel, a simulated network. Headers are built in the sink's own memory and the
 * payload is handed over by reference, so that a packet is copied once, by the kernel.
 *
 * ```
 * const at = sink.begin();
 * …write IP and TCP headers at sink.memory[at…]
 * sink.commit(headerLength, payloadMemory, payloadOffset, payloadLength);
 * …
 * sink.flush();
 * ```
 *
 * The payload must stay as it is until `flush` returns. The destination is the one in the IP header.
 */
export interface PacketSink {
  readonly memory: Memory;
  /** Room for the headers of one packet: an offset into `memory`, a multiple of 8. Flushes by itself when a batch is full. */
  begin(): number;
  /** Queues the packet begun last. `payload` may be null when `payloadLength` is 0. */
  commit(
    headerLength: number,
    payload: Memory | null,
    payloadOffset: number,
    payloadLength: number,
  ): void;
  /** Hands everything queued to the network. A packet that cannot be sent is counted, never thrown. */
  flush(): void;
}
