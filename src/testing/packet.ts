import { IpAddress, parseAddress } from '../wire/address.ts';

/*
 * Packets built and read the slow way: octet by octet, as the RFCs draw them, with none of the code under test but the
 * spelling of addresses. What the fast code writes is read here; what it reads is written here.
 */

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface OptionsRecord {
  mss?: number;
  windowScale?: number;
  sackPermitted?: boolean;
  /** TSval and TSecr, unsigned. */
  timestamps?: readonly [number, number];
  /** First and one-after-last sequence number of each block, unsigned. */
  sack?: readonly (readonly [number, number])[];
}

/** One TCP segment in its packet. Numbers as on the wire, unsigned. */
export interface Packet {
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** Letters of "FSRPAU", in any order. */
  readonly flags: string;
  readonly seq: number;
  readonly ack: number;
  readonly window: number;
  readonly urgentPointer: number;
  readonly ttl: number;
  readonly trafficClass: number;
  /** IPv4 only. */
  readonly ipId: number;
  readonly dontFragment: boolean;
  readonly options: OptionsRecord;
  readonly payload: Uint8Array;
}

const FLAG_LETTERS = 'FSRPAU';

const be16 = (n: number): number[] => [(n >>> 8) & 255, n & 255];
const be32 = (n: number): number[] => [...be16(n >>> 16), ...be16(n)];
const read16 = (b: Uint8Array, at: number): number =>
  (b[at] as number) * 256 + (b[at + 1] as number);
const read32 = (b: Uint8Array, at: number): number => read16(b, at) * 65536 + read16(b, at + 2);

/** Octets of an address in text form: 4 or 16. */
export function addressOctets(text: string): number[] {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`not an address: ${text}`);
  if (address.family === 4) return be32(address.w3);
  return [address.w0, address.w1, address.w2, address.w3].flatMap(be32);
}

function addressText(octets: Uint8Array): string {
  if (octets.length === 4) return IpAddress.v4(read32(octets, 0)).toString();
  return new IpAddress(
    read32(octets, 0),
    read32(octets, 4),
    read32(octets, 8),
    read32(octets, 12),
  ).toString();
}

/** The sum of RFC 1071, folded: 16-bit words, the last one filled up with zero. */
export function slowSum(octets: ArrayLike<number>): number {
  let sum = 0;
  const even = octets.length & ~1;
  for (let i = 0; i < even; i += 2) sum += (octets[i] as number) * 256 + (octets[i + 1] as number);
  if (even < octets.length) sum += (octets[even] as number) * 256;
  while (sum > 0xffff) sum = Math.floor(sum / 0x10000) + (sum % 0x10000);
  return sum;
}

/** Flag letters as the octet of the header. */
export function flagBits(letters: string): number {
  let bits = 0;
  for (const letter of letters) {
    const at = FLAG_LETTERS.indexOf(letter);
    if (at < 0) throw new Error(`no such flag: ${letter}`);
    bits |= 1 << at;
  }
  return bits;
}

function flagLetters(bits: number): string {
  let letters = '';
  for (let i = 0; i < FLAG_LETTERS.length; i++) {
    if ((bits & (1 << i)) !== 0) letters += FLAG_LETTERS[i];
  }
  return letters;
}

function optionOctets(options: OptionsRecord): number[] {
  const { mss, sack, sackPermitted, timestamps, windowScale } = options;
  const octets: number[] = [];
  if (mss !== undefined) octets.push(2, 4, ...be16(mss));
  if (sackPermitted) octets.push(1, 1, 4, 2);
  if (timestamps) octets.push(1, 1, 8, 10, ...be32(timestamps[0]), ...be32(timestamps[1]));
  if (windowScale !== undefined) octets.push(1, 3, 3, windowScale);
  if (sack) octets.push(1, 1, 5, 2 + 8 * sack.length, ...sack.flat().flatMap(be32));
  return octets;
}

/** The packet's octets, all checksums right. */
export function buildPacket(p: Packet): Uint8Array {
  const source = addressOctets(p.from.address);
  const target = addressOctets(p.to.address);
  const options = optionOctets(p.options);
  const header = [
    ...be16(p.from.port),
    ...be16(p.to.port),
    ...be32(p.seq),
    ...be32(p.ack),
    ((20 + options.length) / 4) << 4,
    flagBits(p.flags),
    ...be16(p.window),
    ...be16(0),
    ...be16(p.urgentPointer),
    ...options,
  ];
  const tcpLength = header.length + p.payload.length;
  const ip =
    source.length === 4
      ? ipv4Header(p, source, target, tcpLength)
      : ipv6Header(p, source, target, tcpLength);
  const packet = new Uint8Array(ip.length + tcpLength);
  packet.set(ip);
  packet.set(header, ip.length);
  packet.set(p.payload, ip.length + header.length);
  const pseudo = Uint8Array.from([...source, ...target, ...be32(tcpLength), 0, 0, 0, 6]);
  const sum = slowSum(pseudo) + slowSum(packet.subarray(ip.length));
  packet.set(be16(0xffff - ((sum % 0x10000) + Math.floor(sum / 0x10000))), ip.length + 16);
  return packet;
}

