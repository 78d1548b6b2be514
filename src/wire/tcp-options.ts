import type { Memory } from '../base/memory.ts';

/** Option kinds (RFC 9293 §3.2, RFC 7323, RFC 2018). */
export const TcpOption = {
  end: 0,
  noOperation: 1,
  mss: 2,
  windowScale: 3,
  sackPermitted: 4,
  sack: 5,
  timestamps: 8,
} as const;

/** SACK blocks that fit into the 40 octets of options (RFC 2018 §3). */
export const MAX_SACK_BLOCKS = 4;
/** The largest shift a window scale option may ask for; larger ones count as this (RFC 7323 §2.3). */
export const MAX_WINDOW_SCALE = 14;
/** What `writeTimestamps` writes, in octets. */
export const TIMESTAMPS_LENGTH = 12;

/**
 * The options of one segment, read in place. One record is made and re-used. Of an option that comes twice the last one
 * counts. An option of a wrong length is passed over and the record marked `malformed`; where a length leads out of the options,
 * reading ends there, and what was read before stays good.
 */
export class TcpOptions {
  /** Octets; 0 when absent. */
  mss = 0;
  /** A shift, 0 to 14; −1 when absent. */
  windowScale = -1;
  sackPermitted = false;
  hasTimestamps = false;
  /** Signed 32 bits, like a sequence number. */
  tsval = 0;
  tsecr = 0;
  sackCount = 0;
  readonly sackLeft: Int32Array = new Int32Array(MAX_SACK_BLOCKS);
  /** One after the last sequence number of the block. */
  readonly sackRight: Int32Array = new Int32Array(MAX_SACK_BLOCKS);
  malformed = false;

  clear(): void {
    this.mss = 0;
    this.windowScale = -1;
    this.sackPermitted = false;
    this.hasTimestamps = false;
    this.tsval = 0;
    this.tsecr = 0;
    this.sackCount = 0;
    this.malformed = false;
  }

  /** Reads the options at `memory[offset … offset+length)`, `length` 0 to 40. */
  parse(memory: Memory, offset: number, length: number): void {
    this.clear();
    const { bytes } = memory;
    const end = offset + length;
    let at = offset;
    while (at < end) {
      const kind = bytes[at] as number;
      if (kind === TcpOption.end) return;
      if (kind === TcpOption.noOperation) {
        at++;
        continue;
      }
      const size = at + 1 < end ? (bytes[at + 1] as number) : 0;
      if (size < 2 || at + size > end) {
        this.malformed = true;
        // The original's messages cut long options off: what is there of the blocks is good.
        if (kind === TcpOption.sack && size <= 34 && (size & 7) === 2)
          this.#readSack(memory, at, end - at);
        return;
      }
      this.#read(memory, kind, at, size);
      at += size;
    }
  }

  #read(memory: Memory, kind: number, at: number, size: number): void {
    const { view } = memory;
    if (kind === TcpOption.timestamps && size === 10) {
      this.hasTimestamps = true;
      this.tsval = view.getInt32(at + 2);
      this.tsecr = view.getInt32(at + 6);
    } else if (kind === TcpOption.sack && size >= 10 && size <= 34 && (size & 7) === 2) {
      this.#readSack(memory, at, size);
    } else if (kind === TcpOption.mss && size === 4) {
      this.mss = view.getUint16(at + 2);
    } else if (kind === TcpOption.windowScale && size === 3) {
      const shift = memory.bytes[at + 2] as number;
      this.windowScale = shift < MAX_WINDOW_SCALE ? shift : MAX_WINDOW_SCALE;
    } else if (kind === TcpOption.sackPermitted && size === 2) {
      this.sackPermitted = true;
    } else if (isKnown(kind)) {
      this.malformed = true;
    }
  }

  #readSack({ view }: Memory, at: number, size: number): void {
    this.sackCount = (size - 2) >> 3;
    for (let i = 0; i < this.sackCount; i++) {
      this.sackLeft[i] = view.getInt32(at + 2 + (i << 3));
      this.sackRight[i] = view.getInt32(at + 6 + (i << 3));
    }
  }
}

const isKnown = (kind: number): boolean =>
  (kind >= TcpOption.mss && kind <= TcpOption.sack) || kind === TcpOption.timestamps;

/** Writes NOP NOP timestamps, 12 octets (the layout of RFC 7323 appendix A). Returns the offset after it. */
export function writeTimestamps(
  memory: Memory,
  offset: number,
  tsval: number,
  tsecr: number,
): number {
  memory.view.setInt32(offset, 0x0101_080a);
  memory.view.setInt32(offset + 4, tsval);
  memory.view.setInt32(offset + 8, tsecr);
  return offset + TIMESTAMPS_LENGTH;
}

/** Writes an MSS option, 4 octets, for a SYN. Returns the offset after it. */
export function writeMss(memory: Memory, offset: number, mss: number): number {
  memory.view.setInt32(offset, 0x0204_0000 | mss);
  return offset + 4;
}

/** Writes NOP and window scale, 4 octets, for a SYN. Returns the offset after it. */
export function writeWindowScale(memory: Memory, offset: number, shift: number): number {
  memory.view.setInt32(offset, 0x0103_0300 | shift);
  return offset + 4;
}

/** Writes NOP NOP SACK-permitted, 4 octets, for a SYN. Returns the offset after it. */
export function writeSackPermitted(memory: Memory, offset: number): number {
  memory.view.setInt32(offset, 0x0101_0402);
  return offset + 4;
}

/** Writes NOP NOP and the head of a SACK option of `blocks` blocks, 4 octets; the blocks follow, 8 octets each (RFC 2018 §3). Returns the offset after it. */
export function writeSackHead(memory: Memory, offset: number, blocks: number): number {
  memory.view.setInt32(offset, 0x0101_0502 + (blocks << 3));
  return offset + 4;
}

/** Writes one block of a SACK option: `right` is one after its last octet. Returns the offset after it. */
export function writeSackBlock(
  memory: Memory,
  offset: number,
  left: number,
  right: number,
): number {
  memory.view.setInt32(offset, left);
  memory.view.setInt32(offset + 4, right);
  return offset + 8;
}
