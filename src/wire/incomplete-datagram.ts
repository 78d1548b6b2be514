import { Memory } from '../base/memory.ts';
import type { Instant } from '../base/time.ts';
import { ScratchAddress } from './address.ts';
import { copyAndSum } from './checksum.ts';
import { IPV4_HEADER_LENGTH, writeIpv4Header } from './ipv4.ts';
import { IPV6_HEADER_LENGTH, writeIpv6Header } from './ipv6.ts';
import { type DatagramView, IPPROTO_UDP } from './udp.ts';

/** What became of a fragment. */
export const FragmentResult = {
  /** It waits for the others. */
  held: 0,
  /** It was the last that was missing. */
  complete: 1,
  /** All of it had come before. */
  repeated: 2,
  /** It disagrees with others about which octets are whose, or belongs to a datagram of which some did. */
  overlapping: 3,
  /** Empty, not a multiple of 8 though more follow, or beyond the longest packet (RFC 8200 §4.5). */
  impossible: 4,
} as const;
export type FragmentResult = (typeof FragmentResult)[keyof typeof FragmentResult];

/** RFC 791 §3.1 and RFC 8200 §4.5: the whole packet, or what follows its header. */
const LONGEST = 65_535;
const UNIT = 8;
/** In front of the data, for the header of the whole packet. */
const HEADER_ROOM = IPV6_HEADER_LENGTH;

/** A datagram that is being put together, as an IP packet without options or extension headers. */
export class IncompleteDatagram {
  readonly memory: Memory = Memory.alloc(HEADER_ROOM + LONGEST + 1);
  /** For each unit of 8 octets of the data, whether it has come. */
  readonly #units = new Uint8Array((LONGEST + 1) / UNIT);
  readonly #src = new ScratchAddress();
  readonly #dst = new ScratchAddress();
  #id = 0;
  #isV4 = true;
  #ttl = 0;
  #trafficClass = 0;
  /** Of the data: octets that have come, where the last of them ends, and how many there are in all, −1 while that is not known. */
  #received = 0;
  #end = 0;
  #total = -1;
  /** Its fragments overlapped: what else comes of it is dropped, too (RFC 5722 §4). */
  isSpoiled = false;
  /** Fragments held. */
  packets = 0;
  /** Starts as a fraction so that V8 gives the field a double of its own. */
  startedAt: Instant = 0.5 as Instant;

  begin(now: Instant, p: DatagramView): void {
    this.#src.set(p.src0, p.src1, p.src2, p.src3);
    this.#dst.set(p.dst0, p.dst1, p.dst2, p.dst3);
    this.#id = p.fragmentId;
    this.#isV4 = p.family === 4;
    this.#units.fill(0);
    this.#received = 0;
    this.#end = 0;
    this.#total = -1;
    this.isSpoiled = false;
    this.packets = 0;
    this.startedAt = now;
  }

  /** RFC 791 §3.2: source, destination, protocol, identification. */
  matches(p: DatagramView): boolean {
    return (
      this.#id === p.fragmentId &&
      this.#isV4 === (p.family === 4) &&
      this.#src.is(p.src0, p.src1, p.src2, p.src3) &&
      this.#dst.is(p.dst0, p.dst1, p.dst2, p.dst3)
    );
  }

  take(p: DatagramView): FragmentResult {
    const start = p.fragmentOffset;
    const end = start + p.payloadLength;
    const isLast = !p.moreFragments;
    if (this.#contradicts(end, isLast)) return FragmentResult.overlapping;
    const known = this.#countUnits(start, end);
    if (known > 0) {
      // As for Linux, what lies within the octets that have come repeats them, though its borders be others than theirs (RFC 8200
      // §4.5 speaks of exact repetitions): what came first stays.
      const isRepeated = known === unitsIn(start, end) && (!isLast || this.#total >= 0);
      return isRepeated ? FragmentResult.repeated : FragmentResult.overlapping;
    }
    this.#keep(p, start, end);
    if (isLast) this.#total = end;
    return this.#received === this.#total ? FragmentResult.complete : FragmentResult.held;
  }

  /** Whether a fragment that ends there has another idea of where the datagram ends. */
  #contradicts(end: number, isLast: boolean): boolean {
    if (this.#total < 0) return isLast && end < this.#end;
    return isLast ? end !== this.#total : end >= this.#total;
  }

  #countUnits(start: number, end: number): number {
    const units = this.#units;
    let count = 0;
    for (let u = start / UNIT; u * UNIT < end; u++) count += units[u] as number;
    return count;
  }

  #keep(p: DatagramView, start: number, end: number): void {
    this.#units.fill(1, start / UNIT, Math.ceil(end / UNIT));
    copyAndSum(p.memory as Memory, p.payloadOffset, this.memory, HEADER_ROOM + start, end - start);
    this.#received += end - start;
    this.#end = Math.max(this.#end, end);
    this.packets++;
    if (start > 0) return;
    this.#ttl = p.ttl;
    this.#trafficClass = p.trafficClass;
  }

  /** Writes the header of the whole packet. */
  finish(): void {
    const { memory } = this;
    if (this.#isV4) {
      writeIpv4Header(
        memory,
        this.offset,
        this.#trafficClass,
        this.length,
        this.#id,
        false,
        this.#ttl,
        IPPROTO_UDP,
        this.#src.w3,
        this.#dst.w3,
      );
      return;
    }
    writeIpv6Header(
      memory,
      this.offset,
      this.#trafficClass,
      this.#total,
      IPPROTO_UDP,
      this.#ttl,
      this.#src,
      this.#dst,
    );
  }

  /** Of the whole packet. */
  get offset(): number {
    return this.#isV4 ? HEADER_ROOM - IPV4_HEADER_LENGTH : 0;
  }

  get length(): number {
    return HEADER_ROOM - this.offset + this.#total;
  }
}

/** Units that the octets from `start`, the first of one, to `end` have a part in. */
const unitsIn = (start: number, end: number): number => Math.ceil((end - start) / UNIT);

/** Whether no datagram can have such a fragment. */
export function isImpossible({
  family,
  fragmentOffset,
  moreFragments,
  payloadLength,
}: DatagramView): boolean {
  const longest = family === 4 ? LONGEST - IPV4_HEADER_LENGTH : LONGEST;
  if (payloadLength === 0 || fragmentOffset + payloadLength > longest) return true;
  return moreFragments && payloadLength % UNIT !== 0;
}
