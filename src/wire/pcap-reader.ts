/*
 * pcap, the older capture file format: draft-ietf-opsawg-pcap, whose sections are cited. A header of 24 octets, then records.
 */
import {
  type CaptureFault,
  type CaptureRecord,
  MAX_PACKET,
  ReadState,
  type RecordReader,
} from './capture-record.ts';
import type { OctetBuffer } from './octet-buffer.ts';

/** §4: microseconds, nanoseconds; as read in the order of the file. */
const MICROSECONDS = 0xa1b2_c3d4;
const NANOSECONDS = 0xa1b2_3c4d;
/** Of a Linux libpcap that was patched for its kernel of 1999: eight octets more in each record. */
const PATCHED = 0xa1b2_cd34;

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const PATCHED_HEADER = 24;

const isMagic = (word: number): boolean =>
  word === MICROSECONDS || word === NANOSECONDS || word === PATCHED;

/** Whether a file begins as a pcap file, in either order of octets; `view` has at least four at `at`. */
export const isPcap = (view: DataView, at: number): boolean =>
  isMagic(view.getUint32(at, true)) || isMagic(view.getUint32(at, false));

export class PcapReader implements RecordReader {
  fault: CaptureFault | null = null;
  #isBegun = false;
  #little = false;
  #linkType = 0;
  /** Of the fractions of a second, in microseconds. */
  #unit = 1;
  #headerLength = RECORD_HEADER;

  next(input: OctetBuffer, record: CaptureRecord): ReadState {
    if (!this.#isBegun && !this.#begin(input)) {
      return this.fault === null ? ReadState.starved : ReadState.damaged;
    }
    const header = this.#headerLength;
    if (input.available < header) return ReadState.starved;
    const { view, start } = input;
    const length = view.getUint32(start + 8, this.#little);
    if (length > MAX_PACKET) {
      return this.#fail(input, `a packet of ${length} octets, more than any capture has`);
    }
    if (input.available < header + length) return ReadState.starved;
    const seconds = view.getUint32(start, this.#little);
    record.time = seconds * 1e6 + view.getUint32(start + 4, this.#little) * this.#unit;
    record.linkType = this.#linkType;
    record.bytes = input.bytes;
    record.view = view;
    record.offset = start + header;
    record.length = length;
    record.wireLength = Math.max(view.getUint32(start + 12, this.#little), length);
    input.skip(header + length);
    return ReadState.record;
  }

  /** §4, File Header. */
  #begin(input: OctetBuffer): boolean {
    if (input.available < FILE_HEADER) return false;
    const { view, start } = input;
    this.#little = isMagic(view.getUint32(start, true));
    const magic = view.getUint32(start, this.#little);
    const major = view.getUint16(start + 4, this.#little);
    if (major !== 2) {
      this.#fail(input, `version ${major} of the pcap format, which has no more than 2`);
      return false;
    }
    this.#unit = magic === NANOSECONDS ? 1e-3 : 1;
    this.#headerLength = magic === PATCHED ? PATCHED_HEADER : RECORD_HEADER;
    // Above the link type stands the length of the frame check sequence, which lies behind the IP packet anyway.
    this.#linkType = view.getUint32(start + 20, this.#little) & 0xffff;
    this.#isBegun = true;
    input.skip(FILE_HEADER);
    return true;
  }

  #fail(input: OctetBuffer, reason: string): ReadState {
    this.fault = { offset: input.position, reason };
    return ReadState.damaged;
  }
}
