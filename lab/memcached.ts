import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from './child.ts';
import { addStatement, namedByContent, type Statements } from './statements.ts';
import type { HostName, Lab } from './topology.ts';

const ARGUMENTS = '-u root -p 11211 -l 0.0.0.0 -t 1 -I 4m -m 256';

/** A real memcached on port 11211 of a host, that says nothing until `watchMemcached`. */
export async function startMemcached(lab: Lab, host: HostName): Promise<void> {
  const script = 'log=$0; exec memcached "$@" 2> "$log"';
  const args = ['-c', script, logFile(lab, host), ...ARGUMENTS.split(' ')];
  const child = lab.spawn(host, `memcached on ${host}`, 'sh', args);
  for (let tries = 0; !(await answers(lab, host)); tries++) {
    if (!child.running || tries === 100) {
      throw new Error(`memcached on ${host} did not start:\n${child.output()}`);
    }
    await sleep(50);
  }
}

const logFile = (lab: Lab, host: HostName): string => join(lab.folder, `memcached-${host}.log`);

/** Sends commands of the text protocol, all at once, and returns what the server says until it closes. */
export async function memcachedText(
  lab: Lab,
  from: HostName,
  server: string,
  commands: string,
): Promise<string> {
  const input = `${commands}quit\r\n`;
  return (await lab.exec(from, 'curl', ['-sS', `telnet://${server}:11211`], { input })).stdout;
}

const locally = (lab: Lab, host: HostName, commands: string): Promise<string> =>
  memcachedText(lab, host, '127.0.0.1', commands);

async function answers(lab: Lab, host: HostName): Promise<boolean> {
  try {
    return (await locally(lab, host, 'version\r\n')).startsWith('VERSION');
  } catch {
    return false;
  }
}

/** How often each command came and succeeded, and how many items there are and have been. */
export async function memcachedCounts(lab: Lab, host: HostName): Promise<string> {
  const lines = (await locally(lab, host, 'stats\r\n')).split('\r\n');
  const counted = /^STAT (cmd_\w+|\w+_(hits|misses|badval)|(curr|total)_items) /;
  return lines.filter((line) => counted.test(line)).join('\n');
}

/** Makes a host's memcached log what it is told. The log has neither address nor values. */
export async function watchMemcached(lab: Lab, host: HostName): Promise<() => Statements> {
  await locally(lab, host, 'verbosity 2\r\n');
  return () => readLog(readFileSync(logFile(lab, host), 'latin1'));
}

/** Lines of what is read begin with `<` and the number of a socket, which is used again when it is closed. */
function readLog(text: string): Statements {
  const open = new Map<string, string[]>();
  const all: string[][] = [];
  for (const line of text.split('\n')) {
    const [, socket, words] = /^<(\d+) (.*)$/.exec(line) ?? [];
    if (socket === undefined) continue;
    if (words!.startsWith('new ')) {
      const list: string[] = [];
      open.set(socket, list);
      all.push(list);
    } else if (open.has(socket)) addStatement(open, socket, words!);
  }
  return namedByContent(all.filter((list) => list.length > 1));
}

/** The dump takes the connection over, so `quit` has to come after it. */
const DUMP = String.raw`
  { printf 'lru_crawler metadump all\r\n'; sleep 0.3; printf 'quit\r\n'; } |
    curl -sS telnet://127.0.0.1:11211`;

/** Keys with their sizes and times to live, and a digest of all values. */
export async function memcachedContent(lab: Lab, host: HostName): Promise<string> {
  const { stdout } = await lab.exec(host, 'sh', ['-c', DUMP]);
  const keys = [...stdout.matchAll(/^key=(\S+)/gm)].map(([, key]) => key!);
  const commands = keys.sort().map((key) => `get ${key}\r\n`);
  const values = await locally(lab, host, commands.join(''));
  const heads = values.split('\r\n').filter((line) => line.startsWith('VALUE '));
  return `${heads.join('\n')}\n${createHash('sha1').update(values).digest('hex')}`;
}
