import { isV4Words } from '../wire/address.ts';

/** The octets of a 16-bit port, swapped: how the original read a port in wire order on a little-endian machine. */
const rawPort = (port: number): number => ((port & 0xff) << 8) | (port >>> 8);

/** The first two octets of a 32-bit word as such a machine read them. */
const rawUpper = (word: number): number => ((word >>> 24) & 0xff) | ((word >>> 8) & 0xff00);

/**
 * The number from 0 to 99 that decides whether -r copies a connection from this address (its four words, after -c) and
 * port: it is copied when the number is below the percentage. For IPv4 it is the original's formula, so that both choose the
 * same connections; for IPv6, which the original does not know, the upper half of each word takes part.
 */
export function selector(w0: number, w1: number, w2: number, w3: number, port: number): number {
  const address = isV4Words(w0, w1, w2)
    ? rawUpper(w3)
    : rawUpper(w0) + rawUpper(w1) + rawUpper(w2) + rawUpper(w3);
  const k = (rawPort(port) + address) & 0xffff;
  return ((k >>> 8) + (k & 0xff)) % 100;
}
