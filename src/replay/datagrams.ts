import { FlowKey, hashFlow } from '../base/flow-key.ts';
import type { Random } from '../base/random.ts';
import type { Instant } from '../base/time.ts';
import type { PacketSink } from '../ports/packet-sink.ts';
import { type CapturedPacket, ChecksumState } from '../ports/packet-source.ts';
import { FragmentResult } from '../wire/incomplete-datagram.ts';
import { PacketError } from '../wire/packet-error.ts';
import { type FragmentLoss, Reassembler } from '../wire/reassembly.ts';
import { DatagramView, isSoundDatagram, restFromChecksum, restFromPayload } from '../wire/udp.ts';
import { DatagramSender } from './datagram-sender.ts';
import { DatagramVerdict } from './datagram-verdict.ts';
import type { Ledger } from './ledger.ts';
import { breaksLoopbackRule, type OwnPlaces } from './own-places.ts';
import { isSampled } from './sampling.ts';
import type { Share } from './share.ts';
import type { Throttle } from './throttle.ts';
import type { Transfer, TransferTable } from './transfers.ts';

/** What the copying of datagrams and that of connections have in common. */
export interface CommonParts {
  readonly transfers: TransferTable;
  readonly ownPlaces: OwnPlaces;
  readonly share: Share;
  readonly ledger: Ledger;
  readonly throttle: Throttle;
}

/** Of sums, where a datagram has no checksum. */
const NO_CHECKSUM = -1;

const LOSSES: Readonly<Record<FragmentLoss, DatagramVerdict>> = {
  timedOut: DatagramVerdict.timedOut,
  evicted: DatagramVerdict.evicted,
  overlapping: DatagramVerdict.overlapping,
};

/**
 * The core of --udp: captured datagrams in, copies of them out, at once and in any number. Nothing is known of flows: what a
 * client sends from one address and port has the same places and the same number of copies because both follow from these. All that is
 * kept are fragments of datagrams that are not complete. No I/O, no clock, no randomness of its own.
 */
export class Datagrams {
  readonly sender: DatagramSender;
  readonly #parts: CommonParts;
  readonly #view = new DatagramView();
  readonly #reassembler: Reassembler;
  readonly #copies: number;
  readonly #fraction: number;
  readonly #flow = new FlowKey();
  readonly #secret: number;
  /** The first fault of ours that was contained, for the log. */
  fault: unknown = undefined;

