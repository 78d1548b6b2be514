// Idle copies: `npm run bench:idle [-- CONNECTIONS]`. First in one process, in virtual time: what a copy weighs. Then in the
// lab, over real kernels: connections that ask twice and stay open, then a thousand new ones a second beside them.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { inconsistencies, readAccount } from '../lab/account.ts';
import { sleep } from '../lab/child.ts';
import { describe, isIdentical } from '../lab/compare.ts';
import { compareServers, drained, startHttpServer, startLoad } from '../lab/http.ts';
import { IdleCrowd, idleProcesses } from '../lab/idle.ts';
import { repositoryRoot } from '../lab/paths.ts';
import { type Program, startCopying } from '../lab/programs.ts';
import { createLab, type Lab } from '../lab/topology.ts';
import { usedBetween } from '../lab/usage.ts';
import { makeWeighable, type Weight, weigh } from '../lab/weigh.ts';
import { machineFacts } from './facts.ts';

const connections = Number(process.argv[2] ?? 100_000);
if (!(connections >= 1000)) {
  process.stderr.write(
    `bench:idle: ${process.argv[2]} is not a number of connections, 1,000 at least; use: [CONNECTIONS]\n`,
  );
  process.exit(2);
}

/** Octets that an idle copy may take. */
const LIMIT = 2048;
const REQUESTS = 2;
/** Connections begun a second, idle ones and those beside them. */
const OPEN_RATE = 1500;
const NEW_RATE = 1000;
const NEW_SECONDS = 20;
/** Seconds in which nothing happens and CPU is measured. */
const QUIET_SECONDS = 20;

const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
const failures: string[] = [];
const require = (holds: boolean, claim: string): void => {
  if (!holds) failures.push(claim);
};

function inOneProcess(): void {
  const child = join(repositoryRoot, 'test', 'sim', 'idle-memory-child.mjs');
  const args = ['--expose-gc', child, String(connections), '0'];
  const said = execFileSync(process.execPath, args, { encoding: 'utf8' });
  const { rss, heap, external } = JSON.parse(said) as Weight;
  print(`in virtual time: ${octets({ rss, heap, external })} for each of ${connections} copies`);
}

const octets = ({ rss, heap, external }: Weight): string =>
  `${Math.round(rss)} octets resident (heap ${Math.round(heap)}, beside it ${Math.round(external)})`;

function each(before: Weight, after: Weight): Weight {
  const per = (what: keyof Weight): number => (after[what] - before[what]) / connections;
  return { rss: per('rss'), heap: per('heap'), external: per('external') };
}

/** Milliseconds of CPU a second while nothing happens. */
async function idleCost(programs: readonly Program[]): Promise<string> {
  const before = programs.map((program) => program.usage());
  await sleep(QUIET_SECONDS * 1000);
  const costs = programs.map((program, i) => {
    const used = usedBetween(before[i]!, program.usage());
    return ((used.user + used.system) / QUIET_SECONDS).toFixed(1);
  });
  return `idle: tcpcopy ${costs[0]} ms of CPU a second, intercept ${costs[1]}`;
}

async function besideThem(lab: Lab, crowd: IdleCrowd): Promise<void> {
  const online = await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  const requests = NEW_RATE * NEW_SECONDS;
  const address = lab.ip4('client', idleProcesses(connections) + 1);
  const load = { name: 'n', kind: 'new', rate: NEW_RATE, requests, connections: 500 } as const;
  const result = await startLoad(lab, [{ ...load, addresses: [address] }]).result;
  await drained(target, result.answered);
  const comparison = await compareServers(online, target);
  print(
    `beside them: ${result.answered} new connections, ${Math.round(result.answered / result.seconds)} a second; ${describe(comparison)}`,
  );
  require(result.answered === requests, `only ${result.answered} of ${requests} were answered`);
  require(isIdentical(comparison), 'the target did not get what was online');
  const { open } = await crowd.target();
  require(open === connections, `${open} of ${connections} idle copies are left`);
}

async function inTheLab(): Promise<void> {
  await using lab = await createLab({ clientAddresses: idleProcesses(connections) + 1 });
  makeWeighable(lab);
  const crowd = new IdleCrowd(lab, connections, REQUESTS);
  await crowd.startServers();
  const ports = [80, ...crowd.ports];
  const { tcpcopy, intercept } = await startCopying(lab, {
    x: ports.map((port) => `${port}-${lab.ip4('target')}:${port}`).join(','),
    filter: `tcp and src host ${lab.ip4('target')}`,
  });
  const empty = [await weigh(lab, tcpcopy), await weigh(lab, intercept)] as const;
  crowd.startClients(OPEN_RATE);
  const wanted = connections * REQUESTS;
  const seen = await crowd.settled(({ answered }) => answered >= wanted);
  print(`in the lab: ${seen.open} copies open at the target, ${seen.answered} requests`);
  require(seen.open === connections && seen.answered === wanted, 'not all copies are there');
  await sleep(1000);
  const full = [await weigh(lab, tcpcopy), await weigh(lab, intercept)] as const;
  const copy = each(empty[0], full[0]);
  print(`  tcpcopy:   ${octets(copy)} for each, garbage included`);
  print(`  intercept: ${octets(each(empty[1], full[1]))} for each, garbage included`);
  // What the collector keeps for itself, some 25 MB, weighs on few connections more than they do.
  const weight = connections >= 100_000 ? copy.rss : copy.heap + copy.external;
  require(weight <= LIMIT, `${Math.round(weight)} octets a copy, more than ${LIMIT}`);
  print(await idleCost([tcpcopy, intercept]));
  await besideThem(lab, crowd);
  await crowd.close();
  await crowd.settled(({ open }) => open === 0);
  await sleep(8000); // Copies linger for six seconds.
  await tcpcopy.stop();
  await intercept.stop();
  const account = readAccount(tcpcopy.child.stdout);
  const ends = account.get('connections seen');
  print(`ended: ${JSON.stringify(Object.fromEntries(ends?.parts ?? []))} of ${ends?.total}`);
  failures.push(...inconsistencies(account));
  if (failures.length > 0) print(`\n${tcpcopy.child.stdout}\n${intercept.child.stdout}`);
}

const facts = machineFacts();
print(
  `Node ${facts.node}, Linux ${facts.kernel}, ${facts.processors} x ${facts.processor}; load average before: ${facts.loadBefore}`,
);
inOneProcess();
await inTheLab();
for (const failure of failures) print(`FAILED: ${failure}`);
if (failures.length > 0) process.exitCode = 1;
