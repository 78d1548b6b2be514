import type { RequestRecord } from './records.ts';

/** What became of the online requests at the target. `identical + lost + altered` is `online`. */
export interface Comparison {
  readonly online: number;
  readonly target: number;
  /** At the target with the same method, path and body. */
  readonly identical: number;
  readonly lost: number;
  /** Copies beyond the first of the same request. */
  readonly duplicated: number;
  /** There, but with another method or body, or with a body that never became complete. */
  readonly altered: number;
  /** At the target, but never online. */
  readonly unexpected: number;
  /** Online connections whose requests arrived in another order or on several connections. */
  readonly disordered: number;
  /** The first few differences in words. */
  readonly differences: readonly string[];
}

const SHOWN = 10;

/** Compares the two records as multisets of (method, path, body), then the order per connection.
 *  Requests without a complete body online are left out: they were never made. */
export function compare(
  onlineAll: readonly RequestRecord[],
  target: readonly RequestRecord[],
): Comparison {
  const online = onlineAll.filter((r) => r.complete);
  const differences: string[] = [];
  const differ = (text: string): void => {
    if (differences.length < SHOWN) differences.push(text);
  };
  const atTarget = byPath(target);
  let identical = 0;
  let lost = 0;
  let altered = 0;
  for (const wanted of online) {
    const found = atTarget.get(wanted.path);
    const at = found?.findIndex((r) => same(r, wanted)) ?? -1;
    if (found === undefined || found.length === 0) {
      lost += 1;
      differ(`lost: ${words(wanted)}`);
    } else if (at >= 0) {
      identical += 1;
      found.splice(at, 1);
    } else {
      altered += 1;
      differ(`altered: ${words(wanted)} arrived as ${words(found[0]!)}`);
      found.shift();
    }
  }
  const known = new Set(onlineAll.map((r) => r.path));
  let duplicated = 0;
  let unexpected = 0;
  for (const [path, rest] of atTarget) {
    if (known.has(path)) duplicated += rest.length;
    else unexpected += rest.length;
    for (const r of rest) differ(`${known.has(path) ? 'twice' : 'never online'}: ${words(r)}`);
  }
  const disordered = countDisordered(online, target, differ);
  return {
    online: online.length,
    target: target.length,
    identical,
    lost,
    duplicated,
    altered,
    unexpected,
    disordered,
    differences,
  };
}

/** True when the target got exactly what was online, and at least one request. */
export function isIdentical(c: Comparison): boolean {
  return c.online > 0 && c.identical === c.online && c.target === c.online && c.disordered === 0;
}

/** One line for a table or a failed assertion. */
export function describe(c: Comparison): string {
  const counts =
    `online ${c.online}, target ${c.target}, identical ${c.identical}, lost ${c.lost}, ` +
    `duplicated ${c.duplicated}, altered ${c.altered}, unexpected ${c.unexpected}, ` +
    `disordered ${c.disordered}`;
  return [counts, ...c.differences].join('\n  ');
}

function same(a: RequestRecord, b: RequestRecord): boolean {
  return a.method === b.method && a.length === b.length && a.hash === b.hash && a.complete;
}

function byPath(records: readonly RequestRecord[]): Map<string, RequestRecord[]> {
  const map = new Map<string, RequestRecord[]>();
  for (const r of records) {
    const list = map.get(r.path);
    if (list === undefined) map.set(r.path, [r]);
    else list.push(r);
  }
  return map;
}

/** An online connection is in order when the requests of it that arrived did so on one connection
 *  of the target, in the same sequence. */
function countDisordered(
  online: readonly RequestRecord[],
  target: readonly RequestRecord[],
  differ: (text: string) => void,
): number {
  const places = new Map<string, { peer: string; index: number }>();
  for (const [index, r] of target.entries()) {
    if (!places.has(r.path)) places.set(r.path, { peer: r.peer, index });
  }
  const last = new Map<string, { peer: string; index: number }>();
  const bad = new Set<string>();
  for (const r of online) {
    const place = places.get(r.path);
    if (place === undefined) continue;
    const before = last.get(r.peer);
    last.set(r.peer, place);
    if (before === undefined || bad.has(r.peer)) continue;
    if (before.peer !== place.peer || before.index > place.index) {
      bad.add(r.peer);
      differ(`disordered: ${words(r)} came on ${place.peer}, the one before on ${before.peer}`);
    }
  }
  return bad.size;
}

function words(r: RequestRecord): string {
  const end = r.complete ? '' : ', incomplete';
  return `${r.method} ${r.path} (${r.length} octets ${r.hash}${end}, from ${r.peer})`;
}
