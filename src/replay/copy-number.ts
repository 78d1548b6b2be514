import type { Random } from '../base/random.ts';
import { type Duration, micros, millis } from '../base/time.ts';

/** Two copies of a connection are so far apart, unless the last would then be further behind the first than `--spread` says. */
const SPACING = millis(50);

/** How many copies each connection has (-n). */
export class CopyNumber {
  readonly #whole: number;
  readonly #fraction: number;
  readonly #random: Random;
  /** By how much the copies so far are fewer than they should be; below 0: more. Always between −1 and 1. */
  #owed = 0;

  /** `copies`: 1 or more, perhaps with a fraction. */
  constructor(copies: number, random: Random) {
    this.#whole = Math.floor(copies);
    this.#fraction = copies - this.#whole;
    this.#random = random;
  }

  /** Of one connection at the most. */
  get most(): number {
    return this.#whole + (this.#fraction > 0 ? 1 : 0);
  }

  /**
   * Of the connection that begins now. Which ones have a copy more is left to chance, so that no regularity in the traffic
   * decides; how many is not: what is owed makes it more likely, and at last certain.
   */
  next(): number {
    if (this.#fraction === 0) return this.#whole;
    this.#owed += this.#fraction;
    if (this.#random.float() >= this.#owed) return this.#whole;
    this.#owed -= 1;
    return this.#whole + 1;
  }
}

/**
 * How far copy number `lane` is behind the first one, when a connection has `most` at the most and they may be spread over `spread`:
 * together they would be a burst that no server's backlog takes.
 */
export const lagOf = (lane: number, most: number, spread: Duration): Duration =>
  micros(lane * Math.min(SPACING, Math.floor(spread / most)));
