import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Child } from './child.ts';
import { labProgram } from './paths.ts';
import type { JournalLine, ScriptPlan, ServerPlan } from './stream-plan.ts';
import type { HostName, Lab } from './topology.ts';

/** One connection as a server saw it. */
export interface StreamRecord {
  readonly peer: string;
  octets: string;
  end: string;
}

/** A server that keeps what every connection sent (stream-server.ts). */
export interface StreamServer {
  readonly child: Child;
  /** Octets that this process has read so far, on all connections. */
  count(): Promise<number>;
  /** The connections in the order in which they were accepted, those of an earlier server on this host included. */
  records(): StreamRecord[];
}

/** Starts a server on port 80. One that is started again on the same host carries on the journal of the former. */
export async function startStreamServer(
  lab: Lab,
  host: HostName,
  plan: ServerPlan = {},
): Promise<StreamServer> {
  const file = join(lab.folder, `${host}.streams`);
  const args = [labProgram('stream-server'), '80', file, JSON.stringify(plan)];
  const child = lab.spawn(host, `server on ${host}`, process.execPath, args, { ipc: true });
  await child.waitFor(/listening/);
  return { child, count: () => child.ask<number>('count'), records: () => readJournal(file) };
}

function readJournal(file: string): StreamRecord[] {
  if (!existsSync(file)) return [];
  const records = new Map<string, StreamRecord>();
  for (const text of readFileSync(file, 'utf8').split('\n')) {
    if (text === '') continue;
    const line = JSON.parse(text) as JournalLine;
    const record = records.get(line.id) ?? { peer: line.peer, octets: '', end: 'open' };
    records.set(line.id, record);
    record.octets += line.octets;
    if (line.end !== undefined) record.end = line.end;
  }
  return [...records.values()];
}

/** Runs the scripts on the client host, against port 80 of the online server, to their end. */
export async function runScripts(lab: Lab, scripts: ScriptPlan['scripts']): Promise<void> {
  const plan: ScriptPlan = { host: lab.ip4('online'), port: 80, scripts };
  const args = [labProgram('script-client'), JSON.stringify(plan)];
  const child = lab.spawn('client', 'script client', process.execPath, args);
  await child.waitFor(/done/, 60_000);
  await child.ended;
}

/** What the target got of the streams of one client address and port. */
export interface StreamComparison {
  readonly peer: string;
  /** Octets sent online, on all connections of this peer, one after the other. */
  readonly online: number;
  /** Octets that arrived at the target. */
  readonly target: number;
  /** Connections there. */
  readonly connections: number;
  /** What each connection at the target got is a run of the online stream, none of it twice, in its order. */
  readonly inOrder: boolean;
  /** All that arrived is the beginning of the online stream. */
  readonly isPrefix: boolean;
  /** The last connection at the target got the end of the online stream. */
  readonly reachesEnd: boolean;
}

/** Compares what two servers kept, by client address and port. */
export function compareStreams(
  online: readonly StreamRecord[],
  target: readonly StreamRecord[],
): StreamComparison[] {
  const there = byPeer(target);
  return [...byPeer(online)].map(([peer, streams]) => {
    const whole = streams.join('');
    const pieces = there.get(peer) ?? [];
    const arrived = pieces.join('');
    return {
      peer,
      online: whole.length,
      target: arrived.length,
      connections: pieces.length,
      inOrder: areRunsInOrder(whole, pieces),
      isPrefix: whole.startsWith(arrived),
      reachesEnd: whole.endsWith(pieces.at(-1) ?? whole),
    };
  });
}

function byPeer(records: readonly StreamRecord[]): Map<string, string[]> {
  const map = new Map<string, string[]>();
  for (const { peer, octets } of records) {
    const list = map.get(peer);
    if (list === undefined) map.set(peer, [octets]);
    else list.push(octets);
  }
  return map;
}

function areRunsInOrder(whole: string, pieces: readonly string[]): boolean {
  let from = 0;
  for (const piece of pieces) {
    const at = whole.indexOf(piece, from);
    if (at < 0) return false;
    from = at + piece.length;
  }
  return true;
}
