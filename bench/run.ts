// The bench: `npm run bench [-- SECONDS]`. Paced loads in the lab; for each, what was lost and what
// a request cost each program. CPU is counted from the begin of the load to the end of the drain,
// so that start-up does not count. The text goes to the terminal, the same as JSON to
// bench/results/, so that runs can be compared.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compareServers, drained, startHttpServer, startLoad } from '../lab/http.ts';
import type { LoadPart } from '../lab/load-plan.ts';
import { repositoryRoot } from '../lab/paths.ts';
import { type Program, startCopying } from '../lab/programs.ts';
import { createLab } from '../lab/topology.ts';
import { type Usage, usedBetween } from '../lab/usage.ts';
import { machineFacts } from './facts.ts';
import { measureTurnaround } from './turnaround.ts';

/** Seconds of each load. */
const seconds = Number(process.argv[2] ?? 8);
if (!(seconds > 0)) {
  process.stderr.write(`bench: ${process.argv[2]} is not a number of seconds; use: [SECONDS]\n`);
  process.exit(2);
}

/** Seconds of the same load before, which do not count: these programs run for weeks, and code that
 *  is not yet compiled costs several times as much. */
const WARM_UP = 2;

const keepAlive = (rate: number): Load => ({
  title: `keep-alive, ${rate}/s over 32 connections`,
  part: { name: 'k', kind: 'keep-alive', rate, requests: rate * seconds, connections: 32 },
});
const newConnections = (rate: number): Load => ({
  title: `a new connection each, ${rate}/s`,
  part: { name: 'n', kind: 'new', rate, requests: rate * seconds, connections: 500 },
});

interface Load {
  readonly title: string;
  readonly part: LoadPart;
}

const LOADS: readonly Load[] = [
  keepAlive(1000),
  keepAlive(5000),
  newConnections(500),
  newConnections(1500),
];

/** Microseconds of CPU per request, and kilooctets. */
interface Cost {
  readonly user: number;
  readonly system: number;
  readonly total: number;
  readonly peak: number;
}

