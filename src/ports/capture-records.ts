import type { CaptureRecord } from '../wire/capture-record.ts';

export const RecordState = {
  /** `record` is the next packet. */
  ready: 0,
  /** It has not been read yet: the callback comes when it is worth trying again. */
  pending: 1,
  /** There are no more. */
  ended: 2,
} as const;
export type RecordState = (typeof RecordState)[keyof typeof RecordState];

/** The packets of capture files, in the order of their times. */
export interface CaptureRecords {
  /** Valid after `next` has returned `ready`, until it is called again. */
  readonly record: CaptureRecord;
  /** Goes on to the next packet; never blocks for longer than a disk takes. */
  next(): RecordState;
  /** Calls back after `next` has returned `pending`. */
  onMore(callback: () => void): void;
  /** What could not be read, one sentence for each file. */
  readonly faults: readonly string[];
  close(): void;
}
