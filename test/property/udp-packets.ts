import { parseAddress } from '../../src/wire/address.ts';
import { addressOctets, slowSum } from '../../src/testing/packet.ts';

/*
 * UDP datagrams and fragments built and read the slow way, octet by octet, as the RFCs draw them, with none of the code under
 * test.
 */

export interface UdpEnd {
  readonly address: string;
  readonly port: number;
}

export interface Datagram {
  readonly from: UdpEnd;
  readonly to: UdpEnd;
  readonly payload: Uint8Array;
  readonly ttl: number;
  readonly trafficClass: number;
  /** Right, absent (0), or left to hardware: the sum of the pseudo-header. */
  readonly checksum: 'right' | 'none' | 'partial' | 'wrong';
}

export const datagram = (given: Partial<Datagram> = {}): Datagram => ({
  from: { address: '10.1.2.3', port: 40_000 },
  to: { address: '10.0.0.1', port: 53 },
  payload: Uint8Array.of(1, 2, 3, 4, 5),
  ttl: 61,
  trafficClass: 0xb8,
  checksum: 'right',
  ...given,
});

/** A datagram over IPv6. */
export const datagram6 = (given: Partial<Datagram> = {}): Datagram =>
  datagram({
    from: { address: 'fd00::7', port: 40_000 },
    to: { address: 'fd00::1', port: 53 },
    ...given,
  });

const be16 = (n: number): number[] => [(n >>> 8) & 255, n & 255];
const be32 = (n: number): number[] => [...be16(n >>> 16), ...be16(n)];
const read16 = (b: Uint8Array, at: number): number =>
  (b[at] as number) * 256 + (b[at + 1] as number);

const folded = (sum: number): number => {
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return sum;
};

const pseudoSum = (source: readonly number[], target: readonly number[], length: number): number =>
  slowSum([...source, ...target, 0, 17, ...be32(length)]);

/** UDP header and payload. */
function udpOctets(d: Datagram): Uint8Array {
  const length = 8 + d.payload.length;
  const octets = new Uint8Array(length);
  octets.set([...be16(d.from.port), ...be16(d.to.port), ...be16(length)]);
  octets.set(d.payload, 8);
  const pseudo = pseudoSum(addressOctets(d.from.address), addressOctets(d.to.address), length);
  const right = 0xffff - folded(pseudo + slowSum(octets)) || 0xffff;
  const field = { right, none: 0, partial: pseudo, wrong: right ^ 0x0100 }[d.checksum];
  octets.set(be16(field), 6);
  return octets;
}

/** The IP header in front of `length` octets; `flags`: the 16 bits with the offset, IPv4 only. */
function ipHeader(d: Datagram, length: number, protocol: number, id = 0, flags = 0): number[] {
  const source = addressOctets(d.from.address);
  const target = addressOctets(d.to.address);
  if (source.length === 16) {
    const first = be32(0x6000_0000 + d.trafficClass * 0x10_0000);
    return [...first, ...be16(length), protocol, d.ttl, ...source, ...target];
  }
  const total = be16(20 + length);
  const header = [0x45, d.trafficClass, ...total, ...be16(id), ...be16(flags), d.ttl, protocol];
  header.push(0, 0, ...source, ...target);
  header.splice(10, 2, ...be16(0xffff - slowSum(header)));
  return header;
}

/** The whole packet; `id`: its identification, IPv4 only. */
export function buildDatagram(d: Datagram, id = 7): Uint8Array {
  const udp = udpOctets(d);
  return Uint8Array.from([...ipHeader(d, udp.length, 17, id), ...udp]);
}

/** A piece of the data of a packet: what a fragment is made of. */
export interface Piece {
  readonly offset: number;
  readonly data: Uint8Array;
  readonly more: boolean;
}

/** The datagram's data in pieces of `size` octets, a multiple of 8. */
export function piecesOf(d: Datagram, size: number): Piece[] {
  const udp = udpOctets(d);
  const pieces: Piece[] = [];
  for (let offset = 0; offset < udp.length; offset += size) {
    const data = udp.slice(offset, offset + size);
    pieces.push({ offset, data, more: offset + size < udp.length });
  }
  return pieces;
}

/** A fragment, over IPv6 with a Fragment header. */
export function buildFragment(d: Datagram, { offset, data, more }: Piece, id: number): Uint8Array {
  if (d.from.address.includes(':')) {
    const header = ipHeader(d, 8 + data.length, 44);
    const fragment = [17, 0, ...be16(offset + (more ? 1 : 0)), ...be32(id)];
    return Uint8Array.from([...header, ...fragment, ...data]);
  }
  const flags = offset / 8 + (more ? 0x2000 : 0);
  return Uint8Array.from([...ipHeader(d, data.length, 17, id, flags), ...data]);
}

