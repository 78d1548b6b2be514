import { IpAddress } from '../wire/address.ts';
import { AF_INET, AF_INET6 } from './constants.ts';
import { EADDRNOTAVAIL, ENODATA, ENOENT } from './errors.ts';
import { type Netlink, NETLINK_HEADER } from './netlink.ts';

const RTM_GETROUTE = 26;
const RTM_NEWROUTE = 24;
const RTM_NEWNEIGH = 28;
const RTM_GETNEIGH = 30;
const NLM_F_ACK = 4;
const NLM_F_CREATE = 0x400;

/** struct rtmsg: family, lengths of destination and source, tos, table, protocol, scope, type, flags. */
const RTMSG = { family: 0, targetLength: 1, type: 7, flags: 8, size: 12 } as const;
const RTN_LOCAL = 2;
const RTM_F_FIB_MATCH = 0x2000;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_VIA = 18;

/** struct ndmsg: family, interface, state, flags, type. */
const NDMSG = { family: 0, index: 4, state: 8, flags: 10, size: 12 } as const;
const NTF_USE = 1;
const NDA_DST = 1;
const NDA_LLADDR = 2;

/** States of a neighbour (rtnetlink(7)). */
export const Neighbour = {
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noArp: 0x40,
  permanent: 0x80,
} as const;
const USABLE =
  Neighbour.reachable |
  Neighbour.stale |
  Neighbour.delay |
  Neighbour.probe |
  Neighbour.noArp |
  Neighbour.permanent;
/** What the kernel knows, and what it need not ask for again. */
const CERTAIN = Neighbour.reachable | Neighbour.noArp | Neighbour.permanent;

/**
 * Who takes packets for `target` on the interface `index`: a router, or the target itself. An error number when no route leads
 * there on this interface.
 */
export function findGateway(
  netlink: Netlink,
  target: IpAddress,
  index: number,
): IpAddress | number {
  // Of an interface that is asked for by number, IPv4 believes that everything is behind it; only the table itself knows better.
  const inTable = target.family === 4 ? askRoute(netlink, target, index, RTM_F_FIB_MATCH) : 0;
  const errno = inTable === 0 ? askRoute(netlink, target, index, 0) : inTable;
  if (errno !== 0) return errno;
  if (netlink.type !== RTM_NEWROUTE) return ENODATA;
  // Of this host itself: nobody out there takes it.
  const type = netlink.memory.view.getUint8(NETLINK_HEADER + RTMSG.type);
  if (type === RTN_LOCAL) return EADDRNOTAVAIL;
  const gateway = netlink.find(RTA_GATEWAY);
  if (gateway !== undefined) return readAddress(gateway, 0, target.family);
  // struct rtvia: an IPv4 route by an IPv6 router (RFC 5549).
  const via = netlink.find(RTA_VIA);
  if (via === undefined) return target;
  return readAddress(via, 2, via.getUint16(0, true) === AF_INET6 ? 6 : 4);
}

function askRoute(netlink: Netlink, target: IpAddress, index: number, flags: number): number {
  const isV6 = target.family === 6;
  netlink.begin(RTM_GETROUTE, 0, RTMSG.size);
  const { view } = netlink.memory;
  view.setUint8(NETLINK_HEADER + RTMSG.family, isV6 ? AF_INET6 : AF_INET);
  view.setUint8(NETLINK_HEADER + RTMSG.targetLength, isV6 ? 128 : 32);
  view.setUint32(NETLINK_HEADER + RTMSG.flags, flags, true);
  netlink.addBytes(RTA_DST, octetsOf(target));
  netlink.addNumber(RTA_OIF, index);
  return netlink.ask();
}

/** What the kernel knows of a neighbour. */
export interface NeighbourState {
  /** Its link address; undefined when it is not known. */
  readonly mac: Uint8Array | undefined;
  /** It was asked for and did not answer. */
  readonly hasFailed: boolean;
  /** It has answered a moment ago, or need not. */
  readonly isCertain: boolean;
}

const UNKNOWN: NeighbourState = { mac: undefined, hasFailed: false, isCertain: false };

/** What is known of the neighbour `address` on the interface `index`; an error number when the kernel does not tell. */
export function findNeighbour(
  netlink: Netlink,
  address: IpAddress,
  index: number,
): NeighbourState | number {
  beginNeighbour(netlink, RTM_GETNEIGH, 0, address, index, 0);
  const errno = netlink.ask();
  if (errno === ENOENT) return UNKNOWN;
  if (errno !== 0) return errno;
  if (netlink.type !== RTM_NEWNEIGH) return ENODATA;
  const state = netlink.memory.view.getUint16(NETLINK_HEADER + NDMSG.state, true);
  const mac = (state & USABLE) === 0 ? undefined : netlink.find(NDA_LLADDR);
  return {
    mac:
      mac === undefined
        ? undefined
        : new Uint8Array(mac.buffer as ArrayBuffer, mac.byteOffset, mac.byteLength).slice(),
    hasFailed: (state & Neighbour.failed) !== 0,
    isCertain: (state & CERTAIN) !== 0,
  };
}

/** Lets the kernel find out, or confirm, where a neighbour is. Needs CAP_NET_ADMIN; returns 0 or the error number. */
export function resolveNeighbour(netlink: Netlink, address: IpAddress, index: number): number {
  beginNeighbour(netlink, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_ACK, address, index, NTF_USE);
  return netlink.ask();
}

function beginNeighbour(
  netlink: Netlink,
  type: number,
  flags: number,
  address: IpAddress,
  index: number,
  use: number,
): void {
  netlink.begin(type, flags, NDMSG.size);
  const { view } = netlink.memory;
  view.setUint8(NETLINK_HEADER + NDMSG.family, address.family === 6 ? AF_INET6 : AF_INET);
  view.setInt32(NETLINK_HEADER + NDMSG.index, index, true);
  view.setUint8(NETLINK_HEADER + NDMSG.flags, use);
  netlink.addBytes(NDA_DST, octetsOf(address));
}

/** 4 or 16 octets, as they are on the wire. */
function octetsOf({ family, w0, w1, w2, w3 }: IpAddress): Uint8Array {
  const words = family === 4 ? [w3] : [w0, w1, w2, w3];
  const octets = new Uint8Array(4 * words.length);
  const view = new DataView(octets.buffer);
  for (const [i, word] of words.entries()) view.setInt32(4 * i, word);
  return octets;
}

function readAddress(view: DataView, at: number, family: 4 | 6): IpAddress {
  const word = (i: number): number => view.getInt32(at + 4 * i);
  return family === 4 ? IpAddress.v4(word(0)) : new IpAddress(word(0), word(1), word(2), word(3));
}
