import type { IpAddress } from '../wire/address.ts';

/** 127.0.0.0/8 (RFC 1122 §3.2.1.3) or ::1 (RFC 4291 §2.5.3). */
export const isLoopback = (address: IpAddress): boolean =>
  address.family === 4 ? address.w3 >>> 24 === 127 : isWords(address, 0, 0, 0, 1);

/** 0.0.0.0/8 (RFC 1122 §3.2.1.3) or :: (RFC 4291 §2.5.2). */
export const isUnspecified = (address: IpAddress): boolean =>
  address.family === 4 ? address.w3 >>> 24 === 0 : isWords(address, 0, 0, 0, 0);

/** 224.0.0.0/4 (RFC 5771) or ff00::/8 (RFC 4291 §2.7). */
export const isMulticast = (address: IpAddress): boolean =>
  address.family === 4 ? address.w3 >>> 28 === 14 : address.w0 >>> 24 === 0xff;

const isBroadcast = (address: IpAddress): boolean =>
  address.family === 4 && address.w3 >>> 0 === 0xffff_ffff;

/** fe80::/10 (RFC 4291 §2.5.6): means nothing without an interface. */
const isLinkLocal6 = (address: IpAddress): boolean =>
  address.family === 6 && address.w0 >>> 22 === 0xfe80 >>> 6;

/**
 * Why no host can be reached, or be a client, at what `text` spells; undefined when one can. `address` is what it was
 * parsed to, `bracketed` whether it stood in brackets.
 */
export function addressProblem(
  text: string,
  bracketed: boolean,
  address: IpAddress | undefined,
): string | undefined {
  if (address === undefined) {
    const expected = bracketed ? 'an IPv6 address' : 'an address such as 192.168.0.2 or [fd00::2]';
    return `${text === '' ? 'the address is empty' : `"${text}" is not an IP address`}: expected ${expected}`;
  }
  if (bracketed && !text.includes(':')) return `"${text}" is IPv4: expected it without brackets`;
  if (isUnspecified(address)) return `${text} names no host: expected the address of one host`;
  if (isMulticast(address))
    return `${text} is a multicast address: expected the address of one host`;
  if (isBroadcast(address))
    return `${text} is the broadcast address: expected the address of one host`;
  if (isLinkLocal6(address)) {
    return `${text} is a link-local address, which is not supported: expected a global or unique local one`;
  }
  return undefined;
}

const isWords = (a: IpAddress, w0: number, w1: number, w2: number, w3: number): boolean =>
  a.w0 === w0 && a.w1 === w1 && a.w2 === w2 && a.w3 === w3;
