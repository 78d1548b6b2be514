/** Words of a flow key: two addresses of four, and both ports in one. */
export const FLOW_KEY_WORDS = 9;

/** A connection's identity: near address and port, far address and port. One is made and re-used for look-ups. */
export class FlowKey {
  readonly words: Int32Array = new Int32Array(FLOW_KEY_WORDS);

  /** Sets the address at words `at … at+3`; 0 is the near one, 4 the far one. */
  setAddress(at: 0 | 4, w0: number, w1: number, w2: number, w3: number): void {
    const { words } = this;
    words[at] = w0;
    words[at + 1] = w1;
    words[at + 2] = w2;
    words[at + 3] = w3;
  }

  setPorts(near: number, far: number): void {
    this.words[8] = (near << 16) | far;
  }
}

/** A multiply-and-rotate hash over the nine words of a key, which begin at `from`. `secret`: an unpredictable 32-bit integer. */
export function hashFlow(words: Int32Array, secret: number, from = 0): number {
  let h = secret;
  for (let i = 0; i < FLOW_KEY_WORDS; i++) {
    h = Math.imul(h ^ (words[from + i] as number), 0x9e3779b1);
    h = (h << 13) | (h >>> 19);
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  return h ^ (h >>> 13);
}
