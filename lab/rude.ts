import { readFileSync } from 'node:fs';
import { labProgram } from './paths.ts';
import type { Door, RudeOrder } from './rude-orders.ts';
import type { HostName, Lab } from './topology.ts';

/** A program of rude peers on a host. */
export interface Rude {
  /** Throws when the order could not be carried out at all. */
  order<T>(order: RudeOrder): Promise<T>;
  stop(): Promise<unknown>;
}

/** Milliseconds that an order may take. */
const PATIENCE = 90_000;

/** Starts rude peers (rude-peers.ts) on `host`. */
export async function startRude(lab: Lab, host: HostName, door: Door): Promise<Rude> {
  const args = [labProgram('rude-peers'), JSON.stringify(door)];
  const child = lab.spawn(host, `rude peers on ${host}`, process.execPath, args, { ipc: true });
  await child.waitFor(/listening/);
  return {
    order: async <T>(order: RudeOrder) => {
      const result = await child.ask<T | { error: string }>(order, PATIENCE);
      if (typeof result === 'object' && result !== null && 'error' in result) {
        throw new Error(`rude peers could not ${order.act}: ${result.error}`);
      }
      return result;
    },
    stop: () => child.stop('SIGKILL'),
  };
}

/** Resident memory of a process now, in MB. */
export function residentMegabytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? NaN) / 1024;
}