interface Row {
  readonly load: string;
  readonly online: number;
  readonly target: number;
  readonly identical: number;
  readonly lost: number;
  readonly duplicated: number;
  /** Requests a second that the client reached; below the pace when the machine is too small. */
  readonly pace: number;
  /** What went wrong at the client, by error. */
  readonly errors: Readonly<Record<string, number>>;
  /** The client's latency online, milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly tcpcopy: Cost;
  readonly intercept: Cost;
  readonly responses: Responses;
}

/** What intercept did with the responses, warm-up included. */
interface Responses {
  /** Microseconds of intercept's CPU for each response that it sent on. */
  readonly cost: number;
  /** Frames, each of one write, and responses in each. */
  readonly frames: number;
  readonly perFrame: number;
  /** Microseconds from the kernel that captured a response to the copy: of half of them, and of 99 in 100. */
  readonly p50: number;
  readonly p99: number;
}

const numberAfter = (text: string, label: RegExp): number =>
  Number(new RegExp(`${label.source}\\D*?(\\d+)`).exec(text)?.[1] ?? Number.NaN);

function responsesOf(
  tcpcopy: string,
  intercept: string,
  requests: number,
  microseconds: number,
): Responses {
  const sent = numberAfter(intercept, /sent to tcpcopy:/);
  const frames = numberAfter(intercept, /writes in which they were sent:/);
  const tenths = (n: number): number => Math.round(n * 10) / 10;
  return {
    cost: tenths((microseconds * requests) / sent),
    frames,
    perFrame: tenths(sent / frames),
    p50: numberAfter(tcpcopy, /from its kernel to us +p50/),
    p99: numberAfter(tcpcopy, /from its kernel to us +p50 \d+, p99/),
  };
}

function cost(before: Usage, program: Program, requests: number): Cost {
  const used = usedBetween(before, program.usage());
  const each = (ms: number): number => Math.round((ms * 10_000) / Math.max(1, requests)) / 10;
  return {
    user: each(used.user),
    system: each(used.system),
    total: each(used.user + used.system),
    peak: used.peak,
  };
}

async function measure(load: Load): Promise<Row> {
  await using lab = await createLab();
  const online = await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  const { tcpcopy, intercept } = await startCopying(lab);
  const warmUp = { ...load.part, name: 'w', requests: load.part.rate * WARM_UP };
  await startLoad(lab, [warmUp]).result;
  await drained(target, warmUp.requests);
  const before = { tcpcopy: tcpcopy.usage(), intercept: intercept.usage() };
  const result = await startLoad(lab, [load.part]).result;
  await drained(target, warmUp.requests + result.answered);
  const costs = {
    tcpcopy: cost(before.tcpcopy, tcpcopy, result.answered),
    intercept: cost(before.intercept, intercept, result.answered),
  };
  await tcpcopy.stop();
  await intercept.stop();
  const c = await compareServers(online, target);
  return {
    load: load.title,
    online: c.online,
    target: c.target,
    identical: c.identical,
    lost: c.lost,
    duplicated: c.duplicated,
    pace: Math.round(result.answered / result.seconds),
    errors: result.errors,
    p50: result.p50,
    p99: result.p99,
    ...costs,
    responses: responsesOf(
      tcpcopy.text(),
      intercept.text(),
      warmUp.requests + result.answered,
      costs.intercept.total,
    ),
  };
}

const COLUMNS = [
  'load',
  'online',
  'target',
  'lost',
  'twice',
  'pace/s',
  'tcpcopy µs',
  'intercept µs',
  'µs/resp.',
  'frames',
  'resp./fr.',
  'delay p50/p99',
];
const WIDTHS = [38, 8, 8, 6, 6, 7, 22, 22, 9, 8, 10, 14];

function line(cells: readonly string[]): string {
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(38) : cell.padStart(WIDTHS[i]!))).join('');
}

function cells(row: Row): string[] {
  const words = (c: Cost): string => `${c.total} (${c.user} + ${c.system})`;
  const { online, target, lost, duplicated, pace } = row;
  const { cost: each, frames, perFrame, p50, p99 } = row.responses;
  return [
    row.load,
    ...[online, target, lost, duplicated, pace].map(String),
    words(row.tcpcopy),
    words(row.intercept),
    ...[each, frames, perFrame].map(String),
    `${p50}/${p99}`,
  ];
}

const facts = machineFacts();
const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
print(`Node ${facts.node}, Linux ${facts.kernel}, ${facts.processors} x ${facts.processor}`);
print(
  `${seconds} s each, after ${WARM_UP} s whose requests count and whose CPU does not. CPU in µs`,
);
print(`per request, total (user + system); load average before: ${facts.loadBefore}`);
print(
  'of intercept also per response; delay: µs from the kernel that captured a response to the copy',
);
print('');
print(line(COLUMNS));
const rows: Row[] = [];
for (const load of LOADS) {
  const row = await measure(load);
  rows.push(row);
  print(line(cells(row)));
}
const turn = await measureTurnaround();
const peak = (name: 'tcpcopy' | 'intercept'): number =>
  Math.max(...rows.map((row) => row[name].peak)) / 1024;
print('');
print(
  `peak memory: tcpcopy ${peak('tcpcopy').toFixed(0)} MB, intercept ${peak('intercept').toFixed(0)} MB`,
);
print(
  `from a response to the next request, low load: p50 ${turn.p50} µs, p99 ${turn.p99} µs (${turn.turns} turns)`,
);
const folder = join(repositoryRoot, 'bench', 'results');
mkdirSync(folder, { recursive: true });
const file = join(folder, `${facts.date.replaceAll(':', '-').slice(0, 19)}.json`);
writeFileSync(file, `${JSON.stringify({ facts, seconds, rows, turn }, null, 2)}\n`);
print(`the same as JSON: ${file}`);
