import { createHash } from 'node:crypto';
import type { Child } from './child.ts';
import type { HostName, Lab } from './topology.ts';

const ARGUMENTS = '--port 6379 --bind 0.0.0.0 --protected-mode no --appendonly no';

/** A real redis-server on port 6379 of a host, without persistence. */
export async function startRedis(lab: Lab, host: HostName): Promise<Child> {
  const args = ARGUMENTS.split(' ').concat('--save', '', '--dir', lab.folder);
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
