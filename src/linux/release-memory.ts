import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import koffi from 'koffi';

/** Node gives programs no collector unless asked to at its start; this way it does so later, too. */
function findCollector(): () => void {
  setFlagsFromString('--expose-gc');
  const found: unknown = runInNewContext('globalThis.gc');
  // A Node that does not do so collects when it thinks fit.
  return typeof found === 'function' ? (found as () => void) : () => undefined;
}

let collect: (() => void) | undefined;
/** glibc keeps what is freed for the next time; musl has no such call, and no such habit. */
let trim: ((pad: number) => number) | undefined;

try {
  trim = koffi.load(null).func('int malloc_trim(size_t)') as unknown as typeof trim;
} catch {
  trim = undefined;
}

/** Gives memory that nobody uses back to the system, as far as that goes: some 50 ms for a heap of 100 MB. */
export function releaseMemory(): void {
  collect ??= findCollector();
  collect();
  trim?.(0);
}

/** Octets of memory that the process takes now (resident set size). */
export const residentMemory = (): number => process.memoryUsage.rss();
