// The soak: `npm run soak`, ten minutes, or SOAK_MINUTES. Mixed load in the lab, with 2 % of the copies and 2 % of the responses
// lost, clients that reset, bursts, and a target that is killed and started again in the middle. Fails when the memory of a
// program still grows after the first fifth of the time, or when the accounts do not add up at the end.
import { inconsistencies, readAccount, type Section } from '../lab/account.ts';
import { sleep } from '../lab/child.ts';
import { compare, type Comparison, describe } from '../lab/compare.ts';
import { type RecordingServer, startHttpServer, startLoad } from '../lab/http.ts';
import { type Program, startCopying } from '../lab/programs.ts';
import type { RequestRecord } from '../lab/records.ts';
import { createLab, type Lab } from '../lab/topology.ts';
import { makeWeighable } from '../lab/weigh.ts';
import { machineFacts } from './facts.ts';
import { burst, BURST_EVERY, RESET_NAME, steadyLoad } from './soak-plan.ts';
import { Samples } from './soak-samples.ts';

const minutes = Number(process.env['SOAK_MINUTES'] ?? 10);
if (!(minutes >= 1)) {
  const given = process.env['SOAK_MINUTES'];
  process.stderr.write(`soak: SOAK_MINUTES=${given} is not a number of minutes, 1 at least\n`);
  process.exit(2);
}
const total = minutes * 60;
/** Samples in all; those of the first fifth do not count. */
const SAMPLES = 40;
const WARM_UP = total / 5;
/** Milliseconds from the death of the target to its return. */
const DOWN = 2000;
/** Requests that may be lost with the target: those of so many seconds. */
const LOST_SECONDS = 10;
/** Seconds of silence in which every copy must have come to its end: the longest is the one that waits for the target to close. */
const DRAIN = 150;

const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
const failures: string[] = [];

/** The target, which dies once: what it had seen until then is kept. */
class Target {
  readonly #lab: Lab;
  #server: RecordingServer;
  readonly #records: RequestRecord[] = [];

  constructor(lab: Lab, server: RecordingServer) {
    this.#lab = lab;
    this.#server = server;
  }

  async restart(): Promise<void> {
    this.#records.push(...(await this.#server.records()));
    await this.#server.child.stop('SIGKILL');
    await sleep(DOWN);
    this.#server = await startHttpServer(this.#lab, 'target');
  }

  async records(): Promise<RequestRecord[]> {
    return [...this.#records, ...(await this.#server.records())];
  }
}

/** Calls `act` at second `first` of the soak, then every `every` seconds until its end. */
async function repeat(
  first: number,
  every: number,
  act: (seconds: number, turn: number) => Promise<void>,
): Promise<void> {
  const start = Date.now();
  for (let turn = 0; first + turn * every < total; turn++) {
    const due = start + (first + turn * every) * 1000;
    await sleep(Math.max(0, due - Date.now()));
    await act((Date.now() - start) / 1000, turn);
  }
}

async function account(tcpcopy: Program): Promise<Map<string, Section>> {
  process.kill(tcpcopy.child.pid, 'SIGUSR2');
  await sleep(500);
  return readAccount(tcpcopy.child.stderr);
}

/** Waits until no copy is open, and returns the account of then. */
async function drain(tcpcopy: Program): Promise<Map<string, Section>> {
  for (let waited = 0; ; waited += 2) {
    const now = await account(tcpcopy);
    const open = now.get('connections seen')?.parts.get('open') ?? 0;
    if (open === 0 || waited > DRAIN) return now;
    await sleep(2000);
  }
}

function checkAccounts(drained: Map<string, Section>, tcpcopy: Program, intercept: Program): void {
  const end = readAccount(tcpcopy.child.stdout);
  failures.push(...inconsistencies(end));
  const ends = drained.get('connections seen')?.parts;
  for (const bad of ['open', 'internal error', 'stopped with the program']) {
    const count = Math.max(ends?.get(bad) ?? 0, end.get('connections seen')?.parts.get(bad) ?? 0);
    if (count > 0) failures.push(`${count} connections "${bad}" after ${DRAIN} s of silence`);
  }
  const held = drained.get('pieces held for targets');
  if (held?.total !== 0) failures.push(`pieces held after the end of all copies: ${held?.total}`);
  const received = end.get('responses received');
  const matched = received?.total ?? 0;
  const others = ['responses for no copy', 'responses not readable'].map(
    (label) => received?.parts.get(label) ?? 0,
  );
  const brought = others.reduce((a, b) => a + b, matched);
  const sent = Number(/sent to tcpcopy: +(\d+)/.exec(intercept.text())?.[1]);
  if (brought !== sent) failures.push(`intercept sent ${sent} responses, tcpcopy got ${brought}`);
}

function checkComparison(c: Comparison): void {
  const rate = c.online / total;
  if (c.altered + c.unexpected > 0) failures.push('the target got what was never online');
  if (c.lost > rate * LOST_SECONDS) failures.push(`${c.lost} requests lost`);
}

const withoutResets = (records: readonly RequestRecord[]): RequestRecord[] =>
  records.filter(({ path }) => !path.startsWith(`/${RESET_NAME}/`));

async function soak(): Promise<void> {
  await using lab = await createLab({ lossToTarget: 20, lossFromTarget: 20 });
  makeWeighable(lab);
  const online = await startHttpServer(lab, 'online');
  const target = new Target(lab, await startHttpServer(lab, 'target'));
  const { tcpcopy, intercept } = await startCopying(lab);
  const samples = new Samples(lab, [tcpcopy, intercept]);
  print(samples.header);
  const results = [
    startLoad(lab, steadyLoad(total)).result,
    repeat(0, total / SAMPLES, async (seconds) => print(await samples.take(seconds))),
    repeat(BURST_EVERY / 2, BURST_EVERY, async (_, turn) => {
      await startLoad(lab, [burst(turn)]).result;
    }),
    repeat(total / 2, total, async (seconds) => {
      print(`${seconds.toFixed(0).padStart(5)} the target is killed and started again`);
      await target.restart();
    }),
  ] as const;
  const [steady] = await Promise.all(results);
  print(`clients: ${steady.answered} of ${steady.sent} answered, ${JSON.stringify(steady.errors)}`);
  const drained = await drain(tcpcopy);
  print(`${await samples.take(total)} (all copies have ended)`);
  await tcpcopy.stop();
  await intercept.stop();
  const comparison = compare(
    withoutResets(await online.records()),
    withoutResets(await target.records()),
  );
  print(`\n${tcpcopy.child.stdout}\n${intercept.child.stdout}`);
  print(describe(comparison));
  failures.push(...samples.growth(WARM_UP));
  checkAccounts(drained, tcpcopy, intercept);
  checkComparison(comparison);
}

const facts = machineFacts();
print(
  `Node ${facts.node}, Linux ${facts.kernel}, ${facts.processors} x ${facts.processor}; load average before: ${facts.loadBefore}`,
);
await soak();
for (const failure of failures) print(`FAILED: ${failure}`);
print(failures.length === 0 ? 'the soak has passed' : 'the soak has failed');
if (failures.length > 0) process.exitCode = 1;
