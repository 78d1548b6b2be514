import { spawn } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { lastErrno, libc } from './libc.ts';
import { SystemError } from './errors.ts';

/**
 * How `-d` works. A Node process cannot fork, so the parent starts the same command line again, in a session of its own, and
 * waits at a pipe. The child starts up as any other, with the parent's standard output and error, and says "ready" when packets
 * flow; then it lets go of the terminal. So the caller sees each message of a start that fails, and gets its exit status.
 *
 * ```
 * if (options.daemon && !isDaemonChild()) process.exit(await startDaemon());
 * …open the log, write the pid file, handle signals, start to capture…
 * daemonReady();
 * ```
 */
const CHANNEL_VARIABLE = 'TCPCOPY_DAEMON_CHANNEL';
const CHANNEL_FD = 3;
const READY = 'ready';
/** A process that died of a signal: the shells' convention. */
const SIGNAL_STATUS = 128;

const isChild = process.env[CHANNEL_VARIABLE] === String(CHANNEL_FD);
// Not to be inherited by what this process may start.
delete process.env[CHANNEL_VARIABLE];

/** This process is the one that `startDaemon` started. */
export const isDaemonChild = (): boolean => isChild;

/**
 * In the parent: starts this program again as a daemon and waits until it is ready or has failed. Resolves to the status that the
 * parent should exit with: 0, or the child's. SIGINT and SIGTERM in between go to the child.
 */
export function startDaemon(): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    env: { ...process.env, [CHANNEL_VARIABLE]: String(CHANNEL_FD) },
  });
  const interrupt = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  return new Promise<number>((resolve, reject) => {
    const channel = child.stdio[CHANNEL_FD] as Readable;
    let told = '';
    channel.setEncoding('utf8').on('data', (text: string) => {
      told += text;
      if (told.startsWith(READY)) resolve(0);
    });
    child.once('error', reject);
    child.once('exit', (status, signal) => resolve(exitStatus(status, signal)));
  }).finally(() => {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    child.unref();
    child.stdio[CHANNEL_FD]?.destroy();
  });
}

function exitStatus(status: number | null, signal: NodeJS.Signals | null): number {
  if (status !== null) return status === 0 ? 1 : status; // It ended before it was ready: no success.
  return SIGNAL_STATUS + (signal === null ? 0 : constants.signals[signal]);
}

/**
 * In the daemon: tells the parent that all is well, lets go of terminal and directory. Does nothing in other processes.
 * Relative paths mean something else from here on.
 */
export function daemonReady(): void {
  if (!isChild) return;
  process.chdir('/');
  const nothing = openSync('/dev/null', 'r+');
  for (const fd of [0, 1, 2]) {
    if (libc.dup2(nothing, fd) < 0) {
      throw new SystemError({ call: 'dup2', errno: lastErrno(), doing: 'let go of the terminal' });
    }
  }
  closeSync(nothing);
  try {
    writeSync(CHANNEL_FD, READY);
  } catch {
    // The parent was killed: nobody waits, and the daemon is up all the same.
  }
  closeSync(CHANNEL_FD);
}
