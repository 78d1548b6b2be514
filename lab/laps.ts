import type { Child } from './child.ts';
import { labProgram } from './paths.ts';
import type { HostName, Lab } from './topology.ts';

/** How long a transfer took, in milliseconds since the SYN arrived; absent while it has not come to that. */
export interface Lap {
  /** `address:port` of the client. */
  readonly peer: string;
  /** Until the wanted octets had been sent. */
  readonly sent?: number;
  /** Until the wanted octets had been acknowledged. */
  readonly acknowledged?: number;
}

/** A running measurement (stopwatch.ts). */
export class Stopwatch {
  readonly #child: Child;

  constructor(child: Child) {
    this.#child = child;
  }

  laps(): Promise<Lap[]> {
    return this.#child.ask<Lap[]>('laps');
  }
}

/** Measures from now on the connections to `port` of a host in which one side sends `octets` or more. */
export async function startStopwatch(
  lab: Lab,
  host: HostName,
  port: number,
  octets: number,
): Promise<Stopwatch> {
  const args = [labProgram('stopwatch'), 'eth0', String(port), String(octets)];
  const child = lab.spawn(host, 'stopwatch', process.execPath, args, { ipc: true });
  await child.waitFor(/measuring/);
  return new Stopwatch(child);
}
