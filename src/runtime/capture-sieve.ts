import { Memory } from '../base/memory.ts';
import { type CapturedPacket, ChecksumState } from '../ports/packet-source.ts';
import type { TransferTable } from '../replay/transfers.ts';
import type { CaptureRecord } from '../wire/capture-record.ts';

import { findPacket, NoPacket } from '../wire/link-layer.ts';
import { PacketError, PacketView } from '../wire/packet-view.ts';
import { isPartialChecksum } from '../wire/partial-checksum.ts';
import { DatagramView, isPartialDatagram, isUdp } from '../wire/udp.ts';

/** A moment of a capture file, in microseconds: since 1970 or, when `isRelative`, since its first packet. */
export interface FileTime {
  readonly isRelative: boolean;
  readonly micros: number;
}

/** The part of the connections that this process copies: those of number `index`, 0 to `count` − 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

export interface SieveOptions {
  readonly from?: FileTime;
  readonly to?: FileTime;
  readonly shard?: Shard;
  /** UDP is wanted, too. */
  readonly udp?: boolean;
}

/** What a packet of a file is. */
export const Side = {
  /** Nothing for us. */
  none: 0,
  /** From a client to the online server. */
  client: 1,
  /** From the online server to a client. */
  server: 2,
  /** Later than what is wanted. */
  past: 3,
} as const;
export type Side = (typeof Side)[keyof typeof Side];

/** Packets by what was found. */
export class SieveCounts {
  read = 0;
  client = 0;
  /** Of these, UDP. */
  datagrams = 0;
  server = 0;
  /** TCP, or UDP where that is wanted, but of no pair of -x. */
  foreign = 0;
  /** Neither, or not IP. */
  notTcp = 0;
  /** Of an interface whose kind is not known here. */
  unknownLink = 0;
  /** What cannot be used, such as fragments of TCP. */
  unusable = 0;
  /** Of connections that other shards copy. */
  otherShard = 0;
  /** Before --from. */
  before = 0;
}

class FilePacket implements CapturedPacket {
  memory: Memory = Memory.alloc(1 << 16);
  readonly offset = 0;
  length = 0;
  wireLength = 0;
  checksum: ChecksumState = ChecksumState.unknown;
  receivedAt = 0.5;
}

/** Picks out of capture files what -x is about. */
export class CaptureSieve {
  readonly packet: FilePacket = new FilePacket();
  /** Of the packet, when it fits -x. */
  readonly view: PacketView = new PacketView();
  readonly #datagram = new DatagramView();
  /** The packet is UDP, and `view` is not about it. */
  isDatagram = false;
  /** Of the packet, when it fits -x: all there, or cut by the capture. */
  isCut = false;
  readonly counts: SieveCounts = new SieveCounts();
  readonly #transfers: TransferTable;
  readonly #options: SieveOptions;
  #from = Number.NaN;
  #to = Number.NaN;

  constructor(transfers: TransferTable, options: SieveOptions = {}) {
    this.#transfers = transfers;
    this.#options = options;
  }

  /** Looks at the next packet of a file; one that fits -x lies in `packet` and `view` until the next call. */
  sift(record: CaptureRecord): Side {
    const { counts } = this;
    counts.read++;
    if (Number.isNaN(this.#from)) this.#begin(record.time);
    if (record.time < this.#from) {
      counts.before++;
      return Side.none;
    }
    if (record.time > this.#to) return Side.past;
    const { bytes, view, offset, length } = record;
    const at = findPacket(record.linkType, bytes, view, offset, length);
    if (at < 0) {
      if (at === NoPacket.unknownLink) counts.unknownLink++;
      else counts.notTcp++;
      return Side.none;
    }
    this.#take(record, at);
    return this.#judge();
  }

  #begin(first: number): void {
    const { from, to } = this.#options;
    const absolute = (t: FileTime): number => (t.isRelative ? first + t.micros : t.micros);
    this.#from = from === undefined ? 0 : absolute(from);
    this.#to = to === undefined ? Number.POSITIVE_INFINITY : absolute(to);
  }

  #take(record: CaptureRecord, at: number): void {
    const { packet } = this;
    const before = at - record.offset;
    const length = record.length - before;
    if (length > packet.memory.size) packet.memory = Memory.alloc(2 * length);
    const { bytes } = packet.memory;
    // A few dozen octets are what most packets have; a typed array's own copying costs more for them.
    if (length < 128) for (let i = 0; i < length; i++) bytes[i] = record.bytes[at + i] as number;
    else bytes.set(record.bytes.subarray(at, at + length));
    packet.length = length;
    packet.wireLength = record.wireLength - before;
  }

  #judge(): Side {
    const { counts, packet, view } = this;
    this.isDatagram =
      this.#options.udp === true && isUdp(packet.memory, packet.offset, packet.length);
    if (this.isDatagram) return this.#judgeDatagram();
    const error = view.parse(packet.memory, packet.offset, packet.length, packet.wireLength);
    this.isCut = error === PacketError.cutByCapture;
    if (error !== PacketError.none && !this.isCut) {
      if (error === PacketError.notTcp) counts.notTcp++;
      else counts.unusable++;
      return Side.none;
    }
    const isClient = this.#transfers.match(view) !== undefined;
    if (!isClient && !this.#transfers.isFromOnline(view)) {
      counts.foreign++;
      return Side.none;
    }
    if (!this.#isOurs(isClient ? view.sourcePort : view.destinationPort)) {
      counts.otherShard++;
      return Side.none;
    }
    // A host that sends leaves checksums to its hardware, behind the capture.
    packet.checksum = isPartialChecksum(view) ? ChecksumState.partial : ChecksumState.unknown;
    if (!isClient) {
      counts.server++;
      return Side.server;
    }
    counts.client++;
    return Side.client;
  }

  #judgeDatagram(): Side {
    const { counts, packet } = this;
    const view = this.#datagram;
    const error = view.parse(packet.memory, packet.offset, packet.length, packet.wireLength);
    this.isCut = error === PacketError.cutByCapture;
    if (error !== PacketError.none && error !== PacketError.fragment && !this.isCut) {
      counts.unusable++;
      return Side.none;
    }
    const { isFragment } = view;
    const transfers = this.#transfers;
    const isClient = isFragment ? transfers.mayMatch(view) : transfers.match(view) !== undefined;
    if (!isClient && (isFragment || !transfers.isFromOnline(view))) {
      counts.foreign++;
      return Side.none;
    }
    const port = isClient ? view.sourcePort : view.destinationPort;
    // All fragments of a datagram must meet in one shard; which one that is does not matter, as nothing is kept of a flow.
    if (!this.#isOurs(isFragment ? view.fragmentId : port)) {
      counts.otherShard++;
      return Side.none;
    }
    packet.checksum =
      !isFragment && isPartialDatagram(view) ? ChecksumState.partial : ChecksumState.unknown;
    if (!isClient) {
      counts.server++;
      return Side.server;
    }
    counts.client++;
    counts.datagrams++;
    return Side.client;
  }

  /**
   * By the client's port alone: two clients that -c gives one address can only meet in their port, so they are in one shard, and no two
   * shards ever use one address and port.
   */
  #isOurs(port: number): boolean {
    const { shard } = this.#options;
    if (shard === undefined) return true;
    return (Math.imul(port, 0x9e37_79b1) >>> 8) % shard.count === shard.index;
  }
}
