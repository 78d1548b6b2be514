import { join } from 'node:path';
import type { Child } from './child.ts';
import { type Comparison, compare } from './compare.ts';
import type { LoadPart, LoadProgress, LoadResult } from './load-plan.ts';
import { labProgram } from './paths.ts';
import { type RequestRecord, readRecords } from './records.ts';
import type { HostName, Lab } from './topology.ts';
import { sleep } from './child.ts';
import { readStreams, type Stream } from './streams.ts';

/** A server that can say which requests it got, whatever it is made of. */
export interface RecordingServer {
  readonly child: Child;
  /** Requests so far. */
  count(): Promise<number>;
  records(): Promise<RequestRecord[]>;
}

/** A server that moreover remembers octets, where the lab has the option `keepStreams`. */
export interface StreamServer extends RecordingServer {
  /** What each connection brought, in the order in which they were accepted. */
  streams(): Promise<Stream[]>;
}

/** Starts the lab's own recording HTTP server (http-server.ts); `delay` in milliseconds before each answer to a GET. */
export async function startHttpServer(
  lab: Lab,
  host: HostName,
  port = 80,
  delay = 0,
): Promise<StreamServer> {
  const program = labProgram('http-server');
  const name = `http server on ${host}:${port}`;
  const args = [program, String(port), '::', String(delay)];
  if (lab.options.keepStreams === true) args.push('streams');
  const child = lab.spawn(host, name, process.execPath, args, { ipc: true });
  await child.waitFor(/listening/);
  const file = join(lab.folder, `${host}-${port}.records`);
  return {
    child,
    count: () => child.ask<number>('count'),
    records: async () => {
      await child.ask({ dump: file });
      return readRecords(file);
    },
    streams: async () => {
      await child.ask({ streams: file });
      return readStreams(file);
    },
  };
}

/** A load that runs. */
export interface RunningLoad {
  progress(): Promise<LoadProgress>;
  /** Resolves when all is answered; throws when the generator itself failed. */
  readonly result: Promise<LoadResult>;
}

/** Starts the load generator (load.ts) on the client host, or on `from`, towards `host`. */
export function startLoad(
  lab: Lab,
  parts: readonly LoadPart[],
  to: { host?: string; port?: number; from?: HostName } = {},
): RunningLoad {
  const plan = { host: to.host ?? lab.ip4('online'), port: to.port ?? 80, parts };
  const args = [labProgram('load'), JSON.stringify(plan)];
  const host = to.from ?? 'client';
  const child = lab.spawn(host, 'load generator', process.execPath, args, { ipc: true });
  let last: LoadProgress = { sent: 0, answered: 0 };
  const progress = async (): Promise<LoadProgress> => {
    if (!child.running) return last;
    // It may end between the question and the answer.
    const answer = child.ask<LoadProgress>('count', 2000).catch(() => last);
    last = await Promise.race([answer, child.ended.then(() => last)]);
    return last;
  };
  const result = child.ended.then(({ code }) => {
    if (code !== 0) throw new Error(`load generator failed:\n${child.output()}`);
    return JSON.parse(child.stdout) as LoadResult;
  });
  // Whoever waits for it later gets the failure; nobody may be waiting yet.
  result.catch(() => {});
  return { progress, result };
}

/** Waits until the target has as many requests as `wanted`, or nothing has come for `quiet`
 *  milliseconds; then a little longer, so that copies too many are seen. */
export async function drained(
  target: RecordingServer,
  wanted: number,
  quiet = 3000,
): Promise<void> {
  let last = -1;
  let since = Date.now();
  for (;;) {
    const now = await target.count();
    if (now >= wanted) break;
    if (now !== last) {
      last = now;
      since = Date.now();
    } else if (Date.now() - since > quiet) break;
    await sleep(50);
  }
  await sleep(300);
}

/** Compares what two servers have seen. */
export async function compareServers(
  online: RecordingServer,
  target: RecordingServer,
): Promise<Comparison> {
  return compare(await online.records(), await target.records());
}
