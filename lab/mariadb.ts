import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CommandResult, run, type RunOptions, sleep } from './child.ts';
import { addStatement, namedByContent, type Statements } from './statements.ts';
import type { HostName, Lab } from './topology.ts';

/** Nothing here needs to outlive a crash, and 96 MB of log would lie in memory. */
const SMALL = ['--innodb-log-file-size=8M', '--skip-name-resolve', '--user=root'];

const SETTINGS = [
  '--port=3306',
  '--bind-address=0.0.0.0',
  '--skip-ssl',
  '--local-infile=1',
  '--innodb-flush-log-at-trx-commit=0',
  '--innodb-buffer-pool-size=32M',
  // The number of a prepared statement goes on counting when a cached thread takes the next connection, so it would
  // depend on which connections had closed by then: no two servers would agree, and a copy carries the online one's.
  '--thread-cache-size=0',
  '--general-log',
  '--log-output=TABLE',
];

/** Starts MariaDB on port 3306 of a host with a data directory of its own: a database `app` and a user `app` without a
 *  password. */
export async function startMariadb(lab: Lab, host: HostName): Promise<void> {
  const data = join(lab.folder, `mariadb-${host}`);
  const log = `${data}.log`;
  await run('mariadb-install-db', [
    '--no-defaults',
    `--datadir=${data}`,
    `--tmpdir=${lab.folder}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    ...SMALL,
  ]);
  const files = ['socket', 'pid-file'].map((name) => `--${name}=${data}.${name}`);
  const all = ['--no-defaults', `--datadir=${data}`, `--tmpdir=${lab.folder}`, ...files];
  const child = lab.spawn(host, `mariadbd on ${host}`, 'sh', [
    '-c',
    'log=$0; exec mariadbd "$@" 2> "$log"',
    log,
    ...all,
    ...SMALL,
    ...SETTINGS,
  ]);
  const said = (): string => (existsSync(log) ? readFileSync(log, 'utf8') : '');
  const deadline = Date.now() + 20_000;
  while (!said().includes('ready for connections')) {
    await sleep(50);
    if (!child.running || Date.now() > deadline) {
      throw new Error(`mariadbd on ${host} did not start:\n${said()}`);
    }
  }
  await asRoot(lab, host, USERS);
}

const USERS = `
CREATE DATABASE app;
CREATE USER app@'%';
GRANT ALL ON app.* TO app@'%';
`;

/** Runs the command-line client on the client host against the online server. */
export function mariadb(
  lab: Lab,
  args: readonly string[],
  options: RunOptions = {},
): Promise<CommandResult> {
  const all = ['--no-defaults', '--skip-ssl', '--local-infile=1', '-h', lab.ip4('online'), ...args];
  return lab.exec('client', 'mariadb', all, options);
}

/** Over the host's own loopback, where nothing is copied; a line a row, tabs between columns. */
async function asRoot(lab: Lab, host: HostName, input: string): Promise<string> {
  const args = ['--no-defaults', '--skip-ssl', '-h', '127.0.0.1', '-u', 'root', '-B', '-N'];
  return (await lab.exec(host, 'mariadb', args, { input })).stdout;
}

/** The general log of a host, without the commands of the lab itself. It does not tell the ports of clients. */
export async function mariadbStatements(lab: Lab, host: HostName): Promise<Statements> {
  const text = await asRoot(lab, host, LOG);
  const threads = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [thread, ...words] = line.split('\t');
    if (words.length > 0) addStatement(threads, thread!, words.join(' '));
  }
  return namedByContent(threads.values());
}

/** Long statements are told apart by their length and digest. */
const LOG = `
SELECT thread_id, command_type, IF(LENGTH(argument) <= 1000, argument,
  CONCAT(LEFT(argument, 100), '… ', LENGTH(argument), ' ', MD5(argument)))
FROM mysql.general_log WHERE user_host LIKE '%[10.%';
`;

/** Rows and checksum of each table of the database `app`. */
export async function mariadbContent(lab: Lab, host: HostName): Promise<string> {
  const names = (await asRoot(lab, host, 'SHOW TABLES FROM app;')).split('\n').filter(Boolean);
  const questions = names.map(
    (name) => `SELECT '${name}', COUNT(*) FROM app.${name}; CHECKSUM TABLE app.${name} EXTENDED;`,
  );
  return asRoot(lab, host, questions.join('\n'));
}
