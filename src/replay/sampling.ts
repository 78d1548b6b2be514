import { type AddressWords, isV4Words } from '../wire/address.ts';
import type { IpView } from '../wire/ip-view.ts';

/** Percent. */
export const ALL = 100;
const FINE = 65_536;

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

/**
 * Where a connection stands among 100: it is copied when this is below the share, which may be a fraction. The whole part is
 * `selector`; the rest tells connections apart that have the same one.
 */
export const samplePoint = (w0: number, w1: number, w2: number, w3: number, port: number): number =>
  finePoint(w0, w1, w2, w3, port) / FINE;

/** The same in parts of 65,536: an integer, as V8 would make an object of each fraction. */
function finePoint(w0: number, w1: number, w2: number, w3: number, port: number): number {
  let h = Math.imul(w0 ^ port, 0x9e3779b1);
  h = Math.imul(h ^ w1 ^ (h >>> 15), 0x85ebca6b);
  h = Math.imul(h ^ w2 ^ (h >>> 13), 0xc2b2ae35);
  h = Math.imul(h ^ w3 ^ (h >>> 16), 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  return selector(w0, w1, w2, w3, port) * FINE + (h >>> 16);
}

/** Whether a `share`, in percent, holds what the client of `p` sends, who appears under the address `as` or else his own. */
export function isSampled(p: IpView, as: AddressWords | undefined, share: number): boolean {
  if (share >= ALL) return true;
  const point = as
    ? finePoint(as.w0, as.w1, as.w2, as.w3, p.sourcePort)
    : finePoint(p.src0, p.src1, p.src2, p.src3, p.sourcePort);
  return point < share * FINE;
}
