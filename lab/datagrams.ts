import type { Child } from './child.ts';
import { labProgram } from './paths.ts';
import type { HostName, Lab } from './topology.ts';
import type { DatagramPlan, DatagramRecord } from './udp-plan.ts';

/** A name server and echo (udp-server.ts) that remembers what it got. */
export interface DatagramServer {
  readonly child: Child;
  records(): Promise<DatagramRecord[]>;
  /** Questions over TCP. */
  queries(): Promise<number>;
}

export async function startDatagramServer(
  lab: Lab,
  host: HostName,
  port = 53,
): Promise<DatagramServer> {
  const args = [labProgram('udp-server'), String(port)];
  const child = lab.spawn(host, `name server on ${host}`, process.execPath, args, { ipc: true });
  for (const ready of [/udp4 bound/, /udp6 bound/, /tcp listening/]) await child.waitFor(ready);
  return {
    child,
    records: () => child.ask<DatagramRecord[]>('records'),
    queries: () => child.ask<number>('queries'),
  };
}

/** Has the client host send datagrams and wait for each to come back. Throws when one does not. */
export async function exchangeDatagrams(lab: Lab, plan: DatagramPlan): Promise<void> {
  await lab.exec('client', process.execPath, [labProgram('udp-client'), JSON.stringify(plan)]);
}

/** What is asked with `dig`, once for each name; returns the answers. */
export async function dig(
  lab: Lab,
  server: string,
  names: readonly string[],
  ...more: string[]
): Promise<string[]> {
  const options = ['+short', '+tries=3', '+time=2', ...more];
  const { stdout } = await lab.exec('client', 'dig', [`@${server}`, ...options, ...names]);
  return stdout.trim().split('\n');
}
