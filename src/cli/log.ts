import { closeSync, constants, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { pino } from 'pino';
import type { Log } from '../ports/log.ts';
import { errnoCode, errnoWords } from './errno.ts';
import { ExitCode, StartError } from './exit-codes.ts';
import { LOG_LEVELS, type LogFormat, type LogLevel } from './log-level.ts';

/** Lines are kept up to this many octets while the destination takes none; past it they are counted and dropped. */
const MAX_BACKLOG = 1024 * 1024;

export interface LogOptions {
  /** Path of the file to append to, made with mode 0644; absent for stderr. */
  readonly file?: string;
  readonly level: LogLevel;
  /** Text by default. */
  readonly format?: LogFormat;
}

/** The log of a process. It never throws once it is open: what cannot be written is kept, then counted. */
export interface ProcessLog extends Log {
  /** Lines for text, and one record that holds `values` for JSON. */
  statistics(lines: readonly string[], values: Readonly<Record<string, number>>): void;
  /** From now on, the least important messages to write. */
  setLevel(level: LogLevel): void;
  /** Opens the file anew, after another program has renamed it; keeps the old one when that fails. */
  reopen(): void;
  /** Tries once more to write what is left. Lines written later are dropped. */
  close(): void;
  /** Writes that failed, and lines that were dropped since the log was opened. */
  readonly failures: { readonly writes: number; readonly lines: number };
}

/**
 * Opens a log of lines `2026-01-02T03:04:05.678Z info message`, in UTC, or of JSON objects with the same three parts. Every line is written when it is logged, so that
 * none is lost however the process ends; a destination that takes none does not hold the process up, except a pipe whose
 * reader stands still.
 * @throws StartError when the file cannot be opened.
 */
export function openLog(options: LogOptions): ProcessLog {
  const format = options.format === 'json' ? formatJson : formatLine;
  const writer = new LineWriter(openDestination(options.file), options.file, format);
  let threshold = LOG_LEVELS.indexOf(options.level);
  const isWanted = (level: LogLevel): boolean => LOG_LEVELS.indexOf(level) >= threshold;
  const at =
    (level: LogLevel) =>
    (message: string): void => {
      if (isWanted(level)) writer.write(format(new Date(), level, message));
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    statistics: (lines, values) => {
      if (!isWanted('info')) return;
      const time = new Date();
      if (options.format === 'json') writer.write(formatJson(time, 'info', 'statistics', values));
      else for (const line of lines) writer.write(format(time, 'info', line));
    },
    setLevel: (level) => {
      threshold = LOG_LEVELS.indexOf(level);
    },
    reopen: () => writer.reopen(),
    close: () => writer.close(),
    get failures() {
      return writer.failures;
    },
  };
}

/** One line with its newline. Control characters become visible; further lines of the message are indented. */
export function formatLine(time: Date, level: LogLevel, message: string): string {
  const text = message
    .trimEnd()
    .replace(/[^\P{Cc}\n]/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
    .replaceAll('\n', '\n    ');
  return `${time.toISOString()} ${level} ${text}\n`;
}

/** The same as an object on one line, with its newline. */
export function formatJson(
  time: Date,
  level: LogLevel,
  message: string,
  statistics?: Readonly<Record<string, number>>,
): string {
  const record = { time: time.toISOString(), level, message: message.trimEnd(), statistics };
  return `${JSON.stringify(record)}\n`;
}

type Destination = ReturnType<typeof pino.destination>;

function openDestination(file: string | undefined): Destination {
  let pipe: number | undefined;
  try {
    if (file !== undefined) pipe = probePipe(file);
    return pino.destination({
      dest: file ?? process.stderr.fd,
      append: true,
      mode: 0o644,
      sync: true,
      maxLength: MAX_BACKLOG,
      // Without this a full non-blocking pipe would stop the whole process in steps of 100 ms.
      retryEAGAIN: () => false,
    });
  } catch (error) {
    throw new StartError(
      exitCodeFor(error),
      `Cannot open the log file "${file}": ${errnoWords(error)}`,
      openHint(file ?? '', errnoCode(error)),
    );
  } finally {
    // Not sooner: its reader would take that for the end.
    if (pipe !== undefined) closeSync(pipe);
  }
}

/**
 * Opens a pipe in a way that fails where nobody reads it (ENXIO, fifo(7)): the ordinary way would stop the whole process until somebody does.
 * Undefined for whatever is no pipe.
 */
function probePipe(file: string): number | undefined {
  if (statSync(file, { throwIfNoEntry: false })?.isFIFO() !== true) return undefined;
  return openSync(file, constants.O_WRONLY | constants.O_NONBLOCK);
}

const exitCodeFor = (error: unknown): ExitCode => {
  const code = errnoCode(error);
  return code === 'EACCES' || code === 'EPERM' ? ExitCode.noPermission : ExitCode.config;
};

function openHint(file: string, code: string | undefined): string {
  if (code === 'ENOENT')
    return `Create the directory ${dirname(file)}, or name another file with -l.`;
  if (code === 'ENXIO') return 'Nobody is at its other end: start the reader of a pipe first.';
  if (code === 'EISDIR') return `Name a file in it: -l ${file}/tcpcopy.log.`;
  return 'Name a file that this user may write to with -l, or create it with the right owner.';
}

/** Writes lines through pino's destination, and accounts for those that it cannot write. */
class LineWriter {
  readonly #destination: Destination;
  readonly #file: string | undefined;
  readonly #format: typeof formatLine;
  #failedWrites = 0;
  #droppedLines = 0;
  /** Of the failure that lasts; undefined while writing works. */
  #failure: { reason: string; droppedBefore: number } | undefined;
  #isClosed = false;
  #lastError: unknown;

  constructor(destination: Destination, file: string | undefined, format: typeof formatLine) {
    this.#destination = destination;
    this.#file = file;
    this.#format = format;
    destination.on('error', (error: unknown) => this.#fail(error));
    destination.on('drop', () => this.#droppedLines++);
  }

  get failures(): { readonly writes: number; readonly lines: number } {
    return { writes: this.#failedWrites, lines: this.#droppedLines };
  }

  write(line: string): void {
    if (this.#isClosed) {
      this.#droppedLines++;
      return;
    }
    const before = this.#failedWrites;
    this.#destination.write(line);
    if (this.#failure && this.#failedWrites === before) this.#recover();
  }

  reopen(): void {
    if (this.#isClosed || this.#file === undefined) return;
    let pipe: number | undefined;
    try {
      pipe = probePipe(this.#file);
      this.#destination.reopen();
    } catch (error) {
      // The listener that would close the old file is left over, and must not meet the next reopening.
      this.#destination.removeAllListeners('ready');
      this.write(
        this.#format(
          new Date(),
          'error',
          `Cannot reopen the log file "${this.#file}": ${errnoWords(error)}`,
        ),
      );
    } finally {
      if (pipe !== undefined) closeSync(pipe);
    }
  }

  close(): void {
    if (this.#isClosed) return;
    // An empty line is no line: it only makes the destination try again to write what is left.
    if (this.#failure) this.write('');
    this.#isClosed = true;
    this.#destination.destroy();
  }

  #fail(error: unknown): void {
    // pino reports its first error to every listener twice.
    if (error === this.#lastError) return;
    this.#lastError = error;
    this.#failedWrites++;
    this.#failure ??= { reason: errnoWords(error), droppedBefore: this.#droppedLines };
  }

  #recover(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (!failure) return;
    const lost = this.#droppedLines - failure.droppedBefore;
    this.write(
      this.#format(
        new Date(),
        'warn',
        `The log could not be written for a while: ${failure.reason}; ${lost} lines are lost`,
      ),
    );
  }
}
