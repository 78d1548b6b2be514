import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Exit } from '../../lab/child.ts';
import { compare, describe as inWords, isIdentical } from '../../lab/compare.ts';
import {
  drained,
  type RunningLoad,
  startHttpServer,
  startLoad,
  type StreamServer,
} from '../../lab/http.ts';
import { interceptArgs, launchProgram, type Program, startProgram } from '../../lab/programs.ts';
import { residentMegabytes, type Rude, startRude } from '../../lab/rude.ts';
import type { Door, RudeSession } from '../../lab/rude-orders.ts';
import { createLab, type HostName, type Lab } from '../../lab/topology.ts';
import { Certificates } from './certificates.ts';

const PORT = 36524;
/** Requests a second of the load that must not be disturbed. */
const RATE = 100;
/** The one address that its copies come from, and the port of its first client. */
const COPIES = '10.88.1.1';
const FIRST_PORT = 30_000;
const CONNECTIONS = 10;
/** Lines that any of the rude may cause: eleven a minute of each kind, and a sum. */
const FEW_LINES = 40;
/** Megabytes that intercept may have, whatever is done to it. It has 60 by itself, and 73 with 100,000 sessions of one peer. */
const MEMORY = 120;

/** The key of those who may come in. */
export const KEY = 'a key that only these two hosts have';

/** A lab in which loads are copied while strangers on a host of their own try the doors of intercept. */
export class Doors implements AsyncDisposable {
  readonly lab: Lab;
  readonly certificates: Certificates;
  readonly #online: StreamServer;
  readonly #target: StreamServer;
  /** Loads so far. */
  #rounds = 0;
  /** Addresses that rude peers have come from. */
  #strangers = 0;

  constructor(lab: Lab, online: StreamServer, target: StreamServer) {
    this.lab = lab;
    this.#online = online;
    this.#target = target;
    this.certificates = new Certificates(lab.folder);
  }

  get intercept(): string {
    return this.lab.ip4('assistant');
  }

  fileOf(name: string): string {
    return join(this.lab.folder, name);
  }

  makeFile(name: string, content: string, mode = 0o600): string {
    const file = this.fileOf(name);
    writeFileSync(file, content);
    chmodSync(file, mode);
    return file;
  }

  tcpcopyArgs(server: string, ...more: readonly string[]): string[] {
    return ['-x', `80-${this.lab.ip4('target')}:80`, '-s', server, '-c', COPIES, ...more];
  }

  startTcpcopy(...more: readonly string[]): Promise<Program> {
    return startProgram(this.lab, 'tcpcopy', this.tcpcopyArgs(this.intercept, ...more));
  }

  startIntercept(...more: readonly string[]): Promise<Program> {
    return startProgram(this.lab, 'intercept', interceptArgs({ filter: null, intercept: more }));
  }

  /** A tcpcopy that must not start; what it said. */
  async refusedStart(
    args: readonly string[],
    status: number,
    host: HostName = 'online2',
  ): Promise<string> {
    const program = launchProgram(this.lab, 'tcpcopy', args, host);
    const { child } = program;
    const exit = await Promise.race([child.ended, child.waitFor(/: ready/, 20_000)]);
    const said = program.text();
    expect(exit, said).toEqual({ code: status, signal: null } satisfies Exit);
    expect(said).not.toMatch(/\n\s+at .+:\d+:\d+/);
    return said;
  }

  /** Peers on another host: strangers, or such as have the key. */
  async rude<T>(
    key: string | undefined,
    act: (rude: Rude) => Promise<T>,
    more: Partial<Door> = {},
  ): Promise<T> {
    // What is said about one address is folded, so each of them has its own.
    const from = `10.66.0.${100 + ++this.#strangers}`;
    const own = { host: this.intercept, port: PORT, from, ...(key !== undefined && { key }) };
    const peers = await startRude(this.lab, 'online2', { ...own, ...more });
    try {
      return await act(peers);
    } finally {
      await peers.stop();
    }
  }

  /** A load from ports of its own, with paths that begin with its name. */
  startRound(requests: number): { name: string; load: RunningLoad } {
    const name = `round${++this.#rounds}`;
    const firstPort = FIRST_PORT + CONNECTIONS * this.#rounds;
    const part = { name, kind: 'keep-alive', requests, rate: RATE } as const;
    return {
      name,
      load: startLoad(this.lab, [{ ...part, connections: CONNECTIONS, firstPort }]),
    };
  }

  /** The sessions of the load that was started last. */
  sessions(): RudeSession[] {
    return Array.from({ length: CONNECTIONS }, (_, i) => ({
      client: COPIES,
      clientPort: FIRST_PORT + CONNECTIONS * this.#rounds + i,
      target: this.lab.ip4('target'),
      targetPort: 80,
    }));
  }

  /** Runs a load of so many seconds beside `act`; all of it arrives. What `intercept` printed meanwhile. */
  async undisturbed(
    { tcpcopy, intercept }: { tcpcopy: Program; intercept: Program },
    seconds: number,
    act: () => Promise<unknown>,
  ): Promise<string> {
    const requests = RATE * seconds;
    const had = await this.#target.count();
    let path = '';
    const said = await saidDuring(intercept, async () => {
      const { name, load } = this.startRound(requests);
      path = `/${name}/`;
      await act();
      expect(await load.result).toMatchObject({ answered: requests, errors: {} });
      await drained(this.#target, had + requests);
    });
    const of = async (server: StreamServer) =>
      (await server.records()).filter((record) => record.path.startsWith(path));
    const comparison = compare(await of(this.#online), await of(this.#target));
    const text = `${inWords(comparison)}\n${tcpcopy.text().slice(-3000)}\n${said.slice(-1500)}`;
    expect(comparison.online, text).toBe(requests);
    expect(isIdentical(comparison), text).toBe(true);
    expectFewLines(said);
    expect(residentMegabytes(intercept.child.pid)).toBeLessThan(MEMORY);
    return said;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
  }
}

/** A lab with servers, keys and certificates: of `intercept` by `ca`, and another authority. */
export async function openDoors(): Promise<Doors> {
  const lab = await createLab({ more: ['online2'] });
  const online = await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  // For those who connect as a client of the target does; the answers go by the assistant.
  const own = Array.from({ length: 30 }, (_, i) => `addr add 10.66.0.${101 + i}/24 dev eth0`);
  const input = ['addr add 10.88.9.9/32 dev lo', ...own].join('\n');
  await lab.exec('online2', 'ip', ['-batch', '-'], { input });
  const doors = new Doors(lab, online, target);
  doors.makeFile('key', `${KEY}\n`);
  doors.makeFile('other', 'a key that somebody else has\n');
  doors.certificates.makeCa('ca');
  doors.certificates.makeCa('other-ca');
  doors.certificates.certify('good', `IP:${doors.intercept}`, 'ca', 2);
  return doors;
}

/** What `program` prints meanwhile. */
export async function saidDuring(program: Program, act: () => Promise<unknown>): Promise<string> {
  const before = program.child.stderr.length;
  await act();
  return program.child.stderr.slice(before);
}

/** However much was tried, the log can be read. */
export function expectFewLines(said: string): void {
  const lines = said.split('\n').filter((line) => line !== '');
  expect(lines.length, said.slice(0, 3000)).toBeLessThan(FEW_LINES);
}

export async function stop(...programs: readonly Program[]): Promise<void> {
  for (const program of programs) {
    expect(await program.stop(), program.text()).toEqual({ code: 0, signal: null });
  }
}
