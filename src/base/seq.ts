import type { Brand } from './brand.ts';

/**
 * A TCP sequence number, held as a signed 32-bit integer so that V8 keeps it unboxed; the wire's unsigned value is
 * `seq >>> 0`. Never compare two with `<`: the space is a ring (RFC 9293 §3.4), and only the functions below know it.
 */
export type Seq = Brand<number, 'Seq'>;

/** The sequence number that an integer (signed or unsigned) stands for, modulo 2³². */
export const seqOf = (n: number): Seq => (n | 0) as Seq;

/** `seq` advanced by `n` octets; `n` may be negative. */
export const seqAdd = (seq: Seq, n: number): Seq => ((seq + n) | 0) as Seq;

/** How far `a` is ahead of `b`, in −2³¹ … 2³¹−1. Meaningful while the two lie within half the space of each other. */
export const seqDiff = (a: Seq, b: Seq): number => (a - b) | 0;

/** `a` is before `b`. */
export const seqBefore = (a: Seq, b: Seq): boolean => ((a - b) | 0) < 0;

/** `a` is after `b`. */
export const seqAfter = (a: Seq, b: Seq): boolean => ((a - b) | 0) > 0;

/** `start ≤ x < start + size`; `size` up to 2³¹−1. */
export const seqInWindow = (x: Seq, start: Seq, size: number): boolean =>
  (x - start) >>> 0 < size >>> 0;
