import type { Histogram } from '../base/histogram.ts';
import { CountId } from '../control/count-id.ts';

const LABELS: readonly (readonly [CountId, string])[] = [
  [CountId.captured, 'packets captured'],
  [CountId.lostByKernel, 'lost before capture: its receive buffer was full'],
  [CountId.slowPeer, 'dropped: we read too slowly'],
  [CountId.neverRegistered, 'for sessions that nobody registered'],
  [CountId.expired, 'for sessions that had ended'],
  [CountId.foreign, 'no response of any target'],
  [CountId.unusable, 'not usable'],
];

/**
 * What the intercepts of ours have told of their side, as lines; none where all are originals. `delays`: of responses, from the
 * kernel of the assistant server to us, in microseconds by the clocks of both hosts.
 */
export function describeFarSide(counts: ReadonlyMap<number, number>, delays: Histogram): string[] {
  if (counts.size === 0) return [];
  const lines = ['at intercept, for all that it serves:'];
  for (const [id, label] of LABELS) {
    const count = counts.get(id) ?? 0;
    if (count > 0 || id === CountId.captured) lines.push(`  ${label.padEnd(35)} ${count}`);
  }
  if (delays.total > 0) {
    const [p50, p99] = [0.5, 0.99].map((part) => Math.round(delays.quantile(part)));
    lines.push(
      `  ${'microseconds from its kernel to us'.padEnd(35)} p50 ${p50}, p99 ${p99}, if the clocks agree`,
    );
  }
  return lines;
}
