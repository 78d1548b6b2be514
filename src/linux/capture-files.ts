import { type CaptureRecords, RecordState } from '../ports/capture-records.ts';
import { CaptureRecord } from '../wire/capture-record.ts';
import { CaptureFile } from './capture-file.ts';

/** Opens capture files, whose packets come in the order of their times. Throws `CaptureFileError`. */
export function openCaptureFiles(paths: readonly string[]): CaptureRecords {
  const files: CaptureFile[] = [];
  try {
    for (const path of paths) files.push(new CaptureFile(path));
  } catch (error) {
    for (const file of files) file.close();
    throw error;
  }
  return new MergedFiles(files);
}

class MergedFiles implements CaptureRecords {
  readonly #files: readonly CaptureFile[];
  /** By file: its next packet is known, and not handed out yet. */
  readonly #hasRecord: boolean[];
  readonly #hasEnded: boolean[];
  /** The file whose packet was handed out. */
  #current = -1;
  #record = new CaptureRecord();

  constructor(files: readonly CaptureFile[]) {
    this.#files = files;
    this.#hasRecord = files.map(() => false);
    this.#hasEnded = files.map(() => false);
  }

  get record(): CaptureRecord {
    return this.#record;
  }

  get faults(): readonly string[] {
    return this.#files.flatMap(({ fault }) => (fault === undefined ? [] : [fault]));
  }

  next(): RecordState {
    if (this.#current >= 0) this.#hasRecord[this.#current] = false;
    this.#current = -1;
    if (!this.#fillHeads()) return RecordState.pending;
    let first: CaptureRecord | undefined;
    for (let i = 0; i < this.#files.length; i++) {
      const { record } = this.#files[i] as CaptureFile;
      if (this.#hasRecord[i] !== true || (first && first.time <= record.time)) continue;
      first = record;
      this.#current = i;
    }
    if (first === undefined) return RecordState.ended;
    this.#record = first;
    return RecordState.ready;
  }

  /** Whether the next packet of every file is known that has one. */
  #fillHeads(): boolean {
    let isComplete = true;
    for (let i = 0; i < this.#files.length; i++) {
      if (this.#hasRecord[i] === true || this.#hasEnded[i] === true) continue;
      const state = (this.#files[i] as CaptureFile).next();
      this.#hasRecord[i] = state === RecordState.ready;
      this.#hasEnded[i] = state === RecordState.ended;
      if (state === RecordState.pending) isComplete = false;
    }
    return isComplete;
  }

  onMore(callback: () => void): void {
    for (const file of this.#files) file.onMore(callback);
  }

  close(): void {
    for (const file of this.#files) file.close();
  }
}
