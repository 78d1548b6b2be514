// Stateful servers over copied connections: the target was told what the online server was told, and holds the same.
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type CommandResult, type RunOptions, sleep } from '../../lab/child.ts';
import { mariadb, mariadbContent, mariadbStatements, startMariadb } from '../../lab/mariadb.ts';
import {
  memcachedContent,
  memcachedCounts,
  memcachedText,
  startMemcached,
  watchMemcached,
} from '../../lab/memcached.ts';
import { postgresContent, psql, startPostgres } from '../../lab/postgres.ts';
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

test('PostgreSQL: transactions, prepared statements, pipelines, COPY, temporary tables', async () => {
  await using lab = await createLab();
  const logs = {
    online: await startPostgres(lab, 'online'),
    target: await startPostgres(lab, 'target'),
  };
  const read: Reader = (side) => Promise.resolve(logs[side]());
  const copying = await copyPort(lab, 5432);
  const server = lab.ip4('online');
  const bench = (...args: string[]): Promise<CommandResult> =>
    onClient(lab, 'pgbench', ['-h', server, '-U', 'postgres', ...args, 'postgres']);
  const session = (input: string): Promise<CommandResult> =>
    psql(lab, 'client', server, [], { input });
  // 100,000 rows by COPY, 10 MB.
  await bench('-i', '-q');
  await session(POSTGRES_TABLES);
  await expectArrived(copying, read);
  // Debits and credits commute. That of the four who wait for the same row differs on each side.
  await bench('-n', '-M', 'prepared', '-c', '4', '-j', '2', '-t', '100');
  await bench('-n', '-M', 'simple', '-C', '-c', '2', '-t', '20');
  const script = join(lab.folder, 'pipeline.sql');
  writeFileSync(script, POSTGRES_PIPELINE);
  await bench('-n', '-M', 'prepared', '-c', '4', '-t', '50', '-f', script);
  await Promise.all([
    session(POSTGRES_SESSION.replaceAll('NAME', 'one').replace('LARGE', MEGABYTE)),
    session(POSTGRES_SESSION.replaceAll('NAME', 'two').replace('LARGE', 'small')),
  ]);
  // A password that is sent as it is tells the target what it told the online server.
  await psql(lab, 'client', server, ['-U', 'plain', '-d', 'postgres'], {
    input: "INSERT INTO items VALUES (99, 'by plain');\n",
    env: { ...process.env, PGPASSWORD: 'open' },
  });
  // Somebody listens while another speaks: what the server says unasked comes at another time on the target.
  await Promise.all([
    session(`LISTEN news;\n${'SELECT pg_sleep(0.05);\n'.repeat(10)}UNLISTEN news;\n`),
    session(Array.from({ length: 20 }, (_, i) => `NOTIFY news, 'item ${i}';\n`).join('')),
  ]);
  await expectSame(copying, read, { connections: 50, statements: 4000 });
  const content = await postgresContent(lab, 'online');
  expect(content).toMatch(/items\|601\|.*\npgbench_history\|440\|.*\nsessions\|1006\|/s);
  expect(await postgresContent(lab, 'target')).toBe(content);
});

const POSTGRES_TABLES = `
CREATE TABLE counters (id int PRIMARY KEY, value bigint NOT NULL);
INSERT INTO counters SELECT n, 0 FROM generate_series(0, 9) n;
CREATE TABLE items (client int, text text);
CREATE TABLE sessions (name text, step int, text text, PRIMARY KEY (name, step));
CREATE ROLE plain LOGIN PASSWORD 'open';
GRANT ALL ON items TO plain;
`;

/** Sent at once, answered at once. */
const POSTGRES_PIPELINE = String.raw`
\set n random(0, 9)
\startpipeline
INSERT INTO items VALUES (:client_id, repeat('x', :n * 100)), (:client_id, 'second'), (:client_id, NULL);
SELECT count(*) FROM items WHERE client = :client_id;
UPDATE counters SET value = value + :n WHERE id = :n;
\endpipeline
`;

