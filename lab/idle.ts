import { type Child, sleep } from './child.ts';
import type { IdleCount, IdlePlan } from './idle-plan.ts';
import { labProgram } from './paths.ts';
import type { Lab } from './topology.ts';

/** Connections of one process: fewer than the open files that systems allow it (20,480 and more). */
const PER_PROCESS = 15_000;
/** Each process of a server listens at a port of its own. */
const FIRST_PORT = 7000;

/** Very many idle connections, spread over processes: clients, and their servers on both sides. */
export class IdleCrowd {
  readonly ports: readonly number[];
  readonly #lab: Lab;
  readonly #connections: number;
  readonly #requests: number;
  #online: Child[] = [];
  #target: Child[] = [];
  #clients: Child[] = [];

  /** Connections in all, and the requests of each. The lab needs `idleProcesses(connections)` client addresses. */
  constructor(lab: Lab, connections: number, requests: number) {
    this.#lab = lab;
    this.#connections = connections;
    this.#requests = requests;
    this.ports = Array.from({ length: idleProcesses(connections) }, (_, i) => FIRST_PORT + i);
  }

  async startServers(): Promise<void> {
    this.#online = await Promise.all(this.ports.map((port) => this.#serve('online', port)));
    this.#target = await Promise.all(this.ports.map((port) => this.#serve('target', port)));
  }

  /** Begins all connections, `rate` a second in all. */
  startClients(rate: number): void {
    const { ports } = this;
    this.#clients = ports.map((port, i) => {
      const plan: IdlePlan = {
        host: this.#lab.ip4('online'),
        port,
        connections:
          Math.floor(((i + 1) * this.#connections) / ports.length) -
          Math.floor((i * this.#connections) / ports.length),
        rate: rate / ports.length,
        requests: this.#requests,
        address: this.#lab.ip4('client', i + 1),
      };
      const args = [labProgram('idle-client'), JSON.stringify(plan)];
      return this.#lab.spawn('client', 'idle client', process.execPath, args, { ipc: true });
    });
  }

  online(): Promise<IdleCount> {
    return total(this.#online);
  }

  target(): Promise<IdleCount> {
    return total(this.#target);
  }

  /** Waits until `look` says yes, or nothing of it has changed for `quiet` milliseconds. */
  async settled(look: (target: IdleCount) => boolean, quiet = 20_000): Promise<IdleCount> {
    let last = '';
    for (let since = Date.now(); ; await sleep(500)) {
      const count = await this.target();
      const text = JSON.stringify(count);
      if (look(count)) return count;
      if (text !== last) since = Date.now();
      else if (Date.now() - since > quiet) return count;
      last = text;
    }
  }

  /** The clients close all connections. */
  async close(): Promise<void> {
    for (const client of this.#clients) client.process.send('close');
    await Promise.all(this.#clients.map((client) => client.ended));
  }

  async #serve(host: 'online' | 'target', port: number): Promise<Child> {
    const args = [labProgram('idle-server'), String(port)];
    const child = this.#lab.spawn(host, 'idle server', process.execPath, args, { ipc: true });
    await child.waitFor(/listening/);
    return child;
  }
}

/** Processes, and client addresses, for so many connections. */
export const idleProcesses = (connections: number): number => Math.ceil(connections / PER_PROCESS);

async function total(children: readonly Child[]): Promise<IdleCount> {
  const all = await Promise.all(children.map((child) => child.ask<IdleCount>('count')));
  const sum = (of: (count: IdleCount) => number): number => all.reduce((s, c) => s + of(c), 0);
  return {
    open: sum((c) => c.open),
    answered: sum((c) => c.answered),
    errors: sum((c) => c.errors),
  };
}
