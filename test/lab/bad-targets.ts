import { expect } from 'vitest';
import { inconsistencies, readAccount } from '../../lab/account.ts';
import { sleep } from '../../lab/child.ts';
import { startLoad } from '../../lab/http.ts';
import type { LoadPart } from '../../lab/load-plan.ts';
import { type Copying, startCopying } from '../../lab/programs.ts';
import type { ServerPlan, Step } from '../../lab/stream-plan.ts';
import {
  compareStreams,
  type StreamComparison,
  type StreamServer,
  startStreamServer,
} from '../../lab/stream-records.ts';
import { createLab, type HostName, type Lab, type LabOptions } from '../../lab/topology.ts';

/** The client that is treated well, and the one that is not. */
export const GOOD = '10.77.0.1';
export const BAD = '10.77.0.2';

/** How a client leaves a connection: it closes first, after the server, or resets. */
export type Leaving = 'end' | 'closed' | 'reset';

const MARGIN = 300;

/** A lab with a server on both sides, of which the target's may misbehave, and both programs. */
export class Scene implements AsyncDisposable {
  readonly lab: Lab;
  readonly online: StreamServer;
  target: StreamServer;
  readonly copying: Copying;

  constructor(lab: Lab, online: StreamServer, target: StreamServer, copying: Copying) {
    this.lab = lab;
    this.online = online;
    this.target = target;
    this.copying = copying;
  }

  /** Runs the load to its end; every request must be answered online. */
  async load(...parts: LoadPart[]): Promise<void> {
    const result = await startLoad(this.lab, parts).result;
    const wanted = parts.reduce((sum, part) => sum + part.requests, 0);
    expect(result).toMatchObject({ answered: wanted, errors: {} });
  }

  /** Waits until nothing more arrives at the target for `quiet` milliseconds. */
  async settled(quiet = 1000): Promise<void> {
    for (let last = -1, now = await this.target.count(); now !== last; ) {
      await sleep(quiet);
      last = now;
      now = await this.target.count();
    }
  }

  /** Stops the programs and reads what is left of it all. */
  async end(): Promise<Ending> {
    await sleep(MARGIN);
    const { tcpcopy, intercept } = this.copying;
    const ends = [await tcpcopy.stop(), await intercept.stop()];
    const said = `tcpcopy:\n${tcpcopy.text()}\nintercept:\n${intercept.text()}`;
    expect(ends, said).toEqual([
      { code: 0, signal: null },
      { code: 0, signal: null },
    ]);
    const streams = compareStreams(this.online.records(), this.target.records());
    const printed = tcpcopy.child.stdout;
    expect(inconsistencies(readAccount(printed)), said).toEqual([]);
    const account = readConnections(printed);
    expect(account['internal error'] ?? 0, said).toBe(0);
    return { streams, account, said };
  }

  /** A counter of the target's kernel, of `nstat`; 0 where this kernel does not have it. */
  async kernelCount(name: string): Promise<number> {
    const { stdout } = await this.lab.exec('target', 'nstat', ['-asz', name]);
    return Number(new RegExp(`${name}\\s+(\\d+)`).exec(stdout)?.[1] ?? 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
  }
}

export interface SceneOptions extends LabOptions {
  /** What the target does to `BAD`, or to whom the plan says. */
  readonly target?: ServerPlan;
  readonly online?: ServerPlan;
  readonly tcpcopy?: readonly string[];
  /** Runs before the programs are started. */
  readonly prepare?: (lab: Lab) => Promise<unknown>;
}

export async function openScene(options: SceneOptions = {}): Promise<Scene> {
  const lab = await createLab({ clientAddresses: 2, ...options });
  await options.prepare?.(lab);
  const online = await startStreamServer(lab, 'online', options.online);
  const target = await startStreamServer(lab, 'target', { to: BAD, ...options.target });
  const copying = await startCopying(lab, { tcpcopy: options.tcpcopy ?? [] });
  return new Scene(lab, online, target, copying);
}

/** What is left when all has ended. */
export interface Ending {
  readonly streams: readonly StreamComparison[];
  /** What tcpcopy says of its connections, by its words, `connections seen` included. */
  readonly account: Readonly<Record<string, number>>;
  readonly said: string;
}

/** What an account says of its connections: the line itself, and the indented ones behind it. */
function readConnections(text: string): Record<string, number> {
  const section = /^connections seen.*\n(?: {2}.*\n)*/m.exec(text)?.[0] ?? '';
  const lines = section.matchAll(/^ *(\S.*?) +(\d+)$/gm);
  return Object.fromEntries([...lines].map(([, label, count]) => [label, Number(count)]));
}

/** The streams of the clients at `address`. */
export const streamsOf = (ending: Ending, address: string): StreamComparison[] =>
  ending.streams.filter(({ peer }) => peer.startsWith(`${address}:`));

/** Every stream of the clients at `address` arrived as it was sent, each on one connection. */
export function expectWhole(ending: Ending, address: string, count: number): void {
  const streams = streamsOf(ending, address);
  expect(streams.length, ending.said).toBe(count);
  for (const s of streams) {
    expect(s, `${JSON.stringify(s)}\n${ending.said}`).toMatchObject({
      connections: 1,
      target: s.online,
      isPrefix: true,
    });
  }
}

/** A GET as the clients of script-client.ts send it; the answer to it has 64 octets. */
export const request = (path: string): string =>
  `GET ${path}?size=64 HTTP/1.1\r\nHost: online\r\n\r\n`;

/** A client on `port` that asks for `paths`, one after the other, and begins anew from the same port for each of the lists. */
export function asks(port: number, how: Leaving, lists: readonly (readonly string[])[]): Step[] {
  return lists.flatMap((paths) => [
    { connect: { localAddress: BAD, localPort: port } },
    ...paths.flatMap((path) => [{ send: request(path) }, { receive: 64 }]),
    how,
  ]);
}

/** Counts the packets that arrive at a host and fit an nftables rule; the result reads the counter. */
export async function countPackets(
  lab: Lab,
  host: HostName,
  rule: string,
): Promise<() => Promise<number>> {
  const hook = 'type filter hook ingress device "eth0" priority 0;';
  await lab.exec(host, 'nft', [`table netdev seen { chain in { ${hook} ${rule} counter; }; }`]);
  return async () => {
    const { stdout } = await lab.exec(host, 'nft', ['list', 'table', 'netdev', 'seen']);
    return Number(/packets (\d+)/.exec(stdout)?.[1]);
  };
}

/** Sets a value below /proc/sys on a host. */
export async function setKernel(
  lab: Lab,
  host: HostName,
  name: string,
  value: number,
): Promise<void> {
  await lab.exec(host, 'sh', ['-c', `echo ${value} > /proc/sys/${name}`]);
}
