import { expect } from 'vitest';
import { sleep } from '../../lab/child.ts';
import type { Comparison } from '../../lab/compare.ts';
import { describe as inWords, isIdentical } from '../../lab/compare.ts';
import { compareServers, drained, startHttpServer, startLoad } from '../../lab/http.ts';
import type { LoadPart, LoadResult } from '../../lab/load-plan.ts';
import { type Copying, type CopyOptions, startCopying } from '../../lab/programs.ts';
import type { RequestRecord } from '../../lab/records.ts';
import { compareStreams, type StreamComparison } from '../../lab/streams.ts';
import type { HostName, Lab } from '../../lab/topology.ts';
import { Outcome as End, OUTCOME_NAMES } from '../../src/session/outcome.ts';

/** What a copied load left behind. */
export interface Outcome {
  readonly result: LoadResult;
  readonly comparison: Comparison;
  readonly online: readonly RequestRecord[];
  readonly target: readonly RequestRecord[];
  /** Octet by octet; nothing but zeros unless the lab has `keepStreams`. */
  readonly streams: StreamComparison;
  /** What the programs printed. */
  readonly said: string;
}

export interface CopyLoadOptions extends CopyOptions {
  /** Requests that the target is to get; as many as were answered online by default. */
  readonly wanted?: number;
  /** Milliseconds of silence at the target that end the wait for requests that do not come. */
  readonly quiet?: number;
  /** Where the clients connect to; port 80 of the online server over IPv4 by default. */
  readonly to?: { readonly host?: string; readonly port?: number; readonly from?: HostName };
  /** Called when the load begins. */
  readonly begin?: () => void;
  /** Called before the programs are stopped. */
  readonly beforeStop?: (copying: Copying) => Promise<void>;
}

/** Starts a server on both sides, both programs, runs the load and stops the programs. */
export async function copyLoad(
  lab: Lab,
  parts: readonly LoadPart[],
  options: CopyLoadOptions = {},
): Promise<Outcome> {
  const online = await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  const { tcpcopy, intercept } = await startCopying(lab, options);
  options.begin?.();
  const result = await startLoad(lab, parts, options.to).result;
  await drained(target, options.wanted ?? result.answered, options.quiet);
  await options.beforeStop?.({ tcpcopy, intercept });
  const ends = [await tcpcopy.stop(), await intercept.stop()];
  const said = `tcpcopy:\n${tcpcopy.text()}\nintercept:\n${intercept.text()}`;
  expect(ends, said).toEqual([
    { code: 0, signal: null },
    { code: 0, signal: null },
  ]);
  return {
    result,
    comparison: await compareServers(online, target),
    online: await online.records(),
    target: await target.records(),
    streams: compareStreams(await online.streams(), await target.streams()),
    said,
  };
}

/** Everything was answered online, and the target got exactly that, in order, once. */
export function expectIdentical(outcome: Outcome, requests: number): void {
  const { result, comparison, said } = outcome;
  expect(result, JSON.stringify(result)).toMatchObject({ answered: requests, errors: {} });
  const text = `${inWords(comparison)}\n${said}`;
  expect(comparison.online, text).toBe(requests);
  expect(isIdentical(comparison), text).toBe(true);
}

/** The original's rule which connections `-r` chooses: chosen when below the percentage. */
export function selector(address: string, port: number): number {
  const [a = 0, b = 0] = address.split('.').map(Number);
  const k = (a + 256 * b + (port >> 8) + 256 * (port & 255)) % 65536;
  return ((k >> 8) + (k & 255)) % 100;
}

/** Splits `address:port`. */
export function peerOf(record: RequestRecord): { address: string; port: number } {
  const at = record.peer.lastIndexOf(':');
  return { address: record.peer.slice(0, at), port: Number(record.peer.slice(at + 1)) };
}

/** A heading of tcpcopy's account: how many there were, and what became of them, by the account's own words. */
export interface Section {
  readonly total: number;
  readonly parts: Readonly<Record<string, number>>;
}

/** Reads the lines under `heading` in the account at the end of what the programs said. */
export function readSection(said: string, heading: string): Section {
  const section = new RegExp(`^${heading} +(\\d+)\\n((?: {2}.*\\n)*)`, 'm').exec(said);
  if (section === null) throw new Error(`no "${heading}" in the account:\n${said}`);
  const lines = (section[2] ?? '').matchAll(/^ +(\S.*?) {2,}(\d+)$/gm);
  const parts = [...lines]
    .map(([, label = '', count]) => [label, Number(count)] as const)
    // Counted in another line already.
    .filter(([label]) => !label.startsWith('of these'));
  return { total: Number(section[1]), parts: Object.fromEntries(parts) };
}

/** Every connection that was captured has ended, in exactly one way, and by itself; and so has every request. */
export function expectAllEnded({ said }: Pick<Outcome, 'said'>, seen: number): void {
  const connections = readSection(said, 'connections seen');
  expect(connections.total, said).toBe(seen);
  for (const { total, parts } of [connections, readSection(said, 'requests captured')]) {
    expect(
      Object.values(parts).reduce((sum, count) => sum + count, 0),
      said,
    ).toBe(total);
  }
  for (const end of [End.open, End.stopped, End.internalError, End.unregistered]) {
    expect(connections.parts, said).not.toHaveProperty([OUTCOME_NAMES[end] as string]);
  }
}

/** What the target got on each connection is how that connection began online, octet by octet. */
export function expectTrue({ streams, said }: Pick<Outcome, 'streams' | 'said'>): void {
  const text = `${JSON.stringify(streams, null, 1)}\n${said}`;
  expect(streams.target, text).toBeGreaterThan(0);
  expect(streams.whole + streams.prefix, text).toBe(streams.target);
}

/**
 * Waits until the target's kernel knows of no copy any more, TIME-WAIT apart, a quarter of a minute at the most; then for so long that a
 * copy whose last acknowledgement was lost some times has ended too.
 */
export async function targetIdle(lab: Lab): Promise<void> {
  for (let i = 0; i < 75; i++) {
    const { stdout } = await lab.exec('target', 'ss', [
      '-Htan',
      'state',
      'connected',
      'exclude',
      'time-wait',
    ]);
    if (stdout.trim() === '') break;
    await sleep(200);
  }
  await sleep(8000);
}
