import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

/** What a result depends on besides the program. */
export interface Facts {
  readonly date: string;
  readonly node: string;
  readonly kernel: string;
  readonly processor: string;
  readonly processors: number;
  /** Mebioctets. */
  readonly memory: number;
  /** Load average of the last minute when the bench began: others on the same machine. */
  readonly loadBefore: number;
}

export function machineFacts(): Facts {
  const all = cpus();
  return {
    date: new Date().toISOString(),
    node: process.version,
    kernel: release(),
    processor: all[0]?.model.trim() ?? 'unknown',
    processors: all.length,
    memory: Math.round(totalmem() / (1 << 20)),
    loadBefore: Number(readFileSync('/proc/loadavg', 'latin1').split(' ')[0]),
  };
}
