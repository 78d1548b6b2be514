/** Finds the ends of HTTP/1.1 responses in a stream, at little cost: the load generator shares two
 *  processors with everything it loads. Only responses with a Content-Length. */
export class ResponseParser {
  /** Called at the end of each response with its status. */
  readonly #onResponse: (status: number) => void;
  #pending: Buffer | null = null;
  #bodyLeft = 0;
  #status = 0;

  constructor(onResponse: (status: number) => void) {
    this.#onResponse = onResponse;
  }

  push(data: Buffer): void {
    let chunk = data;
    if (this.#pending !== null) {
      chunk = Buffer.concat([this.#pending, data]);
      this.#pending = null;
    }
    let at = 0;
    while (at < chunk.length) {
      if (this.#bodyLeft > 0) {
        const taken = Math.min(this.#bodyLeft, chunk.length - at);
        this.#bodyLeft -= taken;
        at += taken;
      } else {
        const end = chunk.indexOf('\r\n\r\n', at, 'latin1');
        if (end < 0) {
          this.#pending = chunk.subarray(at);
          return;
        }
        this.#head(chunk.toString('latin1', at, end + 2));
        at = end + 4;
      }
      if (this.#bodyLeft === 0) this.#onResponse(this.#status);
    }
  }

  #head(head: string): void {
    const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(head);
    if (length === null) throw new Error(`response without Content-Length: ${head}`);
    this.#bodyLeft = Number(length[1]);
    this.#status = Number(head.slice(9, 12));
  }
}
