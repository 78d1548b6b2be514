import { closeSync, createReadStream, fstatSync, openSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { RecordState } from '../ports/capture-records.ts';
import { CaptureReader } from '../wire/capture-reader.ts';
import { type CaptureRecord, ReadState } from '../wire/capture-record.ts';

/** What stands for standard input. */
const STANDARD_INPUT = '-';
/** Octets that are read ahead. */
const CHUNK = 1 << 18;
const GZIP_MAGIC = 0x1f8b;

/** A capture file cannot be opened. The message says what was found; `code` is that of the system, where it has one. */
export class CaptureFileError extends Error {
  override readonly name = 'CaptureFileError';
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.code = code;
  }
}

function openStream(path: string): Readable {
  if (path === STANDARD_INPUT) return process.stdin;
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const reason = code === 'ENOENT' ? 'there is no such file' : code;
    throw new CaptureFileError(`Cannot read the capture file '${path}': ${reason}`, code);
  }
  if (fstatSync(fd).isDirectory()) {
    closeSync(fd);
    throw new CaptureFileError(`Cannot read the capture file '${path}': it is a folder`, 'EISDIR');
  }
  return createReadStream(path, { fd, highWaterMark: CHUNK });
}

/** One capture file that is read as packets are wanted, decompressed when it is a gzip file. Throws `CaptureFileError`. */
export class CaptureFile {
  readonly #name: string;
  readonly #reader = new CaptureReader();
  #stream: Readable;
  #isRecognised = false;
  #hasEnded = false;
  #fault: string | undefined;
  #onMore: () => void = () => {};

  constructor(path: string) {
    this.#name = path === STANDARD_INPUT ? 'standard input' : `'${path}'`;
    this.#stream = openStream(path);
    this.#watch();
  }

  get record(): CaptureRecord {
    return this.#reader.record;
  }

  /** What could not be read: a sentence. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Calls back after `next` has returned `pending`. */
  onMore(callback: () => void): void {
    this.#onMore = callback;
  }

  next(): RecordState {
    for (;;) {
      const state = this.#reader.next();
      if (state === ReadState.record) return RecordState.ready;
      if (state === ReadState.damaged) this.#noteDamage();
      if (state !== ReadState.starved) return RecordState.ended;
      if (!this.#read()) return RecordState.pending;
    }
  }

  close(): void {
    this.#onMore = () => {};
    this.#stream.destroy();
  }

  /** Feeds what has arrived, or the news that nothing more will; returns whether there was anything. */
  #read(): boolean {
    if (!this.#isRecognised && !this.#recognise()) return false;
    const chunk = this.#stream.read() as Uint8Array | null;
    if (chunk !== null) {
      this.#reader.feed(chunk);
      return true;
    }
    if (!this.#hasEnded) return false;
    this.#reader.finish();
    return true;
  }

  /** Looks at the first octets; false while there are none. */
  #recognise(): boolean {
    const first = this.#stream.read(2) as Buffer | null;
    if (first === null) return this.#hasEnded;
    this.#stream.unshift(first);
    this.#isRecognised = true;
    if (first.length < 2 || first.readUInt16BE(0) !== GZIP_MAGIC) return true;
    const file = this.#stream;
    for (const event of ['readable', 'end', 'error']) file.removeAllListeners(event);
    const unzipped = createGunzip({ chunkSize: CHUNK });
    file.on('error', (error) => unzipped.destroy(error));
    unzipped.on('close', () => file.destroy());
    this.#stream = file.pipe(unzipped);
    this.#watch();
    return true;
  }

  #watch(): void {
    this.#stream.on('readable', () => this.#onMore());
    this.#stream.on('end', () => this.#end());
    this.#stream.on('error', (error) => {
      this.#fault = `${this.#name} cannot be read to its end: ${error.message}`;
      this.#end();
    });
  }

  #end(): void {
    this.#hasEnded = true;
    this.#onMore();
  }

  #noteDamage(): void {
    const fault = this.#reader.fault;
    if (fault === null) return;
    this.#fault ??= `${this.#name} is damaged at octet ${fault.offset}: ${fault.reason}`;
  }
}