  /** `copies`: -n, 1 or more, perhaps with a fraction. */
  constructor(parts: CommonParts, copies: number, random: Random) {
    const { ledger } = parts;
    this.#parts = parts;
    this.#copies = Math.floor(copies);
    this.#fraction = copies - this.#copies;
    this.#secret = random.uint32() | 0;
    this.sender = new DatagramSender(parts.ownPlaces, random);
    this.#reassembler = new Reassembler((why, packets) => {
      ledger.countDatagrams(DatagramVerdict.waiting, -packets);
      ledger.countDatagrams(LOSSES[why], packets);
    });
  }

  /**
   * Takes a captured UDP packet. Its copies are in `sink` when this returns, and refer to its memory: it must stay as it is until
   * `poll`, or until the sink has flushed itself.
   */
  handlePacket(now: Instant, packet: CapturedPacket, sink: PacketSink): void {
    const { ledger } = this.#parts;
    const view = this.#view;
    ledger.captured++;
    const error = view.parse(packet.memory, packet.offset, packet.length, packet.wireLength);
    if (error === PacketError.none) {
      ledger.countDatagrams(this.#copyContained(now, packet.checksum, sink), 1);
    } else if (error === PacketError.fragment) this.#handleFragment(now, sink);
    else ledger.countError(error);
  }

  /** Sends what there is to be sent. */
  poll(sink: PacketSink): void {
    this.sender.flush(sink);
  }

  /** When `handleTimeout` must be called next, or `NEVER`. */
  pollTimeout(): Instant {
    return this.#reassembler.pollTimeout();
  }

  handleTimeout(now: Instant): void {
    this.#reassembler.handleTimeout(now);
  }

  /** No more fragments will come of the datagrams that are not complete. */
  stop(): void {
    this.#reassembler.stop();
  }

  #handleFragment(now: Instant, sink: PacketSink): void {
    const { ledger } = this.#parts;
    const parts = this.#reassembler;
    const result = parts.add(now, this.#view);
    if (result !== FragmentResult.complete) {
      ledger.countDatagrams(VERDICT_OF_FRAGMENT[result] as DatagramVerdict, 1);
      return;
    }
    const { memory, offset, length, packets } = parts;
    ledger.countDatagrams(DatagramVerdict.waiting, 1 - packets);
    const error = this.#view.parse(memory, offset, length, length);
    if (error !== PacketError.none) {
      for (let i = 0; i < packets; i++) ledger.countError(error);
      return;
    }
    // Whatever the kernel says of single fragments: which of them belong together is told by 16 bits alone (RFC 4963).
    const verdict = this.#copyContained(now, ChecksumState.unknown, sink);
    ledger.countDatagrams(verdict, packets);
    // Its memory is used again by the next fragment.
    this.sender.flush(sink);
  }

  /** A fault of ours costs one datagram, not the process. */
  #copyContained(now: Instant, checksum: ChecksumState, sink: PacketSink): DatagramVerdict {
    try {
      return this.#copy(now, checksum, sink);
    } catch (fault) {
      this.fault ??= fault;
      return DatagramVerdict.internalError;
    }
  }

  #copy(now: Instant, checksum: ChecksumState, sink: PacketSink): DatagramVerdict {
    const { transfers, ownPlaces, share } = this.#parts;
    const p = this.#view;
    const transfer = transfers.match(p);
    if (transfer === undefined) {
      return transfers.isFromOnline(p) ? DatagramVerdict.onlineServer : DatagramVerdict.unmatched;
    }
    const as = ownPlaces.addressOf(p, transfer, 0);
    if (!isSampled(p, as, share.at(now))) return DatagramVerdict.notSampled;
    if (breaksLoopbackRule(p, transfer, as)) return DatagramVerdict.loopback;
    if (!this.#parts.throttle.mayPass(now)) return DatagramVerdict.overRate;
    if (p.checksum === 0) {
      if (p.family === 6) return DatagramVerdict.noChecksum;
      this.#send(transfer, NO_CHECKSUM, sink);
    } else if (checksum === ChecksumState.partial) {
      this.#send(transfer, restFromPayload(p), sink);
    } else {
      if (checksum === ChecksumState.unknown && !isSoundDatagram(p)) {
        return DatagramVerdict.badChecksum;
      }
      this.#send(transfer, restFromChecksum(p), sink);
    }
    return DatagramVerdict.copied;
  }

  #send(transfer: Transfer, rest: number, sink: PacketSink): void {
    const copies = this.#copiesOfFlow();
    const before = this.sender.packets;
    const octetsBefore = this.sender.octets;
    for (let lane = 0; lane < copies; lane++) {
      this.sender.send(this.#view, transfer, lane, rest, sink);
    }
    const { packets, octets } = this.sender;
    this.#parts.throttle.noteSent(packets - before, octets - octetsBefore);
  }

  /** Which flows have one copy more is no matter of chance: all datagrams of a flow must agree. */
  #copiesOfFlow(): number {
    if (this.#fraction === 0) return this.#copies;
    const flow = this.#flow;
    const p = this.#view;
    flow.setAddress(0, p.src0, p.src1, p.src2, p.src3);
    flow.setAddress(4, p.dst0, p.dst1, p.dst2, p.dst3);
    flow.setPorts(p.sourcePort, p.destinationPort);
    const point = (hashFlow(flow.words, this.#secret) >>> 0) / 0x1_0000_0000;
    return point < this.#fraction ? this.#copies + 1 : this.#copies;
  }
}

/** By `FragmentResult`; a complete datagram is judged as such. */
const VERDICT_OF_FRAGMENT: readonly DatagramVerdict[] = [
  DatagramVerdict.waiting,
  DatagramVerdict.copied,
  DatagramVerdict.repeated,
  DatagramVerdict.overlapping,
  DatagramVerdict.impossible,
];