const POSTGRES_SESSION = `
SET search_path = pg_temp, public;
SET work_mem = '1MB';
CREATE TEMP TABLE scratch (n int, text text);
\\copy scratch FROM STDIN
1	one
2	two \\\\ and more
\\.
INSERT INTO scratch SELECT n, repeat('r', n) FROM generate_series(3, 500) n;
BEGIN;
INSERT INTO sessions SELECT 'NAME', n, text FROM scratch;
SAVEPOINT before_the_error;
INSERT INTO sessions VALUES ('NAME', 1, 'again');
ROLLBACK TO before_the_error;
UPDATE sessions SET text = text || '!' WHERE name = 'NAME' AND step % 2 = 0;
COMMIT;
BEGIN;
DELETE FROM sessions WHERE name = 'NAME';
ROLLBACK;
PREPARE add (int, text) AS INSERT INTO sessions VALUES ('NAME', $1, $2);
EXECUTE add(1001, 'prepared');
EXECUTE add(1002, 'LARGE');
SELECT text FROM sessions WHERE name = 'NAME' AND step = 1002;
SELECT count(*), current_setting('work_mem') FROM scratch;
DECLARE rows CURSOR WITH HOLD FOR SELECT * FROM scratch ORDER BY n;
FETCH 100 FROM rows;
FETCH 300 FROM rows;
CLOSE rows;
INSERT INTO sessions SELECT 'NAME', 2000, md5(string_agg(text, ',' ORDER BY n)) FROM scratch;
DISCARD ALL;
`;

test('MariaDB: greeting, prepared statements, transactions, procedures, files, rows of 1 MB', async () => {
  await using lab = await createLab();
  await startMariadb(lab, 'online');
  await startMariadb(lab, 'target');
  const read: Reader = (side) => mariadbStatements(lab, side);
  const copying = await copyPort(lab, 3306);
  const session = (input: string): Promise<CommandResult> =>
    mariadb(lab, ['-u', 'app', 'app'], { input });
  const bench = (name: string, ...args: string[]): Promise<CommandResult> => {
    const server = [`--mysql-host=${lab.ip4('online')}`, '--mysql-user=app', '--mysql-db=app'];
    const size = ['--tables=2', '--table-size=1000'];
    return onClient(lab, 'sysbench', [name, ...server, ...size, ...args]);
  };
  await bench('oltp_read_write', 'prepare');
  await session(MARIADB_TABLES);
  await expectArrived(copying, read);
  // Increments commute, and each is a prepared statement that is executed.
  await bench('oltp_update_index', '--threads=4', '--events=1200', 'run');
  await bench('oltp_read_only', '--threads=3', '--events=60', 'run');
  await bench('oltp_update_index', '--threads=4', '--events=400', '--db-ps-mode=disable', 'run');
  await expectArrived(copying, read);
  await bench('oltp_read_write', '--threads=1', '--events=40', 'run');
  const file = join(lab.folder, 'rows.tsv');
  writeFileSync(file, Array.from({ length: 3000 }, (_, i) => `${i}\trow ${i}\n`).join(''));
  const script = MARIADB_SESSION.replace('ROWS', file);
  await Promise.all([
    session(script.replaceAll('NAME', 'one').replace('LARGE', MEGABYTE)),
    session(script.replaceAll('NAME', 'two').replace('LARGE', 'small')),
  ]);
  for (let i = 0; i < 20; i++) await session(`INSERT INTO short VALUES (${i}, 'x')`);
  await expectSame(copying, read, { connections: 30, statements: 3500 });
  const content = await mariadbContent(lab, 'online');
  expect(content).toMatch(/one\t3007\n.*sbtest2\t1000\n.*short\t20\n.*two\t3007\n/s);
  expect(await mariadbContent(lab, 'target')).toBe(content);
});

const MARIADB_TABLES = `
CREATE TABLE counters (id int PRIMARY KEY, value bigint NOT NULL);
INSERT INTO counters VALUES (0, 0), (1, 0), (2, 0), (3, 0);
CREATE TABLE short (step int PRIMARY KEY, text text);
DELIMITER //
CREATE PROCEDURE count_up(IN counter int, IN times int)
BEGIN
  WHILE times > 0 DO
    UPDATE counters SET value = value + 1 WHERE id = counter;
    SET times = times - 1;
  END WHILE;
  SELECT 'counted', counter;
  SELECT 'twice';
END //
DELIMITER ;
`;

