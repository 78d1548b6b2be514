const INITIAL = 1 << 16;

/**
 * Octets of a file that have been read and not been used yet, in one piece, however they arrive. What lies in `bytes` stays
 * there until the next `feed`.
 */
export class OctetBuffer {
  bytes: Uint8Array = new Uint8Array(INITIAL);
  view: DataView = new DataView(this.bytes.buffer);
  /** Of the first octet not used yet, in `bytes`. */
  start = 0;
  #end = 0;
  /** Octets to be left out as soon as they arrive. */
  #owed = 0;
  /** Octets of the file before `start`. */
  #used = 0;

  /** Octets from `start` on. */
  get available(): number {
    return this.#end - this.start;
  }

  /** Of the octet at `start`, in the file. */
  get position(): number {
    return this.#used;
  }

  feed(chunk: Uint8Array): void {
    const skipped = Math.min(this.#owed, chunk.length);
    this.#owed -= skipped;
    const rest = skipped === 0 ? chunk : chunk.subarray(skipped);
    this.#makeRoom(rest.length);
    this.bytes.set(rest, this.#end);
    this.#end += rest.length;
  }

  /** Goes on by `count` octets, those included that have not arrived yet. */
  skip(count: number): void {
    const present = Math.min(count, this.available);
    this.start += present;
    this.#used += count;
    this.#owed += count - present;
  }

  /** Whether the file has ended within what was skipped. */
  get isShort(): boolean {
    return this.#owed > 0;
  }

  #makeRoom(count: number): void {
    if (this.#end + count <= this.bytes.length) return;
    const { available, bytes, start } = this;
    if (available + count > bytes.length) {
      this.bytes = new Uint8Array(Math.max(available + count, 2 * bytes.length));
      this.view = new DataView(this.bytes.buffer);
      this.bytes.set(bytes.subarray(start, this.#end));
    } else {
      bytes.copyWithin(0, start, this.#end);
    }
    this.start = 0;
    this.#end = available;
  }
}
