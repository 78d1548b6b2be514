import { Memory } from '../base/memory.ts';
import type { Duration } from '../base/time.ts';
import { addressOf, libc, writeWord } from './libc.ts';

/** struct timespec. */
const wanted = Memory.alloc(16);

/** Blocks this thread, event loop and all, for `duration`: below a second, and some 60 µs longer. A signal cuts it short. */
export function sleep(duration: Duration): void {
  writeWord(wanted, 8, Math.min(Math.round(duration * 1e3), 999_999_999));
  libc.nanosleep(addressOf(wanted), 0);
}
