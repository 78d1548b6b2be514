const NONE = -1;

/** A list of rows: its ends, −1 when it is empty. `RowLinks` alone writes them. */
export class RowList {
  first: number = NONE;
  last: number = NONE;
}

/** The links of any number of lists over the same rows, each row on one list at the most: two numbers a row. */
export class RowLinks {
  #before = new Int32Array(0);
  #after = new Int32Array(0);

  get bytes(): number {
    return 2 * this.#before.byteLength;
  }

  /** Makes room for rows below `capacity`. */
  grow(capacity: number): void {
    this.#before = longer(this.#before, capacity);
    this.#after = longer(this.#after, capacity);
  }

  /** Puts a row that is on no list at the end of `list`. */
  append(list: RowList, row: number): void {
    this.#before[row] = list.last;
    this.#after[row] = NONE;
    if (list.last === NONE) list.first = row;
    else this.#after[list.last] = row;
    list.last = row;
  }

  /** Takes a row off the list it is on, which is `list`. */
  detach(list: RowList, row: number): void {
    const before = this.#before[row] as number;
    const after = this.#after[row] as number;
    if (before === NONE) list.first = after;
    else this.#after[before] = after;
    if (after === NONE) list.last = before;
    else this.#before[after] = before;
  }
}

/** A copy of `column` with `length` entries, the new ones 0. */
export function longer(column: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(length);
  copy.set(column);
  return copy;
}
