import { type Seq, seqOf } from '../base/seq.ts';
import { FIN } from '../wire/tcp.ts';

const NONE = -1;
const INITIAL = 1024;

const grown = (column: Int32Array, size: number): Int32Array<ArrayBuffer> => {
  const larger = new Int32Array(size);
  larger.set(column);
  return larger;
};

/**
 * What is known of each captured piece of client data, one row a piece, one column a property: all sessions share the
 * columns, so a captured segment costs a row and a cell of the slab pool but no object.
 */
export class SegmentStore {
  #seq = new Int32Array(INITIAL);
  #ack = new Int32Array(INITIAL);
  #length = new Int32Array(INITIAL);
  #flags = new Int32Array(INITIAL);
  #handle = new Int32Array(INITIAL);
  #sum = new Int32Array(INITIAL);
  #think = new Int32Array(INITIAL);
  #next = new Int32Array(INITIAL);
  #free = NONE;
  #fresh = 0;
  #used = 0;

  /** Rows in use. */
  get used(): number {
    return this.#used;
  }

  /**
   * A row for payload of `length` octets in cell `handle` (−1 when there is none), whose one's-complement sum is `sum`.
   * `ack` is the captured acknowledgement number; `flags` are the segment's, the urgent pointer in the upper half.
   */
  take(seq: Seq, length: number, flags: number, ack: Seq, handle: number, sum: number): number {
    let row = this.#free;
    if (row === NONE) {
      row = this.#fresh++;
      if (row === this.#seq.length) this.#grow();
    } else {
      this.#free = this.#next[row] as number;
    }
    this.#seq[row] = seq;
    this.#ack[row] = ack;
    this.#length[row] = length;
    this.#flags[row] = flags;
    this.#handle[row] = handle;
    this.#sum[row] = sum;
    this.#think[row] = 0;
    this.#next[row] = NONE;
    this.#used++;
    return row;
  }

  give(row: number): void {
    this.#next[row] = this.#free;
    this.#free = row;
    this.#used--;
  }

  seq(row: number): Seq {
    return this.#seq[row] as Seq;
  }

  ack(row: number): Seq {
    return this.#ack[row] as Seq;
  }

  setAck(row: number, ack: Seq): void {
    this.#ack[row] = ack;
  }

  /** Payload octets. */
  length(row: number): number {
    return this.#length[row] as number;
  }

  flags(row: number): number {
    return this.#flags[row] as number;
  }

  setFlags(row: number, flags: number): void {
    this.#flags[row] = flags;
  }

  handle(row: number): number {
    return this.#handle[row] as number;
  }

  sum(row: number): number {
    return this.#sum[row] as number;
  }

  /** Microseconds that the client thought before it sent the piece; 0 until `setThink`. */
  think(row: number): number {
    return this.#think[row] as number;
  }

  setThink(row: number, think: number): void {
    this.#think[row] = think;
  }

  next(row: number): number {
    return this.#next[row] as number;
  }

  setNext(row: number, next: number): void {
    this.#next[row] = next;
  }

  /** The sequence number after the piece; a FIN takes one. */
  end(row: number): Seq {
    return seqOf(
      (this.#seq[row] as number) +
        (this.#length[row] as number) +
        ((this.#flags[row] as number) & FIN),
    );
  }

  #grow(): void {
    const size = this.#seq.length * 2;
    this.#seq = grown(this.#seq, size);
    this.#ack = grown(this.#ack, size);
    this.#length = grown(this.#length, size);
    this.#flags = grown(this.#flags, size);
    this.#handle = grown(this.#handle, size);
    this.#sum = grown(this.#sum, size);
    this.#think = grown(this.#think, size);
    this.#next = grown(this.#next, size);
  }
}
