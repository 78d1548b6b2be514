import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Child, run, sleep } from './child.ts';
import { addStatement, type Statements } from './statements.ts';
import type { HostName, Lab } from './topology.ts';

const ARGUMENTS = '--port 6379 --bind 0.0.0.0 --protected-mode no --appendonly no';

/** A real redis-server on port 6379 of a host, without persistence. */
export async function startRedis(lab: Lab, host: HostName): Promise<Child> {
  const args = ARGUMENTS.split(' ').concat('--save', '', '--dir', lab.folder);
  // Debian's seventh version has locked DEBUG DIGEST; a sixth does not know the lock.
  const { stdout } = await run('redis-server', ['--version']);
  if (Number(/v=(\d+)/.exec(stdout)?.[1]) >= 7) args.push('--enable-debug-command', 'local');
  const child = lab.spawn(host, `redis on ${host}`, 'redis-server', args);
  await child.waitFor(/Ready to accept connections/);
  return child;
}

/** What a Redis holds. */
export interface RedisContent {
  readonly keys: number;
  /** SHA-1 of the sorted key names. */
  readonly names: string;
}

/** Reads a host's Redis over its own loopback, where nothing is copied. */
export async function redisContent(lab: Lab, host: HostName): Promise<RedisContent> {
  const { stdout } = await lab.exec(host, 'redis-cli', ['-h', '127.0.0.1', '--scan']);
  const names = stdout.split('\n').filter((name) => name !== '');
  const hash = createHash('sha1').update(names.sort().join('\n')).digest('hex');
  return { keys: names.length, names: hash };
}

/** Redis's own digest of all keys and values of all databases, and how many keys each has. */
export async function redisDigest(lab: Lab, host: HostName): Promise<string> {
  const ask = (...words: string[]): Promise<{ stdout: string }> =>
    lab.exec(host, 'redis-cli', ['-h', '127.0.0.1', ...words]);
  const digest = await ask('debug', 'digest');
  const keyspace = await ask('info', 'keyspace');
  return `${digest.stdout}${keyspace.stdout.replaceAll(/,avg_ttl=\d+/g, '')}`;
}

/** Records what a host's Redis is told, from now on. The reader gives what it was told so far by the
 *  clients' addresses; a copy has the address and port of its connection, so both logs have the same names. */
export async function watchRedis(lab: Lab, host: HostName): Promise<() => Statements> {
  const file = join(lab.folder, `redis-monitor-${host}`);
  const command = 'exec redis-cli -h 127.0.0.1 monitor > "$0"';
  const child = lab.spawn(host, `redis monitor on ${host}`, 'sh', ['-c', command, file]);
  while (!existsSync(file) || !readFileSync(file, 'latin1').startsWith('OK')) {
    if (!child.running) throw new Error(`redis-cli monitor:\n${child.output()}`);
    await sleep(20);
  }
  return () => readMonitor(readFileSync(file, 'latin1'));
}

/** Lines are `1700000000.123456 [0 10.77.0.1:40000] "SET" "key" "value"`. */
function readMonitor(text: string): Statements {
  const all = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [, database, peer, words] = /^[\d.]+ \[(\d+) (10\.\S+)\] (.*)$/.exec(line) ?? [];
    if (peer !== undefined) addStatement(all, peer, `${database} ${words}`);
  }
  return all;
}
