import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CommandResult, run, type RunOptions, sleep } from './child.ts';
import { addStatement, type Statements } from './statements.ts';
import type { HostName, Lab } from './topology.ts';

/** Debian keeps the server's commands in a folder for each version. */
const VERSIONS = '/usr/lib/postgresql';

/** PostgreSQL refuses to run as root, and inside an ordinary user's sandbox there is no other user. In a user namespace
 *  of its own the same user is `nobody`, and the data directory is nobody's. The IPC namespace takes the shared memory
 *  along when the server is killed. */
const AS_NOBODY = ['--user', '--ipc', '--map-user=65534', '--map-group=65534'];

const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '*',
  fsync: 'off',
  autovacuum: 'off',
  max_connections: '40',
  shared_buffers: '32MB',
  dynamic_shared_memory_type: 'mmap',
  log_statement: 'all',
  // Address and port of the client; a copy has those of its connection.
  log_line_prefix: '@%r|',
};

const ACCESS = `
host all plain 0.0.0.0/0 password
host all all 0.0.0.0/0 trust
`;

function command(name: string): string {
  const newest = readdirSync(VERSIONS)
    .map(Number)
    .sort((a, b) => b - a)[0];
  return join(VERSIONS, String(newest), 'bin', name);
}

/** Starts PostgreSQL on port 5432 of a host with a data directory of its own: database and user `postgres`, and
 *  everybody is trusted, but for `plain`, who would have to send a password as it is. The reader gives the statements so far by the clients' addresses. */
export async function startPostgres(lab: Lab, host: HostName): Promise<() => Statements> {
  const data = join(lab.folder, `postgres-${host}`);
  const log = `${data}.log`;
  const initial = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C'];
  await run('unshare', [...AS_NOBODY, command('initdb'), ...initial, '--no-sync']);
  appendFileSync(join(data, 'pg_hba.conf'), ACCESS);
  const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const server = [command('postgres'), '-D', data, '-k', data, ...settings];
  const child = lab.spawn(host, `postgres on ${host}`, 'sh', [
    '-c',
    'log=$0; exec unshare "$@" 2> "$log"',
    log,
    ...AS_NOBODY,
    ...server,
  ]);
  const ready = (): boolean => readFileSync(log, 'utf8').includes('ready to accept connections');
  const deadline = Date.now() + 20_000;
  do {
    await sleep(50);
    if (!child.running || Date.now() > deadline) {
      throw new Error(`postgres on ${host} did not start:\n${readFileSync(log, 'utf8')}`);
    }
  } while (!ready());
  return () => readLog(readFileSync(log, 'utf8'));
}

/** Runs psql on a host. Statements come as arguments (`-c`) or as its input. */
export function psql(
  lab: Lab,
  host: HostName,
  server: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<CommandResult> {
  const all = ['-X', '-q', '-A', '-t', '-h', server, '-U', 'postgres', ...args];
  return lab.exec(host, 'psql', all, options);
}

/** A line for each table of a host's database: name, rows, and a digest of the sorted rows without their times. */
export async function postgresContent(lab: Lab, host: HostName): Promise<string> {
  const { stdout } = await psql(lab, host, '127.0.0.1', [], { input: CONTENT });
  return stdout;
}

const CONTENT = String.raw`
SELECT format(
  'SELECT %L, count(*), md5(string_agg(r, E''\n'' ORDER BY r)) FROM (SELECT ROW(%s)::text r FROM %I) x',
  table_name, string_agg(quote_ident(column_name), ',' ORDER BY ordinal_position), table_name)
FROM information_schema.columns
WHERE table_schema = 'public' AND data_type NOT LIKE 'timestamp%'
GROUP BY table_name ORDER BY table_name \gexec
`;

/** An entry begins with the prefix; its further lines are indented by a tab. */
function readLog(text: string): Statements {
  const all = new Map<string, string[]>();
  for (const entry of text.split(/\n(?!\t)/)) {
    const [, client, words] = /^@(10\.[^|]+)\|(.*)$/s.exec(entry) ?? [];
    if (client !== undefined) addStatement(all, client, words!);
  }
  return all;
}
