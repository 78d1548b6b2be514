import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename } from 'node:path';
import { LOCK_EX, LOCK_NB } from './constants.ts';
import { libc } from './libc.ts';

/** Of a pid file, in octets: a number and whatever ends the line. */
const MAX_LENGTH = 32;

/** The pid file cannot be had. The message says why and what to do. */
export class PidFileError extends Error {
  override readonly name = 'PidFileError';
}

export interface PidFile {
  /** The process that a former run left in the file without cleaning up; undefined when there was none. */
  readonly stale: number | undefined;
  /** Removes the file. */
  close(): void;
}

/**
 * Writes this process's id to `path` and keeps the file locked, so that a second instance is refused even when ids are used again
 * after a reboot. A file that an original program wrote has no lock: there, a living process that runs `program` counts.
 * The file goes with `close` or with the process. Throws `PidFileError`.
 */
export function writePidFile(path: string, program: string): PidFile {
  // One that ends removes its file: perhaps between our opening and our lock, which is then on a file that nobody finds.
  let held: PidFile | undefined;
  while (held === undefined) held = tryToHold(path, program);
  return held;
}

function tryToHold(path: string, program: string): PidFile | undefined {
  const fd = openPidFile(path);
  try {
    const former = readPid(path, fd);
    const locked = libc.flock(fd, LOCK_EX | LOCK_NB) === 0;
    if (!locked || (former !== undefined && runs(former, program))) {
      const holder = former === undefined ? 'another process' : `process ${former}`;
      throw new PidFileError(
        `Cannot write the pid file '${path}': ${holder} runs with it: stop that one first, or give this one a file of its own with -P`,
      );
    }
    if (!leadsTo(path, fd)) {
      closeSync(fd);
      return undefined;
    }
    fill(path, fd);
    return heldPidFile(path, fd, former);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** An empty file of a process that did not start would say nothing; it goes. */
function fill(path: string, fd: number): void {
  try {
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`, 0);
  } catch (error) {
    unlinkSync(path);
    const why = error instanceof Error ? error.message : String(error);
    throw new PidFileError(
      `Cannot write the pid file '${path}': ${why}: name a file where there is room, with -P`,
    );
  }
}

/** A pipe must not keep us until somebody reads it, and a link must not lead to a file of somebody else. */
const OPEN_FLAGS =
  constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOFOLLOW;

function openPidFile(path: string): number {
  try {
    return openSync(path, OPEN_FLAGS, 0o644);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new PidFileError(
      `Cannot write the pid file '${path}': ${why}: name a file in a directory that exists and may be written, with -P`,
    );
  }
}

function heldPidFile(path: string, fd: number, stale: number | undefined): PidFile {
  let open = true;
  const close = (): void => {
    if (!open) return;
    open = false;
    process.off('exit', close);
    try {
      // Somebody may have removed it, and another instance have one of its own there.
      if (leadsTo(path, fd)) unlinkSync(path);
    } catch {
      // This process has become a user that may not: then it is empty.
      ftruncateSync(fd);
    }
    closeSync(fd);
  };
  process.on('exit', close);
  return { stale, close };
}

/** Whether `path` names the very file that is open as `fd`. */
function leadsTo(path: string, fd: number): boolean {
  const named = lstatSync(path, { throwIfNoEntry: false });
  const opened = fstatSync(fd);
  return named !== undefined && named.ino === opened.ino && named.dev === opened.dev;
}

/** The number in the file. What is neither empty nor such a number is no pid file, and is left as it is. */
function readPid(path: string, fd: number): number | undefined {
  const found = fstatSync(fd);
  if (!found.isFile()) throw noPidFile(path, 'a pipe or a device');
  const text = found.size > MAX_LENGTH ? 'too long' : readFileSync(fd, 'utf8').trim();
  if (text === '') return undefined;
  if (!/^\d{1,10}$/.test(text)) throw noPidFile(path, 'a file that holds something else');
  return Number(text);
}

const noPidFile = (path: string, found: string): PidFileError =>
  new PidFileError(
    `Cannot write the pid file '${path}': it is ${found}; expected no file, an empty one, or one with a process number: name another with -P`,
  );

/** Whether the process `pid` lives, is not this one and runs `program`, itself or as Node's script. */
function runs(pid: number, program: string): boolean {
  if (pid === process.pid) return false;
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return words.slice(0, 2).some((word) => basename(word, '.js') === program);
  } catch {
    return false;
  }
}