function ipv4Header(p: Packet, source: number[], target: number[], tcpLength: number): number[] {
  const total = 20 + tcpLength;
  const header = [
    0x45,
    p.trafficClass,
    // Longer packets exist only in captures, where merging leaves a length of 0 (Linux, BIG TCP).
    ...be16(total > 0xffff ? 0 : total),
    ...be16(p.ipId),
    p.dontFragment ? 0x40 : 0,
    0,
    p.ttl,
    6,
    0,
    0,
    ...source,
    ...target,
  ];
  header.splice(10, 2, ...be16(0xffff - slowSum(Uint8Array.from(header))));
  return header;
}

function ipv6Header(p: Packet, source: number[], target: number[], tcpLength: number): number[] {
  return [
    ...be32(0x6000_0000 + p.trafficClass * 0x10_0000),
    ...be16(tcpLength > 0xffff ? 0 : tcpLength),
    6,
    p.ttl,
    ...source,
    ...target,
  ];
}

/** Reads a packet and checks all of it. Throws an Error that names what is wrong. */
export function readPacket(octets: Uint8Array): Packet {
  const version = Math.floor((octets[0] as number) / 16);
  if (version !== 4 && version !== 6) throw new Error(`IP version ${version}`);
  const ipLength = version === 4 ? 20 : 40;
  const declared = version === 4 ? read16(octets, 2) : read16(octets, 4) + 40;
  if (declared !== octets.length) throw new Error(`IP length ${declared} of ${octets.length}`);
  if (version === 4) {
    if (octets[0] !== 0x45) throw new Error('IPv4 options');
    if (slowSum(octets.subarray(0, 20)) !== 0xffff) throw new Error('bad IPv4 checksum');
    if (octets[9] !== 6) throw new Error('not TCP');
  } else if (octets[6] !== 6) throw new Error('not TCP');
  const tcp = octets.subarray(ipLength);
  const addresses = version === 4 ? octets.subarray(12, 20) : octets.subarray(8, 40);
  const half = addresses.length / 2;
  const pseudo = slowSum(Uint8Array.from([...be32(tcp.length), 0, 0, 0, 6]));
  const sum = slowSum(addresses) + pseudo + slowSum(tcp);
  if (sum % 0xffff !== 0) throw new Error('bad TCP checksum');
  const headerLength = Math.floor((tcp[12] as number) / 16) * 4;
  if (headerLength < 20 || headerLength > tcp.length) throw new Error('bad data offset');
  return {
    from: { address: addressText(addresses.subarray(0, half)), port: read16(tcp, 0) },
    to: { address: addressText(addresses.subarray(half)), port: read16(tcp, 2) },
    flags: flagLetters(tcp[13] as number),
    seq: read32(tcp, 4),
    ack: read32(tcp, 8),
    window: read16(tcp, 14),
    urgentPointer: read16(tcp, 18),
    ttl: octets[version === 4 ? 8 : 7] as number,
    trafficClass: version === 4 ? (octets[1] as number) : (read16(octets, 0) >>> 4) & 255,
    ipId: version === 4 ? read16(octets, 4) : 0,
    dontFragment: version === 4 && ((octets[6] as number) & 0x40) !== 0,
    options: readOptions(tcp.subarray(20, headerLength)),
    payload: tcp.slice(headerLength),
  };
}

function readOptions(octets: Uint8Array): OptionsRecord {
  const record: OptionsRecord = {};
  for (let at = 0; at < octets.length; ) {
    const kind = octets[at] as number;
    if (kind === 0) break;
    if (kind === 1) {
      at++;
      continue;
    }
    const size = octets[at + 1] as number;
    if (!(size >= 2) || at + size > octets.length) throw new Error('TCP options overrun');
    if (kind === 2) record.mss = read16(octets, at + 2);
    else if (kind === 3) record.windowScale = octets[at + 2] as number;
    else if (kind === 4) record.sackPermitted = true;
    else if (kind === 5) {
      record.sack = Array.from({ length: (size - 2) / 8 }, (_, i) => [
        read32(octets, at + 2 + 8 * i),
        read32(octets, at + 6 + 8 * i),
      ]);
    } else if (kind === 8) record.timestamps = [read32(octets, at + 2), read32(octets, at + 6)];
    else throw new Error(`TCP option ${kind}`);
    at += size;
  }
  return record;
}

/** One line for a transcript: "10.0.0.1:5 > 10.0.0.2:80 PA 1001:1101(100) ack 5001 win 65535". */
export function describePacket(p: Packet): string {
  const span = p.payload.length > 0 ? `:${p.seq + p.payload.length}(${p.payload.length})` : '';
  const { mss, windowScale, sack, sackPermitted, timestamps } = p.options;
  const extra = [
    ...(mss === undefined ? [] : [`mss ${mss}`]),
    ...(windowScale === undefined ? [] : [`scale ${windowScale}`]),
    ...(sackPermitted ? ['sack'] : []),
    ...(sack ? [`sack ${sack.map(([left, right]) => `${left}-${right}`).join(' ')}`] : []),
    ...(timestamps ? [`ts ${timestamps.join('/')}`] : []),
  ].join(' ');
  const ends = `${p.from.address}:${p.from.port} > ${p.to.address}:${p.to.port}`;
  return `${ends} ${p.flags} ${p.seq}${span} ack ${p.ack} win ${p.window} ${extra}`.trimEnd();
}
