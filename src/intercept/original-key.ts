/**
 * The number by which original programs find a route: a sum of the addresses and ports as a little-endian machine reads
 * them from the wire, modulo 2³². Different sessions may well have the same one, so it serves only where the original's choice of
 * a connection is to be met (`--single`). Addresses are words in wire order, as everywhere.
 */
export function originalKey(
  client: number,
  clientPort: number,
  target: number,
  targetPort: number,
): number {
  const cp = swap16(clientPort);
  const tp = swap16(targetPort);
  const ports = Math.imul(cp, 65_537) + Math.imul(tp, 16_777_216 + 256 + 1);
  return (ports + swap32(client) + swap32(target)) >>> 0;
}

const swap16 = (n: number): number => ((n & 255) << 8) | (n >>> 8);
const swap32 = (n: number): number => (swap16(n & 0xffff) << 16) | swap16(n >>> 16);
