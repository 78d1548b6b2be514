import { readdirSync, readFileSync } from 'node:fs';

/** What a process has used since it began. */
export interface Usage {
  /** CPU time in user space and in the kernel, milliseconds. */
  readonly user: number;
  readonly system: number;
  /** Peak resident memory, kilooctets. */
  readonly peak: number;
}

/** /proc counts in hundredths of a second on every Linux there is (USER_HZ). */
const TICK_MS = 10;

/** Reads a process's usage from /proc. The sum comes from the scheduler (nanoseconds, all living
 *  threads); the clock ticks of /proc/PID/stat only say how it splits into user and system. */
export function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const user = Number(fields[11]) * TICK_MS;
  const system = Number(fields[12]) * TICK_MS;
  const total = scheduled(pid) ?? user + system;
  const share = user + system === 0 ? 0.5 : user / (user + system);
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return { user: total * share, system: total * (1 - share), peak: Number(peak ?? 0) };
}

/** CPU time between two readings, milliseconds; the peak is the later one. */
export function usedBetween(before: Usage, after: Usage): Usage {
  return {
    user: Math.max(0, after.user - before.user),
    system: Math.max(0, after.system - before.system),
    peak: after.peak,
  };
}

function scheduled(pid: number): number | undefined {
  let nanoseconds = 0;
  try {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1');
      nanoseconds += Number(text.split(' ')[0]);
    }
  } catch {
    return undefined;
  }
  return nanoseconds / 1e6;
}
