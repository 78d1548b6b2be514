import type { Memory } from '../base/memory.ts';
import type { Random } from '../base/random.ts';
import type { PacketSink } from '../ports/packet-sink.ts';
import { ScratchAddress } from '../wire/address.ts';
import { wordSum } from '../wire/checksum.ts';
import { markIpv4Fragment, writeFragmentHeader } from '../wire/fragments.ts';
import { FRAGMENT_HEADER_LENGTH, IPPROTO_FRAGMENT } from '../wire/ip-view.ts';
import { IPV4_HEADER_LENGTH, writeIpv4Header } from '../wire/ipv4.ts';
import { IPV6_HEADER_LENGTH, writeIpv6Header } from '../wire/ipv6.ts';
import {
  copyChecksum,
  type DatagramView,
  IPPROTO_UDP,
  UDP_HEADER_LENGTH,
  writeUdpHeader,
} from '../wire/udp.ts';
import type { OwnPlaces } from './own-places.ts';
import type { Transfer } from './transfers.ts';

const MAX_ID = 0xffff;
/** Offsets of fragments are counted in this many octets. */
const FRAGMENT_UNIT = 8;

/** Writes copies of datagrams, in fragments where the path asks for it. */
export class DatagramSender {
  readonly #places: OwnPlaces;
  readonly #source = new ScratchAddress();
  #sourcePort = 0;
  #checksum = 0;
  /** Identifications: of whole packets, 1 to 65535, and of those in fragments, which are so few that none comes again soon. */
  #id: number;
  #fragmentId: number;
  #isUnsent = false;
  /** Datagrams sent, and how many of them in fragments. */
  sent = 0;
  sentInFragments = 0;
  /** Packets sent, and octets of them, IP headers included. */
  packets = 0;
  octets = 0;

  constructor(places: OwnPlaces, random: Random) {
    this.#places = places;
    this.#id = random.int(1, MAX_ID + 1);
    this.#fragmentId = random.uint32() | 0;
  }

  /**
   * Copy number `lane` of `p`; `rest`: the sum of what it has in common with the others (see wire/udp.ts), below 0 where it has no
   * checksum.
   */
  send(p: DatagramView, transfer: Transfer, lane: number, rest: number, sink: PacketSink): void {
    const as = this.#places.addressOf(p, transfer, lane);
    const source = this.#source;
    if (as === undefined) source.set(p.src0, p.src1, p.src2, p.src3);
    else source.set(as.w0, as.w1, as.w2, as.w3);
    this.#sourcePort = this.#places.portOf(p.sourcePort, lane);
    this.#checksum = rest < 0 ? 0 : copyChecksum(rest, this.#endsSum(transfer));
    const ipLength = p.family === 4 ? IPV4_HEADER_LENGTH : IPV6_HEADER_LENGTH;
    this.#isUnsent = true;
    this.sent++;
    if (ipLength + p.udpLength <= transfer.path.mtu) this.#sendWhole(p, transfer, sink);
    else this.#sendFragments(p, transfer, sink);
  }

  flush(sink: PacketSink): void {
    if (!this.#isUnsent) return;
    this.#isUnsent = false;
    sink.flush();
  }

  #endsSum({ target, targetPort }: Transfer): number {
    const { w0, w1, w2, w3 } = this.#source;
    const source = wordSum(w0) + wordSum(w1) + wordSum(w2) + wordSum(w3);
    const { w0: t0, w1: t1, w2: t2, w3: t3 } = target;
    const sum = source + wordSum(t0) + wordSum(t1) + wordSum(t2) + wordSum(t3);
    return sum + this.#sourcePort + targetPort;
  }

  #sendWhole(p: DatagramView, transfer: Transfer, sink: PacketSink): void {
    const at = sink.begin();
    // Never 0: the kernel would put another in its place (raw(7)).
    this.#id = this.#id === MAX_ID ? 1 : this.#id + 1;
    const udpAt = this.#writeIpHeader(p, transfer, sink, at, p.udpLength, IPPROTO_UDP, this.#id);
    this.#writeUdp(p, transfer, sink, udpAt);
    const headers = udpAt + UDP_HEADER_LENGTH - at;
    sink.commit(headers, p.memory, p.payloadOffset, p.payloadLength);
    this.packets++;
    this.octets += headers + p.payloadLength;
  }

  #sendFragments(p: DatagramView, transfer: Transfer, sink: PacketSink): void {
    const { mtu } = transfer.path;
    const isV4 = p.family === 4;
    const headers = isV4 ? IPV4_HEADER_LENGTH : IPV6_HEADER_LENGTH + FRAGMENT_HEADER_LENGTH;
    const most = Math.max(mtu - headers, FRAGMENT_UNIT);
    // All but the last are a multiple of 8 octets long (RFC 791 §3.2, RFC 8200 §4.5).
    const room = most & -FRAGMENT_UNIT;
    this.sentInFragments++;
    // Signed: beyond that V8 would make an object of each.
    this.#fragmentId = (this.#fragmentId + 1) | 0;
    for (let offset = 0; offset < p.udpLength; ) {
      const left = p.udpLength - offset;
      const hasMore = left > most;
      const length = hasMore ? room : left;
      this.#sendFragment(p, transfer, sink, offset, length, hasMore);
      offset += length;
    }
  }

  /** The `length` octets from `offset` on of UDP header and payload. */
  #sendFragment(
    p: DatagramView,
    transfer: Transfer,
    sink: PacketSink,
    offset: number,
    length: number,
    hasMore: boolean,
  ): void {
    const at = sink.begin();
    const { memory } = sink;
    let end: number;
    if (p.family === 4) {
      const id = ((this.#fragmentId >>> 0) % MAX_ID) + 1;
      end = this.#writeIpHeader(p, transfer, sink, at, length, IPPROTO_UDP, id);
      markIpv4Fragment(memory, at, offset, hasMore);
    } else {
      const carried = FRAGMENT_HEADER_LENGTH + length;
      end = this.#writeIpHeader(p, transfer, sink, at, carried, IPPROTO_FRAGMENT, 0);
      end = writeFragmentHeader(memory, end, IPPROTO_UDP, offset, hasMore, this.#fragmentId);
    }
    if (offset === 0) end = this.#writeUdp(p, transfer, sink, end);
    const own = offset === 0 ? UDP_HEADER_LENGTH : 0;
    const from = p.payloadOffset + offset + own - UDP_HEADER_LENGTH;
    sink.commit(end - at, p.memory as Memory, from, length - own);
    this.packets++;
    this.octets += end - at + length - own;
  }

  /** In front of `length` octets; returns where they begin. */
  #writeIpHeader(
    p: DatagramView,
    { target }: Transfer,
    sink: PacketSink,
    at: number,
    length: number,
    protocol: number,
    id: number,
  ): number {
    const { memory } = sink;
    const { ttl, trafficClass } = p;
    const source = this.#source;
    if (p.family === 6) {
      return writeIpv6Header(memory, at, trafficClass, length, protocol, ttl, source, target);
    }
    const total = IPV4_HEADER_LENGTH + length;
    // Don't Fragment stays off, as for connections: the ICMP message would go to the client's address, not to us.
    return writeIpv4Header(
      memory,
      at,
      trafficClass,
      total,
      id,
      false,
      ttl,
      protocol,
      source.w3,
      target.w3,
    );
  }

  #writeUdp(p: DatagramView, { targetPort }: Transfer, sink: PacketSink, at: number): number {
    const length = p.udpLength;
    return writeUdpHeader(sink.memory, at, this.#sourcePort, targetPort, length, this.#checksum);
  }
}
