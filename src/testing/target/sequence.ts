/*
 * Sequence arithmetic written anew, by the book and not by bits: the target judges the code that has its own.
 */

/** How far `a` is ahead of `b` in sequence space, negative when it is behind. */
export const ahead = (a: number, b: number): number => {
  const d = (a - b) % 0x1_0000_0000;
  if (d >= 0x8000_0000) return d - 0x1_0000_0000;
  return d < -0x8000_0000 ? d + 0x1_0000_0000 : d;
};

/** `a` advanced by `n` octets, unsigned. */
export const plus = (a: number, n: number): number => (a + n) >>> 0;
