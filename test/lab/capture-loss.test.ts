// A capture that loses packets, while the connections online lose none: to port 80 so many in a thousand, to port 81 none. What
// it has missed never comes again, so a copy can only end where the hole is; that must be seen, and disturb no other.
import { expect, test } from 'vitest';
import type { Comparison } from '../../lab/compare.ts';
import { compareServers, drained, startHttpServer, startLoad } from '../../lab/http.ts';
import type { LoadPart } from '../../lab/load-plan.ts';
import { startCopying } from '../../lab/programs.ts';
import { compareStreams, type StreamComparison } from '../../lab/streams.ts';
import { CAPTURE_DEVICE, createLab } from '../../lab/topology.ts';
import { expectAllEnded, expectTrue, readSection } from './support.ts';

const LOSSY: readonly LoadPart[] = [
  { name: 's', kind: 'new', rate: 100, requests: 300, connections: 50 },
  { name: 'k', kind: 'keep-alive', rate: 300, requests: 900, connections: 10 },
  { name: 'm', kind: 'new', rate: 10, requests: 30, connections: 10, body: 200 * 1024 },
];
const WHOLE: LoadPart = { name: 'o', kind: 'keep-alive', rate: 200, requests: 600, connections: 4 };

/** Of these connections the capture never sees the end, and nothing is left to be sent: they are given up as idle. */
const IMPATIENT = ['-t', '12', '-k', '12'];
/** Longer than that, and than the ten seconds for which a hole may stay open. */
const QUIET = 17_000;
/** Shorter: what is held back by holes elsewhere would not come in time. */
const SHORT_QUIET = 5000;

interface Seen {
  readonly said: string;
  /** Of port 80. */
  readonly streams: StreamComparison;
  /** Of port 81. */
  readonly others: Comparison;
}

async function copyWithLoss(captureLoss: number, options: readonly string[]): Promise<Seen> {
  await using lab = await createLab({ captureLoss, keepStreams: true });
  const online = await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  const otherOnline = await startHttpServer(lab, 'online', 81);
  const otherTarget = await startHttpServer(lab, 'target', 81);
  const to = lab.ip4('target');
  const { tcpcopy } = await startCopying(lab, {
    x: `80-${to}:80,81-${to}:81`,
    filter: 'tcp and (src port 80 or src port 81)',
    tcpcopy: ['-i', CAPTURE_DEVICE, ...IMPATIENT, ...options],
  });
  const lossy = startLoad(lab, LOSSY).result;
  await startLoad(lab, [WHOLE], { port: 81 }).result;
  await drained(otherTarget, WHOLE.requests, SHORT_QUIET);
  const others = await compareServers(otherOnline, otherTarget);
  await lossy;
  await drained(target, Number.POSITIVE_INFINITY, QUIET);
  await tcpcopy.stop();
  const streams = compareStreams(await online.streams(), await target.streams());
  return { said: tcpcopy.text(), streams, others };
}

test.each([10, 50, 200])('%i of 1,000 packets: true prefixes', async (captureLoss) => {
  const seen = await copyWithLoss(captureLoss, ['-O']);
  expectTrue(seen);
  expect(seen.streams.prefix, seen.said).toBeGreaterThan(0);
  expect(seen.said).toMatch(/ capture gap +[1-9]/);
  expectAllEnded(seen, readSection(seen.said, 'connections seen').total);
  expect(seen.others, seen.said).toMatchObject({ online: 600, identical: 600, target: 600 });
});

test('200 of 1,000 packets, and connections are joined in their middle: no copy has holes', async () => {
  const seen = await copyWithLoss(200, []);
  expect(seen.streams.foreign, `${JSON.stringify(seen.streams)}\n${seen.said}`).toBe(0);
  // Of these only the few that also lack their first octets show as streams from the middle: now and then there is none.
  expect(seen.said).toMatch(/ joined after their start +[1-9]/);
  expectAllEnded(seen, readSection(seen.said, 'connections seen').total);
  expect(seen.others, seen.said).toMatchObject({ online: 600, identical: 600, target: 600 });
});
