import { closeSync, createReadStream, fstatSync, openSync, readSync, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { constants, createGunzip } from 'node:zlib';
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

/** The last four octets of a file as a number. */
function lastWord(path: string): number {
  const fd = openSync(path, 'r');
  try {
    const word = Buffer.alloc(4);
    readSync(fd, word, 0, 4, Math.max(fstatSync(fd).size - 4, 0));
    return word.readUInt32LE();
  } finally {
    closeSync(fd);
  }
}

/** One capture file that is read as packets are wanted, decompressed when it is a gzip file. Throws `CaptureFileError`. */
export class CaptureFile {
  readonly #path: string;
  readonly #name: string;
  /** Octets that have come out of a gzip file. */
  #unzipped = 0;
  readonly #reader = new CaptureReader();
  #stream: Readable;
  #check: Readable | undefined;
  #isRecognised = false;
  #hasEnded = false;
  #fault: string | undefined;
  #onMore: () => void = () => {};

  constructor(path: string) {
    this.#path = path;
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
    this.#check?.destroy();
  }

  /** Feeds what has arrived, or the news that nothing more will; returns whether there was anything. */
  #read(): boolean {
    if (!this.#isRecognised && !this.#recognise()) return false;
    const chunk = this.#stream.read() as Uint8Array | null;
    if (chunk !== null) {
      this.#unzipped += chunk.length;
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
    // A file that was cut short gives what it holds; that it was is found afterwards.
    const unzipped = createGunzip({ chunkSize: CHUNK, finishFlush: constants.Z_SYNC_FLUSH });
    file.on('error', (error) => unzipped.destroy(error));
    unzipped.on('close', () => file.destroy());
    this.#stream = file.pipe(unzipped);
    this.#watch(() => this.#checkLength());
    return true;
  }

  /** The last word of a gzip file is the length of what it holds (RFC 1952 §2.3.1). Where it is not, all is read once more to say why. */
  #checkLength(): void {
    // A pipe cannot be read twice.
    const isFile = this.#path !== STANDARD_INPUT && statSync(this.#path).isFile();
    if (!isFile || this.#unzipped % 2 ** 32 === lastWord(this.#path)) {
      this.#end();
      return;
    }
    // One of several members may end here, and then nothing is wrong.
    const again = createReadStream(this.#path).pipe(createGunzip({ chunkSize: CHUNK }));
    this.#check = again;
    again.on('error', (error) => this.#fail(error));
    again.on('end', () => this.#end());
    again.resume();
  }

  #watch(onEnd: () => void = () => this.#end()): void {
    this.#stream.on('readable', () => this.#onMore());
    this.#stream.on('end', onEnd);
    this.#stream.on('error', (error) => this.#fail(error));
  }

  #fail(error: Error): void {
    this.#fault ??= `${this.#name} cannot be read to its end: ${error.message}`;
    this.#end();
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
