/*
 * From the first octet of a captured frame to the IP header that matters: link layers by their LINKTYPE_ numbers
 * (draft-ietf-opsawg-pcaplinktype), VLAN tags, and the tunnels in which clouds and switches mirror traffic.
 */

/** Why there is no IP packet; all are below every offset. */
export const NoPacket = {
  /** Something else, such as ARP, or a frame that is too short for what it says to hold. */
  notIp: -1,
  /** A link type that is not known here. */
  unknownLink: -2,
} as const;

const LinkType = {
  null: 0,
  ethernet: 1,
  rawBsd: 12,
  rawOpenBsd: 14,
  raw: 101,
  ciscoHdlc: 104,
  loop: 108,
  linuxCooked: 113,
  ipv4: 228,
  ipv6: 229,
  linuxCooked2: 276,
} as const;

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const ETHERNET_HEADER = 14;
/** Tags in a row that are believed. */
const MAX_TAGS = 4;
/** Tunnels within tunnels. */
const MAX_DEPTH = 4;

const isTag = (type: number): boolean => type === 0x8100 || type === 0x88a8 || type === 0x9100;

/**
 * Where the IP header of a frame lies that has `length` octets at `offset`, within VXLAN, GRE and ERSPAN that of the packet
 * inside; or one of `NoPacket`. `view` and `bytes` are of the same memory.
 */
export function findPacket(
  linkType: number,
  bytes: Uint8Array,
  view: DataView,
  offset: number,
  length: number,
): number {
  const end = offset + length;
  let at = findHeader(linkType, bytes, view, offset, end);
  for (let depth = 0; at >= 0 && depth < MAX_DEPTH; depth++) {
    const inner = findInner(bytes, view, at, end);
    if (inner < 0) return at;
    at = inner;
  }
  return at;
}

function findHeader(
  linkType: number,
  bytes: Uint8Array,
  view: DataView,
  at: number,
  end: number,
): number {
  switch (linkType) {
    case LinkType.ethernet:
      return behindEthernet(bytes, view, at, end);
    case LinkType.linuxCooked:
      return at + 16 > end ? NoPacket.notIp : behindType(bytes, view, at + 14, at + 16, end);
    case LinkType.linuxCooked2:
      return at + 20 > end ? NoPacket.notIp : behindType(bytes, view, at, at + 20, end);
    case LinkType.ciscoHdlc:
      return at + 4 > end ? NoPacket.notIp : behindType(bytes, view, at + 2, at + 4, end);
    case LinkType.raw:
    case LinkType.rawBsd:
    case LinkType.rawOpenBsd:
    case LinkType.ipv4:
    case LinkType.ipv6:
      return ifIp(bytes, at, end);
    // The address family in front has another number for IPv6 on each BSD; the version tells as much.
    case LinkType.null:
    case LinkType.loop:
      return ifIp(bytes, at + 4, end);
    default:
      return NoPacket.unknownLink;
  }
}

const behindEthernet = (bytes: Uint8Array, view: DataView, at: number, end: number): number =>
  at + ETHERNET_HEADER > end
    ? NoPacket.notIp
    : behindType(bytes, view, at + 12, at + ETHERNET_HEADER, end);

/** The packet at `at`, or behind the tags there, when the EtherType at `typeAt` says that it is one. */
function behindType(
  bytes: Uint8Array,
  view: DataView,
  typeAt: number,
  at: number,
  end: number,
): number {
  let type = view.getUint16(typeAt);
  for (let tags = 0; isTag(type); tags++) {
    if (tags === MAX_TAGS || at + 4 > end) return NoPacket.notIp;
    type = view.getUint16(at + 2);
    at += 4;
  }
  if (type !== ETHERTYPE_IPV4 && type !== ETHERTYPE_IPV6) return NoPacket.notIp;
  return ifIp(bytes, at, end);
}

function ifIp(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return NoPacket.notIp;
  const version = (bytes[at] as number) >>> 4;
  return version === 4 || version === 6 ? at : NoPacket.notIp;
}

const IPPROTO_UDP = 17;
const IPPROTO_GRE = 47;
/** RFC 7348 §5. */
const VXLAN_PORT = 4789;
const VXLAN_VALID = 0x08;
/** UDP and VXLAN headers. */
const VXLAN_HEADERS = 16;

/** The packet inside the one at `at`, or −1 when that is no tunnel. */
function findInner(bytes: Uint8Array, view: DataView, at: number, end: number): number {
  const isV4 = (bytes[at] as number) >>> 4 === 4;
  if (at + (isV4 ? 20 : 40) > end) return -1;
  // Of a fragment, only the first begins with a header; neither is whole.
  if (isV4 && (view.getUint16(at + 6) & 0x3fff) !== 0) return -1;
  const protocol = bytes[at + (isV4 ? 9 : 6)] as number;
  const body = at + (isV4 ? ((bytes[at] as number) & 15) << 2 : 40);
  if (protocol === IPPROTO_GRE) return behindGre(bytes, view, body, end);
  if (protocol !== IPPROTO_UDP || body + VXLAN_HEADERS > end) return -1;
  if (view.getUint16(body + 2) !== VXLAN_PORT) return -1;
  if (((bytes[body + 8] as number) & VXLAN_VALID) === 0) return -1;
  return behindEthernet(bytes, view, body + VXLAN_HEADERS, end);
}

/** RFC 2784 §2 and RFC 2890 §2. */
const GRE_CHECKSUM = 0x8000;
const GRE_ROUTING = 0x4000;
const GRE_KEY = 0x2000;
const GRE_SEQUENCE = 0x1000;
const GRE_VERSION = 0x0007;
const TRANSPARENT_ETHERNET = 0x6558;
/** ERSPAN (draft-foschiano-erspan-03): types I and II, which only the sequence number tells apart, and III. */
const ERSPAN = 0x88be;
const ERSPAN_3 = 0x22eb;
const ERSPAN_2_HEADER = 8;
const ERSPAN_3_HEADER = 12;
const ERSPAN_3_SUBHEADER = 8;

function behindGre(bytes: Uint8Array, view: DataView, at: number, end: number): number {
  if (at + 4 > end) return -1;
  const flags = view.getUint16(at);
  const type = view.getUint16(at + 2);
  if ((flags & (GRE_ROUTING | GRE_VERSION)) !== 0) return -1;
  const has = (flag: number): number => ((flags & flag) === 0 ? 0 : 4);
  const body = at + 4 + has(GRE_CHECKSUM) + has(GRE_KEY) + has(GRE_SEQUENCE);
  switch (type) {
    case ETHERTYPE_IPV4:
    case ETHERTYPE_IPV6:
      return ifIp(bytes, body, end);
    case TRANSPARENT_ETHERNET:
      return behindEthernet(bytes, view, body, end);
    case ERSPAN: {
      const header = has(GRE_SEQUENCE) === 0 ? 0 : ERSPAN_2_HEADER;
      return behindEthernet(bytes, view, body + header, end);
    }
    case ERSPAN_3: {
      if (body + ERSPAN_3_HEADER > end) return -1;
      // The O bit: a platform-specific subheader follows.
      const extra = (view.getUint16(body + 10) & 1) === 0 ? 0 : ERSPAN_3_SUBHEADER;
      return behindEthernet(bytes, view, body + ERSPAN_3_HEADER + extra, end);
    }
    default:
      return -1;
  }
}