const MARIADB_SESSION = `
CREATE TABLE NAME (step int PRIMARY KEY, text longtext);
SET SESSION sql_mode = 'ANSI_QUOTES';
SET @total = 40;
CREATE TEMPORARY TABLE scratch (n int PRIMARY KEY, text varchar(500));
LOAD DATA LOCAL INFILE 'ROWS' INTO TABLE scratch (n, text);
INSERT INTO scratch VALUES (3001, 'a'), (3002, 'b'), (3003, @total + 2);
START TRANSACTION;
INSERT INTO NAME SELECT n, text FROM scratch;
SAVEPOINT half;
UPDATE NAME SET text = CONCAT(text, '!') WHERE step % 3 = 0;
ROLLBACK TO SAVEPOINT half;
UPDATE NAME SET text = CONCAT(text, '?') WHERE step % 5 = 0;
COMMIT;
START TRANSACTION;
DELETE FROM NAME;
ROLLBACK;
PREPARE add_row FROM 'INSERT INTO NAME VALUES (?, ?)';
SET @step = 10001, @text = 'prepared';
EXECUTE add_row USING @step, @text;
DEALLOCATE PREPARE add_row;
INSERT INTO NAME VALUES (10002, 'LARGE');
SELECT text FROM NAME WHERE step = 10002;
CALL count_up(1, 20);
CALL count_up(2, 5);
SELECT * FROM scratch ORDER BY n;
USE app;
INSERT INTO NAME SELECT 10003, MD5(GROUP_CONCAT(text ORDER BY n)) FROM scratch;
INSERT INTO NAME VALUES (10004, @@SESSION.sql_mode);
`;

test('memcached: both protocols, commands without answers, pipelines, values of 1 MB', async () => {
  await using lab = await createLab();
  for (const side of ['online', 'target'] as const) await startMemcached(lab, side);
  const copying = await copyPort(lab, 11211);
  const server = lab.ip4('online');
  // It compares and swaps with the numbers that the online server gave; the target gives the same ones, being told the same.
  const capable = await onClient(lab, 'memccapable', ['-h', server, '-p', '11211']);
  expect(capable.stdout).toContain('All tests passed');
  const counts = await memcachedCounts(lab, 'online');
  expect(counts).toMatch(/cas_hits [1-9]/);
  for (let i = 0; i < 100 && (await memcachedCounts(lab, 'target')) !== counts; i++)
    await sleep(50);
  expect(await memcachedCounts(lab, 'target')).toBe(counts);

  const logs = {
    online: await watchMemcached(lab, 'online'),
    target: await watchMemcached(lab, 'target'),
  };
  const read: Reader = (side) => Promise.resolve(logs[side]());
  const slap = (...args: string[]): Promise<CommandResult> =>
    onClient(lab, 'memcslap', [`--servers=${server}`, ...args]);
  await slap('--test=set', '--concurrency=6', '--execute-number=50');
  await slap('--test=set', '--concurrency=3', '--execute-number=50', '--noreply');
  await slap('--test=get', '--concurrency=4', '--execute-number=50', '--binary');
  await slap('--test=mget', '--concurrency=2', '--execute-number=50');
  const large = join(lab.folder, 'large');
  writeFileSync(large, MEGABYTE);
  await onClient(lab, 'memccp', [`--servers=${server}`, large]);
  await expectArrived(copying, read);
  const { stdout } = await onClient(lab, 'memccat', [`--servers=${server}`, 'large']);
  expect(stdout.trimEnd()).toBe(MEGABYTE);
  await memcachedText(lab, 'client', server, 'set sum 0 0 1\r\n0\r\n');
  await expectArrived(copying, read);
  const numbers = [1, 2, 3, 4];
  await Promise.all(numbers.map((n) => memcachedText(lab, 'client', server, memcachedSession(n))));
  await expectSame(copying, read, { connections: 20, statements: 1500 });
  // A get may have been copied before the set of another connection.
  const ordered = (all: string): string => all.replaceAll(/get_(hits|misses) \d+/g, '');
  const counted = ordered(await memcachedCounts(lab, 'online'));
  expect(ordered(await memcachedCounts(lab, 'target'))).toBe(counted);
  const content = await memcachedContent(lab, 'online');
  expect(content).toMatch(/VALUE large 0 1000000\n(.*\n)*VALUE sum 0 4\n/);
  expect(await memcachedContent(lab, 'target')).toBe(content);
});

/** What one of several clients sends in one go; what they share commutes. */
function memcachedSession(n: number): string {
  const lines = [
    `set own${n} 7 0 5\r\nfirst`,
    `touch own${n} 3000`,
    `gat 4000 own${n}`,
    `get own${n} none`,
  ];
  for (let i = 0; i < 100; i++) {
    lines.push(
      `incr sum ${n}${i % 2 === 0 ? ' noreply' : ''}`,
      `append own${n} 0 0 2\r\n,${i % 10}`,
    );
  }
  lines.push(
    `set gone${n} 0 0 2\r\nxx`,
    `delete gone${n}`,
    `ms meta${n} 4 T0\r\nmeta`,
    `mg meta${n} v t`,
  );
  return `${lines.join('\r\n')}\r\n`;
}
