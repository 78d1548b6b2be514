import { join } from 'node:path';
import { startHttpServer, startLoad, drained } from '../lab/http.ts';
import { startCopying } from '../lab/programs.ts';
import { createLab } from '../lab/topology.ts';

/** Turns of one connection, and how many of them pass before those that count: code that is run first is slow. */
const TURNS = 2400;
const WARM_UP = 1200;
/** The target answers after so long, the online server at once: the next request always waits for the response. */
const TARGET_DELAY_MS = 2;

/** What enters the switch with payload from the target's port 80, or for it; with the kernel's time stamps. */
const PAYLOAD = '(ip[2:2] - ((ip[0] & 0xf) << 2)) - ((tcp[12] & 0xf0) >> 2) != 0';
const FILTER = `tcp port 80 and ${PAYLOAD}`;
/** A line of tcpdump: a response that enters from the target, or a request that enters from the online server. */
const LINE = /^(\d+\.\d+) (?:(p-target) +\S+ +IP \S+\.80 > |(p-online) +\S+ +IP \S+ > \S+\.80: )/;

/** Microseconds. */
export interface Turnaround {
  readonly turns: number;
  readonly p50: number;
  readonly p99: number;
}

/**
 * How long a copy takes from a response of the target, on its way to the assistant server, to the next request, on its way
 * to the target: both captures, both programs and the control connection. Measured at the switch between the hosts, by the
 * kernel's time stamps, at low load: one connection, some 300 turns a second.
 */
export async function measureTurnaround(): Promise<Turnaround> {
  await using lab = await createLab();
  await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target', 80, TARGET_DELAY_MS);
  const { tcpcopy, intercept } = await startCopying(lab);
  const file = join(lab.folder, 'turns.pcap');
  const capture = ['-n', '-i', 'any', '-Q', 'in', '-s', '128', '-w', file, FILTER];
  const watcher = lab.spawn('switch', 'tcpdump', 'tcpdump', capture);
  await watcher.waitFor(/listening on/);
  const part = { name: 't', kind: 'keep-alive', rate: 0, requests: TURNS, connections: 1 } as const;
  const { answered } = await startLoad(lab, [part]).result;
  await drained(target, answered);
  await tcpcopy.stop();
  await intercept.stop();
  await watcher.stop('SIGINT', 10_000);
  const { stdout } = await lab.exec('switch', 'tcpdump', ['-n', '-tt', '-r', file]);
  return summarise(turnsOf(stdout).slice(WARM_UP));
}

/** Microseconds from each response of the target to the request that next leaves the online server. */
function turnsOf(text: string): number[] {
  const turns: number[] = [];
  let response: number | undefined;
  for (const line of text.split('\n')) {
    const [, seconds, fromTarget, fromOnline] = LINE.exec(line) ?? [];
    if (fromTarget) response = Number(seconds);
    else if (fromOnline && response !== undefined) {
      turns.push((Number(seconds) - response) * 1e6);
      response = undefined;
    }
  }
  return turns;
}

function summarise(turns: number[]): Turnaround {
  turns.sort((a, b) => a - b);
  const at = (share: number): number => Math.round(turns[Math.floor(turns.length * share)] ?? 0);
  return { turns: turns.length, p50: at(0.5), p99: at(0.99) };
}
