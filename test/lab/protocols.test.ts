// Stateful servers over copied connections: the target was told what the online server was told, and holds the same.
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { CommandResult, RunOptions } from '../../lab/child.ts';
import { type Copying, startCopying } from '../../lab/programs.ts';
import { redisDigest, startRedis, watchRedis } from '../../lab/redis.ts';
import { countStatements, differences, type Statements, settled } from '../../lab/statements.ts';
import { createLab, type Lab } from '../../lab/topology.ts';

type Side = 'online' | 'target';
type Reader = (side: Side) => Promise<Statements>;

interface Least {
  readonly connections: number;
  readonly statements: number;
}

/** Lines of the summary that would tell of a copy that did not behave as its client did. */
const BAD_ENDS =
  /not\s+answered in time|timed out|reset by target|refused|capture gap|internal error/;

/** 1 MB of text that needs no quoting. */
const MEGABYTE = randomBytes(750_000).toString('base64url').slice(0, 1_000_000);

function copyPort(lab: Lab, port: number): Promise<Copying> {
  const x = `${port}-${lab.ip4('target')}:${port}`;
  return startCopying(lab, { x, filter: `tcp and src port ${port}` });
}

/** Waits until the target has been told what the online server was, on each connection: what comes
 *  next may then build upon it from another connection. */
async function expectArrived(copying: Copying, read: Reader): Promise<void> {
  const { online, target } = await settled(read);
  expect(differences(online, target), copying.tcpcopy.text()).toEqual([]);
}

/** The end: the same as above, `least` of it, and no copy ended badly. */
async function expectSame(copying: Copying, read: Reader, least: Least): Promise<void> {
  await expectArrived(copying, read);
  const online = await read('online');
  expect(online.size).toBeGreaterThanOrEqual(least.connections);
  expect(countStatements(online)).toBeGreaterThanOrEqual(least.statements);
  await copying.tcpcopy.stop();
  expect(copying.tcpcopy.text()).not.toMatch(BAD_ENDS);
}

function onClient(
  lab: Lab,
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<CommandResult> {
  return lab.exec('client', command, args, options);
}

test('Redis: pipelines, transactions, scripts, blocking reads, values of 1 MB', async () => {
  await using lab = await createLab();
  const logs = new Map<Side, () => Statements>();
  for (const side of ['online', 'target'] as const) {
    await startRedis(lab, side);
    logs.set(side, await watchRedis(lab, side));
  }
  const copying = await copyPort(lab, 6379);
  const read: Reader = (side) => Promise.resolve(logs.get(side)!());
  const host = ['-h', lab.ip4('online')];
  const benchmark = (...args: string[]): Promise<CommandResult> =>
    onClient(lab, 'redis-benchmark', [...host, '-q', ...args]);
  // The order between connections is nobody's promise: what several do at a time must commute.
  await benchmark('-t', 'set,get,incr,sadd,hset,mset', '-r', '1000', '-n', '400', '-c', '8');
  await benchmark('-t', 'zadd', '-r', '1000', '-n', '200', '-c', '1');
  await expectArrived(copying, read);
  await benchmark('-t', 'set,incr,lpush,rpush', '-r', '1000', '-n', '2000', '-c', '8', '-P', '16');
  await expectArrived(copying, read);
  await benchmark('-t', 'set,get', '-d', '20000', '-r', '20', '-n', '100', '-c', '4');
  const cli = (input: string, ...args: string[]): Promise<CommandResult> =>
    onClient(lab, 'redis-cli', [...host, ...args], { input });
  await cli(REDIS_SESSION);
  await cli(REDIS_SESSION.replaceAll('first', 'third'), '-3');
  await cli(MEGABYTE, '-x', 'set', 'large');
  await expectArrived(copying, read);
  await cli(
    'getrange large 10 20\nstrlen large\nappend large x\nget large\nincr after-large\nquit\n',
  );
  const inserts = Array.from(
    { length: 2000 },
    (_, i) => `SET piped:${i} ${MEGABYTE.slice(i, i + 500)}\r\n`,
  );
  await cli(inserts.join(''), '--pipe');
  // Five times the consumer waits in the server before the producer speaks.
  const consumer = cli('blpop queue 20\n'.repeat(5).concat('set consumed 1\nquit\n'));
  for (let i = 0; i < 5; i++) await cli(`rpush queue job${i}\nquit\n`);
  expect((await consumer).stdout).toContain('job4');
  await expectSame(copying, read, { connections: 50, statements: 12_500 });
  expect(await redisDigest(lab, 'target')).toBe(await redisDigest(lab, 'online'));
});

/** A session with state of its own: another database, a transaction, a watched key, scripts, an error. */
const REDIS_SESSION = `select 3
client setname first
set first 1
multi
incr first
incrby first 41
rpush first:list a b c d e
exec
get first
watch first
multi
incr first
discard
eval "for i = 1, 100 do redis.call('hset', KEYS[1], 'field' .. i, i * tonumber(ARGV[1])) end return redis.call('hlen', KEYS[1])" 1 first:hash 7
hgetall first:hash
incr first:list
lrange first:list 0 -1
select 0
sort first:list
zadd first:set 1 one 2 two 3 three
zrangebyscore first:set 1 2 withscores
setrange first:range 1000 tail
expire first:range 10000
getdel first:nothing
ping
quit
`;
