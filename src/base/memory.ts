/**
 * A block of memory with the views that the layers read it through, made once and kept: a `subarray` or `DataView` per
 * packet costs 150–250 ns and garbage, a read through a kept view 3 ns.
 */
export class Memory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** 16-bit words in the machine's own byte order, for checksums. */
  readonly halves: Uint16Array;
  /**
   * Where the block lies in this process, for whoever hands it to the kernel; NaN until asked for, so that V8 gives the field
   * a double from the start and never changes the shape of the object. An address below 2⁵³, so a plain number holds it.
   * Means nothing to the layers above `linux`.
   */
  nativeAddress: number = Number.NaN;

  /** `buffer`'s length must be even. */
  constructor(buffer: ArrayBuffer) {
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.halves = new Uint16Array(buffer);
  }

  static alloc(size: number): Memory {
    return new Memory(new ArrayBuffer((size + 7) & ~7));
  }

  get size(): number {
    return this.bytes.length;
  }
}
