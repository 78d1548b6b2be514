import type { Memory } from '../base/memory.ts';
import { BatchSender } from './batch-sender.ts';
import { AF_PACKET, SOCK_DGRAM, SOCK_RAW } from './constants.ts';
import { netRawHint } from './errors.ts';
import { addressOf, libc } from './libc.ts';
import { type ChangeHandler, LINK_HEADER_LENGTH, type LinkTarget, NextHops } from './next-hops.ts';
import { SendBatch } from './send-batch.ts';
import { OPENING, type PacketSender, type SenderOptions } from './send-tally.ts';
import { openSocket } from './socket.ts';

export interface LinkSenderOptions extends SenderOptions {
  /** Name of the interface. */
  readonly device: string;
  /** Each address once. Packets for others have no next hop. */
  readonly targets: readonly LinkTarget[];
  /** Called when a next hop becomes known, changes or is lost. */
  readonly onChange: ChangeHandler;
}

/** How often the kernel is asked for the next hops: while they are known, while one is not, and at the start; milliseconds. */
const CALM_MS = 2000;
const ANXIOUS_MS = 250;
const START_MS = 20;
/** A neighbour that has not answered by then does not keep the start from going on. */
const START_PATIENCE_MS = 1500;

/**
 * Opens a sender of packets with their own IP header that leave through one interface, past the routes' output path: no
 * firewall, no connection tracking. Comes back when the next hops are known, or after a second and a half without. Throws
 * `SystemError`.
 */
export async function openLinkSender(options: LinkSenderOptions): Promise<PacketSender> {
  const sender = new LinkSender(options);
  try {
    await sender.findHops();
  } catch (error) {
    sender.close();
    throw error;
  }
  return sender;
}

class LinkSender extends BatchSender {
  readonly #onChange: ChangeHandler;
  readonly #hops: NextHops;
  /** Whether frames name another source than the interface: then their header is ours too. */
  readonly #hasLinkHeader: boolean;
  readonly #fd: number;
  readonly #names: number;
  readonly #headers: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LinkSenderOptions) {
    const { device, targets, onChange } = options;
    const hasLinkHeader = targets.some(({ source }) => source !== undefined);
    super(options, new SendBatch(hasLinkHeader));
    this.#onChange = onChange;
    this.#hops = new NextHops(device, targets, onChange);
    this.#hasLinkHeader = hasLinkHeader;
    this.#names = addressOf(this.#hops.names);
    this.#headers = addressOf(this.#hops.headers);
    const type = hasLinkHeader ? SOCK_RAW : SOCK_DGRAM;
    const opening = { ...OPENING, call: 'socket(AF_PACKET)' };
    // Protocol 0: it receives nothing.
    this.#fd = openSocket(AF_PACKET, type, 0, opening, netRawHint);
    this.enlarge(this.#fd);
  }

  async findHops(): Promise<void> {
    this.#hops.checkRoutes();
    const end = performance.now() + START_PATIENCE_MS;
    this.#hops.refresh();
    while (!this.#hops.areKnown && performance.now() < end) {
      await new Promise((resolve) => {
        setTimeout(resolve, START_MS);
      });
      this.#hops.refresh();
    }
    this.#hops.isStarting = false;
    this.#refresh();
  }

  commit(
    headerLength: number,
    payload: Memory | null,
    payloadOffset: number,
    payloadLength: number,
  ): void {
    const hop = this.#hops.find(this.memory, this.batch.begin());
    if (hop < 0) {
      this.tally.noNextHop++;
      return;
    }
    const slot = this.batch.commit(headerLength, payload, payloadOffset, payloadLength);
    const name = this.#names + this.#hops.nameAt(hop);
    this.batch.nameAs(slot, name, this.#hops.nameLength(hop));
    if (!this.#hasLinkHeader) return;
    this.batch.putBefore(slot, this.#headers + this.#hops.headerAt(hop), LINK_HEADER_LENGTH);
  }

  protected transmit(count: number): boolean {
    return this.tally.send(this.#fd, this.batch, 0, count);
  }

  protected release(): void {
    clearTimeout(this.#timer);
    this.#hops.close();
    libc.close(this.#fd);
  }

  /** Nothing here waits: the kernel answers at once, and looks for neighbours by itself. */
  #refresh(): void {
    // What is queued refers to the names that may change.
    this.flush();
    try {
      this.#hops.refresh();
    } catch (error) {
      // Whatever it is, such as too many open files, the next time may be better.
      this.#onChange(error instanceof Error ? error.message : String(error), true);
    }
    const delay = this.#hops.areKnown ? CALM_MS : ANXIOUS_MS;
    this.#timer = setTimeout(() => this.#refresh(), delay).unref();
  }
}