export const fragmentsOf = (d: Datagram, size: number, id: number): Uint8Array[] =>
  piecesOf(d, size).map((piece) => buildFragment(d, piece, id));

function addressText(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => read16(octets, 2 * i).toString(16));
  return String(parseAddress(groups.join(':')));
}

/** What a packet carries, and of which datagram. */
export interface ReadPacket {
  readonly family: 4 | 6;
  readonly id: number;
  readonly offset: number;
  readonly more: boolean;
  readonly ttl: number;
  readonly trafficClass: number;
  readonly source: Uint8Array;
  readonly target: Uint8Array;
  readonly data: Uint8Array;
}

/** Reads a packet of UDP, whole or a fragment, and checks its headers. Throws an Error that names what is wrong. */
export function readUdpPacket(octets: Uint8Array): ReadPacket {
  if (octets[0] === 0x45) {
    if (read16(octets, 2) !== octets.length) throw new Error('IPv4 length');
    if (slowSum(octets.subarray(0, 20)) !== 0xffff) throw new Error('bad IPv4 checksum');
    if (octets[9] !== 17) throw new Error('not UDP');
    const field = read16(octets, 6);
    return {
      family: 4,
      id: read16(octets, 4),
      offset: (field % 0x2000) * 8,
      more: (field & 0x2000) !== 0,
      ttl: octets[8] as number,
      trafficClass: octets[1] as number,
      source: octets.slice(12, 16),
      target: octets.slice(16, 20),
      data: octets.slice(20),
    };
  }
  if ((octets[0] as number) >>> 4 !== 6) throw new Error('IP version');
  if (read16(octets, 4) + 40 !== octets.length) throw new Error('IPv6 length');
  const isFragment = octets[6] === 44;
  if ((isFragment ? octets[40] : octets[6]) !== 17) throw new Error('not UDP');
  const field = isFragment ? read16(octets, 42) : 0;
  return {
    family: 6,
    id: isFragment ? read16(octets, 44) * 0x10000 + read16(octets, 46) : 0,
    offset: field & 0xfff8,
    more: (field & 1) === 1,
    ttl: octets[7] as number,
    trafficClass: (read16(octets, 0) >>> 4) & 255,
    source: octets.slice(8, 24),
    target: octets.slice(24, 40),
    data: octets.slice(isFragment ? 48 : 40),
  };
}

/**
 * The datagrams that packets, which must arrive in order and not mixed, are made of. Checks that fragments fit together as RFC 791
 * §3.2 and RFC 8200 §4.5 want it, and the UDP checksum. Throws an Error that names what is wrong.
 */
export function readDatagrams(packets: readonly Uint8Array[]): Datagram[] {
  const datagrams: Datagram[] = [];
  let parts: ReadPacket[] = [];
  for (const octets of packets) {
    const packet = readUdpPacket(octets);
    const expected = parts.reduce((sum, { data }) => sum + data.length, 0);
    if (packet.offset !== expected) throw new Error(`offset ${packet.offset}, not ${expected}`);
    if (packet.more && packet.data.length % 8 !== 0) throw new Error('not a multiple of 8');
    if (parts[0] !== undefined && parts[0].id !== packet.id) throw new Error('another id');
    parts.push(packet);
    if (packet.more) continue;
    datagrams.push(join(parts));
    parts = [];
  }
  if (parts.length > 0) throw new Error('the last fragment is missing');
  return datagrams;
}

function join(parts: readonly ReadPacket[]): Datagram {
  const { source, target, ttl, trafficClass } = parts[0] as ReadPacket;
  const udp = Uint8Array.from(parts.flatMap(({ data }) => [...data]));
  if (read16(udp, 4) !== udp.length) throw new Error('UDP length');
  const isNone = read16(udp, 6) === 0;
  const sum = folded(pseudoSum([...source], [...target], udp.length) + slowSum(udp));
  if (!isNone && sum !== 0xffff) throw new Error('bad UDP checksum');
  return {
    from: { address: addressText(source), port: read16(udp, 0) },
    to: { address: addressText(target), port: read16(udp, 2) },
    payload: udp.slice(8),
    ttl,
    trafficClass,
    checksum: isNone ? 'none' : 'right',
  };
}
