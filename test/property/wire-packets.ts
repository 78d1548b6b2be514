import { Memory } from '../../src/base/memory.ts';

/** What a test says of a packet; everything has a default. Built the slow way, octet by octet, to check the fast way against. */
export interface PacketSpec {
  readonly family?: 4 | 6;
  /** Octets of the addresses, 4 or 16. */
  readonly src?: readonly number[];
  readonly dst?: readonly number[];
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly seq?: number;
  readonly ack?: number;
  readonly flags?: number;
  readonly window?: number;
  readonly urgentPointer?: number;
  readonly ttl?: number;
  readonly trafficClass?: number;
  /** IPv4 options, a multiple of 4 octets. */
  readonly ipOptions?: readonly number[];
  /** IPv6 extension headers: type of each and its body after the two leading octets, 6 + 8n octets. */
  readonly extensions?: readonly { readonly type: number; readonly body: readonly number[] }[];
  /** TCP options, a multiple of 4 octets. */
  readonly options?: readonly number[];
  readonly payload?: readonly number[];
  /** Written instead of the true IPv4 total length or IPv6 payload length. */
  readonly declaredLength?: number;
}

const be16 = (n: number): number[] => [(n >>> 8) & 255, n & 255];
const be32 = (n: number): number[] => [...be16(n >>> 16), ...be16(n)];

export const V4_SRC: readonly number[] = [192, 168, 0, 2];
export const V4_DST: readonly number[] = [10, 1, 2, 3];
export const V6_SRC: readonly number[] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
export const V6_DST: readonly number[] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];

/** RFC 1071 as one would write it on a blackboard. */
export function slowSum(octets: readonly number[] | Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < octets.length; i++) {
    sum += i % 2 === 0 ? (octets[i] as number) * 256 : (octets[i] as number);
  }
  while (sum > 0xffff) sum = Math.floor(sum / 0x10000) + (sum % 0x10000);
  return sum;
}

export function buildPacket(spec: PacketSpec = {}): Uint8Array {
  const v6 = spec.family === 6;
  const src = spec.src ?? (v6 ? V6_SRC : V4_SRC);
  const dst = spec.dst ?? (v6 ? V6_DST : V4_DST);
  const tcp = buildSegment(spec);
  const pseudo = [...src, ...dst, ...be32(tcp.length), 0, 0, 0, 6];
  tcp.splice(16, 2, ...be16(0xffff - slowSum([...pseudo, ...tcp])));
  return Uint8Array.from([...(v6 ? headerV6 : headerV4)(spec, src, dst, tcp.length), ...tcp]);
}

function buildSegment(spec: PacketSpec): number[] {
  const options = spec.options ?? [];
  return [
    ...be16(spec.sourcePort ?? 8080),
    ...be16(spec.destinationPort ?? 40_000),
    ...be32(spec.seq ?? 0x1122_3344),
    ...be32(spec.ack ?? 0x5566_7788),
    ((20 + options.length) / 4) << 4,
    spec.flags ?? 0x18,
    ...be16(spec.window ?? 29_200),
    ...be16(0),
    ...be16(spec.urgentPointer ?? 0),
    ...options,
    ...(spec.payload ?? []),
  ];
}

function headerV4(
  spec: PacketSpec,
  src: readonly number[],
  dst: readonly number[],
  length: number,
): number[] {
  const options = spec.ipOptions ?? [];
  const header = [
    0x45 + options.length / 4,
    spec.trafficClass ?? 0,
    ...be16(spec.declaredLength ?? 20 + options.length + length),
    ...be32(0x1234_4000),
    spec.ttl ?? 64,
    6,
    0,
    0,
    ...src,
    ...dst,
    ...options,
  ];
  header.splice(10, 2, ...be16(0xffff - slowSum(header)));
  return header;
}

function headerV6(
  spec: PacketSpec,
  src: readonly number[],
  dst: readonly number[],
  length: number,
): number[] {
  const extensions = spec.extensions ?? [];
  const chain = extensions.flatMap((extension, i) => [
    extensions[i + 1]?.type ?? 6,
    (extension.body.length + 2) / 8 - 1,
    ...extension.body,
  ]);
  return [
    ...be32(0x6000_0000 | ((spec.trafficClass ?? 0) << 20)),
    ...be16(spec.declaredLength ?? chain.length + length),
    extensions[0]?.type ?? 6,
    spec.ttl ?? 64,
    ...src,
    ...dst,
    ...chain,
  ];
}

/** A memory that holds `octets` from `offset` on, with room after them. */
export function memoryOf(octets: ArrayLike<number>, offset = 0, room = 64): Memory {
  const memory = Memory.alloc(offset + octets.length + room);
  memory.bytes.set(octets, offset);
  return memory;
}

/** Timestamps as Linux lays them out: NOP NOP, kind 8, 12 octets in all. */
export const timestampOption = (tsval: number, tsecr: number): number[] => [
  ...be32(0x0101_080a),
  ...be32(tsval),
  ...be32(tsecr),
];

/** NOP NOP and SACK blocks, 4 + 8n octets. */
export const sackOption = (blocks: readonly (readonly [number, number])[]): number[] => [
  ...be32(0x0101_0502 + 8 * blocks.length),
  ...blocks.flatMap(([left, right]) => [...be32(left), ...be32(right)]),
];
