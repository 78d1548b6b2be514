import { Memory } from '../base/memory.ts';
import { IpAddress } from '../wire/address.ts';
import { AF_INET, AF_INET6, AF_PACKET, AF_UNIX } from './constants.ts';

/** Room for any of the socket addresses below, in octets. */
export const SOCKADDR_ROOM = 32;
const SOCKADDR_IN_LENGTH = 16;
const SOCKADDR_IN6_LENGTH = 28;
const SOCKADDR_LL_LENGTH = 20;

/** Writes `address:port` at `offset` as sockaddr_in or sockaddr_in6 and returns its length. */
export function writeInet(
  memory: Memory,
  offset: number,
  address: IpAddress,
  port: number,
): number {
  const { view } = memory;
  if (address.family === 4) {
    view.setUint16(offset, AF_INET, true);
    view.setUint16(offset + 2, port);
    view.setInt32(offset + 4, address.w3);
    return SOCKADDR_IN_LENGTH;
  }
  view.setUint16(offset, AF_INET6, true);
  view.setUint16(offset + 2, port);
  view.setInt32(offset + 8, address.w0);
  view.setInt32(offset + 12, address.w1);
  view.setInt32(offset + 16, address.w2);
  view.setInt32(offset + 20, address.w3);
  view.setUint32(offset + 24, 0, true);
  return SOCKADDR_IN6_LENGTH;
}

/** The unspecified IPv6 address, which `writeInet` cannot tell from other IPv6 addresses: a dual-stack listener's. */
export const ANY_V6: IpAddress = new IpAddress(0, 0, 0, 0);
export const ANY_V4: IpAddress = IpAddress.v4(0);

/** The address in a sockaddr_in or sockaddr_in6 at `offset`. */
export function readInetAddress(memory: Memory, offset: number): IpAddress {
  const { view } = memory;
  if (view.getUint16(offset, true) === AF_INET) return IpAddress.v4(view.getInt32(offset + 4));
  return new IpAddress(
    view.getInt32(offset + 8),
    view.getInt32(offset + 12),
    view.getInt32(offset + 16),
    view.getInt32(offset + 20),
  );
}

/** The port in a sockaddr_in or sockaddr_in6 at `offset`. */
export const readInetPort = (memory: Memory, offset: number): number =>
  memory.view.getUint16(offset + 2);

/** Writes a sockaddr_ll for bind: packets of `protocol` on the interface `index`, 0 for all. */
export function writeLink(memory: Memory, offset: number, protocol: number, index: number): number {
  memory.view.setUint16(offset, AF_PACKET, true);
  memory.view.setUint16(offset + 2, protocol);
  memory.view.setInt32(offset + 4, index, true);
  return SOCKADDR_LL_LENGTH;
}

/** Writes a sockaddr_ll for packets to the neighbour `mac`, at most 20 octets, and returns its length. */
export function writeLinkTo(
  memory: Memory,
  offset: number,
  protocol: number,
  index: number,
  mac: Uint8Array,
): number {
  const length = writeLink(memory, offset, protocol, index);
  memory.view.setUint8(offset + 11, mac.length);
  memory.bytes.fill(0, offset + 12, offset + SOCKADDR_ROOM);
  memory.bytes.set(mac, offset + 12);
  return Math.max(length, 12 + mac.length);
}

/** Room for a sockaddr_un, in octets: a family and 108 octets of path. */
export const UNIX_ROOM = 110;

/** Writes `path` as sockaddr_un, a leading NUL for the abstract namespace, and returns its length; 0 when it is too long. */
export function writeUnix(memory: Memory, path: string): number {
  const octets = new TextEncoder().encode(path);
  if (octets.length === 0 || octets.length >= UNIX_ROOM - 2) return 0;
  memory.view.setUint16(0, AF_UNIX, true);
  memory.bytes.set(octets, 2);
  // A path ends with a NUL; a name in the abstract namespace is as long as the address says.
  return 2 + octets.length + (octets[0] === 0 ? 0 : 1);
}
