/*
 * pcapng: draft-ietf-opsawg-pcapng, whose sections are cited. Blocks, each with its length in front and behind, in sections that
 * have an order of octets and interfaces of their own.
 */
import {
  type CaptureFault,
  type CaptureRecord,
  MAX_PACKET,
  ReadState,
  type RecordReader,
} from './capture-record.ts';
import type { OctetBuffer } from './octet-buffer.ts';

/** §4.1; reads the same in both orders. */
const SECTION_HEADER = 0x0a0d_0d0a;
const BYTE_ORDER_MAGIC = 0x1a2b_3c4d;
/** §4.2. */
const INTERFACE_DESCRIPTION = 1;
/** Appendix A: obsolete, but found in old files. */
const OLD_PACKET = 2;
/** §4.4: a packet of the first interface, without a time. */
const SIMPLE_PACKET = 3;
/** §4.3. */
const ENHANCED_PACKET = 6;

/** Type and length in front of a block, length behind it. */
const FRAME = 12;
const IN_FRONT = 8;
/** Octets of the blocks that are looked into, at the least. */
const LEAST: Readonly<Record<number, number>> = {
  [SECTION_HEADER]: FRAME + 16,
  [INTERFACE_DESCRIPTION]: FRAME + 8,
  [OLD_PACKET]: FRAME + 20,
  [SIMPLE_PACKET]: FRAME + 4,
  [ENHANCED_PACKET]: FRAME + 20,
};
/** A packet with its options. */
const LONGEST: number = MAX_PACKET + (1 << 20);

/** §4.2: if_tsresol and if_tsoffset. */
const OPTION_RESOLUTION = 9;
const OPTION_OFFSET = 14;

interface Interface {
  readonly linkType: number;
  /** Octets kept of each packet; 0: all. */
  readonly snapLength: number;
  /** Of the time stamps, in microseconds. */
  readonly unit: number;
  /** To be added, in microseconds. */
  readonly offset: number;
}

/** Whether a file begins as a pcapng file; `view` has at least four octets at `at`. */
export const isPcapng = (view: DataView, at: number): boolean =>
  view.getUint32(at) === SECTION_HEADER;

export class PcapngReader implements RecordReader {
  fault: CaptureFault | null = null;
  #little = false;
  readonly #interfaces: Interface[] = [];
  /** Of the last packet that had one, in microseconds. */
  #time = 0.5;

