// The demo: `npm run demo`. Raises the lab, copies a mixed HTTP load from the online host to the
// target host, and shows what came of it. Exit status 0 only if every request arrived identical.
import { sleep } from './child.ts';
import { isIdentical } from './compare.ts';
import {
  compareServers,
  drained,
  type RecordingServer,
  startHttpServer,
  startLoad,
} from './http.ts';
import type { LoadPart, LoadResult } from './load-plan.ts';
import { findNginx, startNginx } from './nginx.ts';
import { type Copying, interceptArgs, startCopying, tcpcopyArgs, typed } from './programs.ts';
import { createLab, type Lab } from './topology.ts';
import { type Usage, usedBetween } from './usage.ts';

/** What the clients do, all at the same time; about five seconds. */
const LOAD: readonly LoadPart[] = [
  { name: 'keep-alive', kind: 'keep-alive', requests: 2000, rate: 400, connections: 16 },
  { name: 'new', kind: 'new', requests: 300, rate: 60, connections: 100 },
  { name: 'post', kind: 'keep-alive', requests: 60, rate: 12, connections: 4, body: 24_000 },
  { name: 'upload', kind: 'keep-alive', requests: 15, rate: 3, connections: 2, body: 200_000 },
];

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** The one line that is rewritten while the load runs; plain lines where there is no terminal. */
function live(line: string): void {
  if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K  ${line}`);
  else print(`  ${line}`);
}

function explain(lab: Lab): void {
  const c = '10.88.0.1';
  print('');
  print('Four hosts, made of network namespaces on this machine:');
  print('');
  print(`  client    ${lab.ip4('client')}`);
  print(`  online    ${lab.ip4('online')}    the server that clients use; tcpcopy runs here`);
  print(`  target    ${lab.ip4('target')}    the server under test: it gets the copies`);
  print(
    `  assistant ${lab.ip4('assistant')}    intercept runs here; the target's responses end here`,
  );
  print('');
  print('What was typed on them:');
  print('');
  print(`  target     ip route add 10.88.0.0/16 via ${lab.ip4('assistant')}`);
  print(`  assistant  ${typed('intercept', interceptArgs())}`);
  print(`  online     ${typed('tcpcopy', tcpcopyArgs(lab, { c }))}`);
  print('');
}

async function watch(
  load: { progress(): Promise<{ sent: number; answered: number }>; result: Promise<LoadResult> },
  online: RecordingServer,
  target: RecordingServer,
): Promise<LoadResult> {
  let over = false;
  const end = (): void => {
    over = true;
  };
  load.result.then(end, end);
  const started = Date.now();
  while (!over) {
    // In the order in which a request gets there, from the end: so no count is ahead of another.
    const copied = await target.count();
    const there = await online.count();
    const { sent, answered } = await load.progress();
    const seconds = ((Date.now() - started) / 1000).toFixed(1).padStart(5);
    live(
      `${seconds} s   sent ${pad(sent)}   answered online ${pad(answered)}   ` +
        `seen online ${pad(there)}   seen at target ${pad(copied)}`,
    );
    await sleep(process.stdout.isTTY ? 100 : 1000);
  }
  if (process.stdout.isTTY) print('');
  return load.result;
}

const pad = (n: number): string => String(n).padStart(5);

function cpuRow(name: string, usage: Usage, requests: number): string {
  const total = usage.user + usage.system;
  const each = requests === 0 ? 0 : (total * 1000) / requests;
  return (
    `  CPU time of ${name.padEnd(30)}${total.toFixed(0).padStart(7)} ms` +
    `   (user ${usage.user.toFixed(0)}, system ${usage.system.toFixed(0)}; ` +
    `${each.toFixed(0)} µs a request; memory ${(usage.peak / 1024).toFixed(0)} MB)`
  );
}

function row(name: string, value: number): void {
  print(`  ${name.padEnd(42)}${String(value).padStart(7)}`);
}

async function demo(lab: Lab, server: 'nginx' | 'node'): Promise<boolean> {
  const start = server === 'nginx' ? startNginx : startHttpServer;
  const online = await start(lab, 'online');
  const target = await start(lab, 'target');
  explain(lab);
  const copying: Copying = await startCopying(lab, { c: '10.88.0.1' });
  print(`Copying. HTTP servers: ${server === 'nginx' ? 'nginx' : "Node's http"}.`);
  const before = [copying.tcpcopy.usage(), copying.intercept.usage()] as const;
  const result = await watch(startLoad(lab, LOAD), online, target);
  await drained(target, result.answered);
  const used = [
    usedBetween(before[0], copying.tcpcopy.usage()),
    usedBetween(before[1], copying.intercept.usage()),
  ] as const;
  await copying.tcpcopy.stop();
  await copying.intercept.stop();

  const c = await compareServers(online, target);
  print('');
  row('requests answered online', result.answered);
  row('requests that reached the target', c.target);
  row('identical (method, path, body)', c.identical);
  row('lost', c.lost);
  row('duplicated', c.duplicated);
  row('altered', c.altered);
  if (c.unexpected > 0) row('at the target, but never online', c.unexpected);
  print(cpuRow('tcpcopy', used[0], result.answered));
  print(cpuRow('intercept', used[1], result.answered));
  print('');
  const good = isIdentical(c) && result.answered === result.sent;
  if (good) {
    print('Every request reached the target, byte for byte, once.');
    return true;
  }
  for (const line of c.differences) print(`  ${line}`);
  for (const [error, n] of Object.entries(result.errors)) print(`  client: ${error}, ${n} times`);
  print('');
  print(`tcpcopy said:\n${copying.tcpcopy.text()}`);
  print(`intercept said:\n${copying.intercept.text()}`);
  print('NOT identical, see above.');
  return false;
}

const wish = process.argv.includes('--node') ? 'node' : 'nginx';
const lab = await createLab();
let good = false;
try {
  good = await demo(lab, wish === 'nginx' && findNginx() !== undefined ? 'nginx' : 'node');
} catch (error) {
  print(`demo: ${error instanceof Error ? error.message : String(error)}`);
} finally {
  await lab[Symbol.asyncDispose]();
}
process.exit(good ? 0 : 1);
