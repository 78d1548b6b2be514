import { Ancillary, Op, type Program } from './bpf.ts';

/** What the kernel knows of a packet beside its octets. */
export interface PacketFacts {
  /** EtherType. */
  readonly protocol: number;
  /** PACKET_HOST (0), PACKET_BROADCAST (1), PACKET_MULTICAST (2), PACKET_OTHERHOST (3), PACKET_OUTGOING (4). */
  readonly packetType: number;
}

/**
 * Runs a filter in user space: the octets of `packet` that it would let pass, 0 when it drops it. Knows the instructions that
 * `transferFilter` and `guarded` emit; throws RangeError at others. An oracle, not made for speed.
 */
export function runFilter(program: Program, packet: DataView, facts?: PacketFacts): number {
  let a = 0;
  let x = 0;
  for (let pc = 0; ; pc++) {
    const instruction = program[pc];
    if (instruction === undefined) throw new RangeError(`Filter ran off its end at ${pc}`);
    const { code, jt, jf, k } = instruction;
    if (code === Op.ret) return k;
    if (isLoad(code)) {
      const value = load(code, k, x, packet, facts);
      if (value === undefined) return 0;
      if (code === Op.ldxMsh) x = value;
      else a = value;
    } else if (code === Op.and) a = (a & k) >>> 0;
    else if (code === Op.ja) pc += k;
    else pc += test(code, a, k) ? jt : jf;
  }
}

const isLoad = (code: number): boolean =>
  code === Op.ld || code === Op.ldh || code === Op.ldb || code === Op.ldhX || code === Op.ldxMsh;

/** Undefined beyond the packet's end: the kernel drops a packet whose filter looks there. */
function load(
  code: number,
  k: number,
  x: number,
  packet: DataView,
  facts: PacketFacts | undefined,
): number | undefined {
  if (k === Ancillary.protocol) return facts?.protocol;
  if (k === Ancillary.packetType) return facts?.packetType;
  const at = code === Op.ldhX ? x + k : k;
  const size = code === Op.ld ? 4 : code === Op.ldh || code === Op.ldhX ? 2 : 1;
  if (at + size > packet.byteLength) return undefined;
  if (code === Op.ldxMsh) return (packet.getUint8(at) & 15) << 2;
  if (size === 4) return packet.getUint32(at);
  return size === 2 ? packet.getUint16(at) : packet.getUint8(at);
}

function test(code: number, a: number, k: number): boolean {
  switch (code) {
    case Op.jeq:
      return a === k;
    case Op.jgt:
      return a > k;
    case Op.jge:
      return a >= k;
    case Op.jset:
      return (a & k) !== 0;
    default:
      throw new RangeError(
        `Filter has an instruction that is not known here: 0x${code.toString(16)}`,
      );
  }
}
