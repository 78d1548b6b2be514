import type { OctetBuffer } from './octet-buffer.ts';

/** A packet as a capture file has it. One is made and re-used; the octets stay until more of the file is fed. */
export class CaptureRecord {
  /** Microseconds since 1970; starts as a fraction so that V8 gives the field a double of its own. */
  time = 0.5;
  /** LINKTYPE_… of the interface: what the first octets are. */
  linkType = 0;
  bytes: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(this.bytes.buffer);
  offset = 0;
  /** Octets that are there. */
  length = 0;
  /** Octets that the packet had; greater than `length` when the capture cut it. */
  wireLength = 0;
}

export const ReadState = {
  /** The record holds the next packet. */
  record: 0,
  /** More of the file is needed. */
  starved: 1,
  /** Nothing more comes. */
  ended: 2,
  /** What follows cannot be read; `fault` says why. */
  damaged: 3,
} as const;
export type ReadState = (typeof ReadState)[keyof typeof ReadState];

/** Why a file cannot be read any further. */
export interface CaptureFault {
  /** In octets from the beginning of the file, decompressed. */
  readonly offset: number;
  /** For people, to follow "at octet 24: ". */
  readonly reason: string;
}

/** The longest packet that is believed; libpcap writes 262,144 octets at the most. */
export const MAX_PACKET: number = 1 << 20;

/** What reads one file format. */
export interface RecordReader {
  /** Fills `record` with the next packet that `input` holds, and goes on behind it. */
  next(input: OctetBuffer, record: CaptureRecord): ReadState;
  /** Set when `next` has returned `damaged`. */
  readonly fault: CaptureFault | null;
}
