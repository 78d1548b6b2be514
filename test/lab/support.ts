import { expect } from 'vitest';
import type { Comparison } from '../../lab/compare.ts';
import { describe as inWords, isIdentical } from '../../lab/compare.ts';
import { compareServers, drained, startHttpServer, startLoad } from '../../lab/http.ts';
import type { LoadPart, LoadResult } from '../../lab/load-plan.ts';
import { type CopyOptions, startCopying } from '../../lab/programs.ts';
import type { RequestRecord } from '../../lab/records.ts';
import type { Lab } from '../../lab/topology.ts';

/** What a copied load left behind. */
export interface Outcome {
  readonly result: LoadResult;
  readonly comparison: Comparison;
  readonly online: readonly RequestRecord[];
  readonly target: readonly RequestRecord[];
  /** What the programs printed. */
  readonly said: string;
}

export interface CopyLoadOptions extends CopyOptions {
  /** Milliseconds of silence at the target that end the wait for requests that do not come. */
  readonly quiet?: number;
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
  const result = await startLoad(lab, parts).result;
  await drained(target, result.answered, options.quiet);
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
