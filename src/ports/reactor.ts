import type { Instant } from '../base/time.ts';

export interface Clock {
  /** Monotonic. */
  now(): Instant;
}

/** One deadline of the operating system. Re-arming replaces the former deadline. */
export interface WakeTimer {
  /** Calls back once, at or soon after `at`; `NEVER` disarms. */
  arm(at: Instant): void;
  close(): void;
}

/** What can be watched for readiness. */
export interface Watchable {
  /** Calls `callback` whenever there may be something to read, until `close`. The watcher keeps the process alive. */
  onReadable(callback: () => void): void;
  close(): void;
}
