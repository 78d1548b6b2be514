import type { Memory } from '../base/memory.ts';
import type { CapturedPacket, PacketHandler } from '../ports/packet-source.ts';
import type { IpAddress } from '../wire/address.ts';
import { PacketError, PacketView } from '../wire/packet-view.ts';
import {
  HOOK_OUTPUT,
  HOOK_POSTROUTING,
  MessageKind,
  QueueMessage,
  Verdict,
} from './queue-message.ts';
import { PacketInPlace } from './packet-in-place.ts';
import { BATCH } from './receive-batch.ts';
import { Verdicts } from './verdicts.ts';

export interface QueueReaderOptions {
  readonly queue: number;
  /** Packets to these addresses are let through. */
  readonly passThrough: readonly IpAddress[];
  /** The kernel has answered the request `sequence`, or complains about one: 0 or an error number. */
  readonly onAnswer: (sequence: number, errno: number) => void;
  /** Called once, when a packet comes that was made on this very host. */
  readonly onOwnPacket?: (() => void) | undefined;
}

/**
 * Reads what the kernel sends about a queue, decides on each packet, and hands over those that are to be dropped. No system call:
 * the verdicts gather in `verdicts`, for at most `BATCH` datagrams.
 */
export class QueueReader implements PacketHandler {
  /** Who gets the packets; without one they are dropped unseen. */
  handler: PacketHandler | undefined;
  readonly verdicts: Verdicts;
  received = 0;
  /** Let through, since they go to an address of `passThrough`. */
  onList = 0;
  /** Let through, since they could not be read as TCP. */
  unreadable = 0;
  readonly #options: QueueReaderOptions;
  readonly #message = new QueueMessage();
  readonly #view = new PacketView();
  /** Four words each. */
  readonly #passThrough: Int32Array;
  #packet: PacketInPlace | undefined;
  #saidOwn = false;

  constructor(options: QueueReaderOptions) {
    const { queue, passThrough } = options;
    this.#options = options;
    this.verdicts = new Verdicts(queue, BATCH);
    this.#passThrough = Int32Array.from(passThrough.flatMap((a) => [a.w0, a.w1, a.w2, a.w3]));
  }

  /** A datagram from the kernel, as a `ReceiveBatch` has it. The kernel puts one packet into each; of more, the first counts. */
  handlePacket({ memory, offset, length }: CapturedPacket): void {
    const message = this.#message;
    const end = offset + length;
    let hasPacket = false;
    for (let at = offset; at < end; ) {
      at = message.read(memory, at, end);
      if (message.kind === MessageKind.answer) {
        this.#options.onAnswer(message.sequence, message.errno);
      } else if (message.kind === MessageKind.packet && !hasPacket) {
        hasPacket = true;
        this.#decide(memory);
      }
    }
  }

  #decide(memory: Memory): void {
    const message = this.#message;
    this.received++;
    if (!this.#saidOwn && message.inDevice === 0 && isOutgoing(message.hook)) {
      this.#saidOwn = true;
      this.#options.onOwnPacket?.();
    }
    const view = this.#view;
    const error = view.parse(memory, message.offset, message.length, message.wireLength);
    if (error !== PacketError.none && error !== PacketError.cutByCapture) {
      this.unreadable++;
      this.verdicts.note(message.id, Verdict.accept);
    } else if (this.#isOnList(view)) {
      this.onList++;
      this.verdicts.note(message.id, Verdict.accept);
    } else {
      this.verdicts.note(message.id, Verdict.drop);
      this.#handOver(memory);
    }
  }

  #isOnList(view: PacketView): boolean {
    const list = this.#passThrough;
    for (let i = 0; i < list.length; i += 4) {
      const isSame =
        list[i + 3] === view.dst3 &&
        list[i + 2] === view.dst2 &&
        list[i + 1] === view.dst1 &&
        list[i] === view.dst0;
      if (isSame) return true;
    }
    return false;
  }

  #handOver(memory: Memory): void {
    this.#packet ??= new PacketInPlace(memory);
    const packet = this.#packet;
    const message = this.#message;
    packet.offset = message.offset;
    packet.length = message.length;
    packet.wireLength = message.wireLength;
    packet.checksum = message.checksum;
    packet.receivedAt = message.receivedAt;
    this.handler?.handlePacket(packet);
  }
}

const isOutgoing = (hook: number): boolean => hook === HOOK_OUTPUT || hook === HOOK_POSTROUTING;
