import type { Seq } from '../base/seq.ts';
import { type Instant, NEVER } from '../base/time.ts';

/** Acknowledgements that can wait at once; those that come when it is full are merged into the last. */
export const CAPACITY = 128;
/** Duplicates that one entry counts. */
const MAX_COUNT = 64;

/**
 * Acknowledgements that are on their way in a simulated network: what was to be acknowledged at the time, and when it is due.
 * A ring in order of time; nothing is allocated after the construction.
 */
export class AckSchedule {
  readonly #due: Float64Array = new Float64Array(CAPACITY);
  readonly #ack: Int32Array = new Int32Array(CAPACITY);
  readonly #tsval: Int32Array = new Int32Array(CAPACITY);
  /** How many acknowledgements of this number leave: more than one when duplicates said the same. */
  readonly #count: Int32Array = new Int32Array(CAPACITY);
  #head = 0;
  #size = 0;

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  /** When the next one is due, or `NEVER`. */
  get next(): Instant {
    return this.#size === 0 ? NEVER : (this.#due[this.#head] as Instant);
  }

  /** Of the next one. */
  get ack(): Seq {
    return this.#ack[this.#head] as Seq;
  }

  /** TS.Recent as it was. */
  get tsval(): number {
    return this.#tsval[this.#head] as number;
  }

  get count(): number {
    return this.#count[this.#head] as number;
  }

  /**
   * An acknowledgement of everything before `ack`. One that says more replaces the one before it that is due at the same time;
   * a duplicate is one more. Not before the last one, whatever `due` says.
   */
  add(due: Instant, ack: Seq, tsval: number, isDuplicate: boolean): void {
    const last = (this.#head + this.#size + CAPACITY - 1) % CAPACITY;
    const isFull = this.#size === CAPACITY;
    const lastDue = this.#size === 0 ? due : (this.#due[last] as number);
    if (isFull || (this.#size > 0 && due <= lastDue)) {
      const count = this.#count[last] as number;
      if (isDuplicate && this.#ack[last] === ack) {
        this.#count[last] = Math.min(count + 1, MAX_COUNT);
        return;
      }
      if (!isDuplicate && (count === 1 || isFull)) {
        this.#put(last, lastDue, ack, tsval);
        return;
      }
      if (isFull) return;
    }
    this.#put((last + 1) % CAPACITY, Math.max(due, lastDue), ack, tsval);
    this.#size++;
  }

  #put(at: number, due: number, ack: Seq, tsval: number): void {
    this.#due[at] = due;
    this.#ack[at] = ack;
    this.#tsval[at] = tsval;
    this.#count[at] = 1;
  }

  /** Forgets the next one. */
  drop(): void {
    this.#head = (this.#head + 1) % CAPACITY;
    this.#size--;
  }

  clear(): void {
    this.#size = 0;
  }
}
