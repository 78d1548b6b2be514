import { PacketError } from '../../src/wire/packet-view.ts';

/** What the slow parser makes of a packet. */
export interface PacketRecord {
  readonly family: number;
  readonly src: readonly number[];
  readonly dst: readonly number[];
  readonly ttl: number;
  readonly trafficClass: number;
  readonly ipHeaderLength: number;
  readonly packetLength: number;
  readonly tcpHeaderLength: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly urgentPointer: number;
  readonly payloadLength: number;
}

export interface Verdict {
  readonly error: PacketError;
  readonly record?: PacketRecord;
}

const fail = (error: PacketError): Verdict => ({ error });

/** Reads a packet as the RFCs draw it, with slices and arithmetic instead of offsets and shifts. */
export function slowParse(packet: Uint8Array, wireLength: number = packet.length): Verdict {
  if (packet.length === 0) return fail(PacketError.truncated);
  const version = Math.floor((packet[0] as number) / 16);
  if (version === 4) return slowV4(packet, wireLength);
  if (version === 6) return slowV6(packet, wireLength);
  return fail(PacketError.badVersion);
}

const number = (octets: Uint8Array): number => octets.reduce((n, octet) => n * 256 + octet, 0);

function slowV4(packet: Uint8Array, wireLength: number): Verdict {
  if (packet.length < 20) return fail(PacketError.truncated);
  const headerLength = ((packet[0] as number) % 16) * 4;
  if (headerLength < 20) return fail(PacketError.badIpHeaderLength);
  const total = number(packet.slice(2, 4)) || wireLength;
  if (total > wireLength) return fail(PacketError.truncated);
  if (headerLength > total) return fail(PacketError.badIpHeaderLength);
  const fragment = number(packet.slice(6, 8));
  const moreFragments = Math.floor(fragment / 0x2000) % 2 === 1;
  if (moreFragments || fragment % 0x2000 !== 0) return fail(PacketError.fragment);
  if (packet[9] !== 6) return fail(PacketError.notTcp);
  const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255];
  return slowTcp(packet, headerLength, total, {
    family: 4,
    src: [...mapped, ...packet.slice(12, 16)],
    dst: [...mapped, ...packet.slice(16, 20)],
    ttl: packet[8] as number,
    trafficClass: packet[1] as number,
  });
}

function slowV6(packet: Uint8Array, wireLength: number): Verdict {
  if (packet.length < 40) return fail(PacketError.truncated);
  const declared = number(packet.slice(4, 6));
  const total = declared === 0 ? wireLength : 40 + declared;
  if (total > wireLength) return fail(PacketError.truncated);
  const chain = slowExtensions(packet, total);
  if (typeof chain !== 'number') return chain;
  return slowTcp(packet, chain, total, {
    family: 6,
    src: Array.from(packet.slice(8, 24)),
    dst: Array.from(packet.slice(24, 40)),
    ttl: packet[7] as number,
    trafficClass: Math.floor(number(packet.slice(0, 2)) / 16) % 256,
  });
}

/** Length of all IP headers, or what is wrong with them. */
function slowExtensions(packet: Uint8Array, total: number): number | Verdict {
  let next = packet[6] as number;
  let length = 40;
  for (let walked = 0; next !== 6; walked++) {
    if (next === 44) return fail(PacketError.fragment);
    if (![0, 43, 60, 135].includes(next)) return fail(PacketError.notTcp);
    const header = packet.slice(length, length + 8);
    if (walked === 8 || header.length < 8) return fail(PacketError.badExtensionHeader);
    next = header[0] as number;
    length += 8 + 8 * (header[1] as number);
    if (length > total) return fail(PacketError.badExtensionHeader);
  }
  return length;
}

type IpPart = Pick<PacketRecord, 'family' | 'src' | 'dst' | 'ttl' | 'trafficClass'>;

function slowTcp(packet: Uint8Array, at: number, total: number, ip: IpPart): Verdict {
  if (total - at < 20) return fail(PacketError.badTotalLength);
  const tcp = packet.slice(at);
  if (tcp.length < 20) return fail(PacketError.truncated);
  const headerLength = Math.floor((tcp[12] as number) / 16) * 4;
  if (headerLength < 20 || at + headerLength > total) return fail(PacketError.badDataOffset);
  if (headerLength > tcp.length) return fail(PacketError.truncated);
  const flags = tcp[13] as number;
  const [fin, syn, rst, ack] = [1, 2, 4, 16].map((bit) => (flags & bit) !== 0);
  if ((syn && (fin || rst)) || !(fin || syn || rst || ack)) return fail(PacketError.badFlags);
  const record = {
    ...ip,
    ipHeaderLength: at,
    packetLength: total,
    tcpHeaderLength: headerLength,
    sourcePort: number(tcp.slice(0, 2)),
    destinationPort: number(tcp.slice(2, 4)),
    seq: number(tcp.slice(4, 8)),
    ack: number(tcp.slice(8, 12)),
    flags,
    window: number(tcp.slice(14, 16)),
    urgentPointer: number(tcp.slice(18, 20)),
    payloadLength: total - at - headerLength,
  };
  return { error: total > packet.length ? PacketError.cutByCapture : PacketError.none, record };
}