  next(input: OctetBuffer, record: CaptureRecord): ReadState {
    for (;;) {
      if (input.available < FRAME) return ReadState.starved;
      const { view, start } = input;
      const isSection = view.getUint32(start) === SECTION_HEADER;
      if (isSection && !this.#beginSection(input)) return ReadState.damaged;
      const type = view.getUint32(start, this.#little);
      const length = view.getUint32(start + 4, this.#little);
      const least = LEAST[type];
      if (length < (least ?? FRAME) || length % 4 !== 0) {
        return this.#fail(input, `a block of ${length} octets, which no block has`);
      }
      if (least === undefined) {
        input.skip(length);
        continue;
      }
      if (length > LONGEST) {
        return this.#fail(input, `a block of ${length} octets, more than any packet needs`);
      }
      if (input.available < length) return ReadState.starved;
      const state = this.#readBlock(input, record, type, length);
      if (state === ReadState.damaged) return state;
      input.skip(length);
      if (state === ReadState.record) return state;
    }
  }

  /** Takes the order of octets of a section, which its header must be read with. */
  #beginSection(input: OctetBuffer): boolean {
    const { view, start } = input;
    const isLittle = view.getUint32(start + IN_FRONT, true) === BYTE_ORDER_MAGIC;
    if (!isLittle && view.getUint32(start + IN_FRONT, false) !== BYTE_ORDER_MAGIC) {
      this.#fail(input, 'a section without its byte-order magic');
      return false;
    }
    this.#little = isLittle;
    return true;
  }

  /** `starved` means: a block without a packet. */
  #readBlock(input: OctetBuffer, record: CaptureRecord, type: number, length: number): ReadState {
    const { view, start } = input;
    const behind = view.getUint32(start + length - 4, this.#little);
    if (behind !== length) {
      return this.#fail(input, `a block of ${length} octets that ends as one of ${behind}`);
    }
    const at = start + IN_FRONT;
    const end = start + length - 4;
    if (type === SECTION_HEADER) return this.#readSection(input, at);
    if (type === INTERFACE_DESCRIPTION) return this.#readInterface(view, at, end);
    record.bytes = input.bytes;
    record.view = view;
    if (type === SIMPLE_PACKET) return this.#readSimple(input, record, at, end);
    const isOld = type === OLD_PACKET;
    const id = isOld ? view.getUint16(at, this.#little) : view.getUint32(at, this.#little);
    const from = this.#interfaces[id];
    if (from === undefined) return this.#fail(input, `a packet of interface ${id}, which is none`);
    const high = view.getUint32(at + 4, this.#little);
    const low = view.getUint32(at + 8, this.#little);
    this.#time = (high * 0x1_0000_0000 + low) * from.unit + from.offset;
    const captured = view.getUint32(at + 12, this.#little);
    const wire = view.getUint32(at + 16, this.#little);
    return this.#fill(input, record, from, { at: at + 20, end, captured, wire });
  }

  #readSection(input: OctetBuffer, at: number): ReadState {
    const major = input.view.getUint16(at + 4, this.#little);
    if (major !== 1) return this.#fail(input, `version ${major} of the pcapng format`);
    this.#interfaces.length = 0;
    return ReadState.starved;
  }

  #readSimple(input: OctetBuffer, record: CaptureRecord, at: number, end: number): ReadState {
    const from = this.#interfaces[0];
    if (from === undefined) return this.#fail(input, 'a packet of interface 0, which is none');
    const wire = input.view.getUint32(at, this.#little);
    const kept = from.snapLength === 0 ? wire : Math.min(wire, from.snapLength);
    return this.#fill(input, record, from, { at: at + 4, end, captured: kept, wire });
  }

  #fill(
    input: OctetBuffer,
    record: CaptureRecord,
    from: Interface,
    packet: { at: number; end: number; captured: number; wire: number },
  ): ReadState {
    const { at, end, captured, wire } = packet;
    if (captured > end - at || captured > MAX_PACKET) {
      return this.#fail(input, `a packet of ${captured} octets in a block that has not so many`);
    }
    record.time = this.#time;
    record.linkType = from.linkType;
    record.offset = at;
    record.length = captured;
    record.wireLength = Math.max(wire, captured);
    return ReadState.record;
  }

  #readInterface(view: DataView, at: number, end: number): ReadState {
    let unit = 1;
    let offset = 0;
    for (let o = at + 8; o + 4 <= end; ) {
      const code = view.getUint16(o, this.#little);
      const length = view.getUint16(o + 2, this.#little);
      if (code === 0 || o + 4 + length > end) break;
      if (code === OPTION_RESOLUTION && length >= 1) unit = unitOf(view.getUint8(o + 4));
      if (code === OPTION_OFFSET && length >= 8) offset = readInt64(view, o + 4, this.#little);
      o += 4 + ((length + 3) & ~3);
    }
    this.#interfaces.push({
      linkType: view.getUint16(at, this.#little),
      snapLength: view.getUint32(at + 4, this.#little),
      unit,
      offset: offset * 1e6,
    });
    return ReadState.starved;
  }

  #fail(input: OctetBuffer, reason: string): ReadState {
    this.fault = { offset: input.position, reason };
    return ReadState.damaged;
  }
}

/** §4.2, if_tsresol: a negative power of ten or, with the highest bit, of two; in microseconds. */
const unitOf = (resolution: number): number =>
  1e6 * ((resolution & 128) === 0 ? 10 : 2) ** -(resolution & 127);

function readInt64(view: DataView, at: number, little: boolean): number {
  const high = view.getInt32(little ? at + 4 : at, little);
  return high * 0x1_0000_0000 + view.getUint32(little ? at : at + 4, little);
}
