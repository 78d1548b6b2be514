import {
  CaptureRecord,
  type CaptureFault,
  ReadState,
  type RecordReader,
} from './capture-record.ts';
import { OctetBuffer } from './octet-buffer.ts';
import { isPcap, PcapReader } from './pcap-reader.ts';
import { isPcapng, PcapngReader } from './pcapng-reader.ts';

/**
 * Reads a capture file, pcap or pcapng, as it is fed: octets in, packets out.
 *
 * ```
 * reader.feed(chunk);
 * while (reader.next() === ReadState.record) …reader.record…
 * ```
 */
export class CaptureReader {
  readonly record: CaptureRecord = new CaptureRecord();
  readonly #input = new OctetBuffer();
  #format: RecordReader | null = null;
  #isFinished = false;
  #fault: CaptureFault | null = null;

  /** Set when `next` has returned `damaged`. */
  get fault(): CaptureFault | null {
    return this.#fault;
  }

  /** Adds what follows in the file. The octets of `record` are gone then. */
  feed(chunk: Uint8Array): void {
    this.#input.feed(chunk);
  }

  /** Nothing more will be fed. */
  finish(): void {
    this.#isFinished = true;
  }

  /** Goes on to the next packet. */
  next(): ReadState {
    if (this.#fault !== null) return ReadState.damaged;
    this.#format ??= this.#recognise();
    const state = this.#format?.next(this.#input, this.record) ?? ReadState.starved;
    if (state === ReadState.damaged) this.#fault ??= this.#format?.fault ?? null;
    if (this.#fault !== null) return ReadState.damaged;
    return state === ReadState.starved && this.#isFinished ? this.#end() : state;
  }

  #recognise(): RecordReader | null {
    const { available, view, start } = this.#input;
    if (available < 4) return null;
    if (isPcap(view, start)) return new PcapReader();
    if (isPcapng(view, start)) return new PcapngReader();
    const found = view.getUint32(start).toString(16).padStart(8, '0');
    this.#fault = { offset: 0, reason: `it begins with ${found}, as neither pcap nor pcapng does` };
    return null;
  }

  #end(): ReadState {
    const { available, position, isShort } = this.#input;
    if (available === 0 && !isShort && this.#format !== null) return ReadState.ended;
    const reason = this.#format === null ? 'it is no capture file' : 'it ends within a packet';
    this.#fault = { offset: position, reason };
    return ReadState.damaged;
  }
}
