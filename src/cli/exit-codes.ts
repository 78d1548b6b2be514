import { errnoCode } from './errno.ts';

/** Exit statuses of both commands; 64 and above follow sysexits.h. docs/exit-codes.md explains each to the user. */
export const ExitCode = {
  ok: 0,
  /** A failure while running that no other status describes; also an error of ours. */
  failure: 1,
  /** The command line is wrong, or asks for something that is refused. */
  usage: 2,
  /** A host that must answer does not: intercept. */
  unavailable: 69,
  /** The operating system refused something, such as a port that is in use. */
  system: 71,
  /** A privilege or a file permission is missing. */
  noPermission: 77,
  /** The command line is well formed but does not fit this machine: an unknown interface, a bad filter. */
  config: 78,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** A reason not to start, for a person: what failed, found and expected in `message`, the next step in `hint`. */
export class StartError extends Error {
  override readonly name: string = 'StartError';
  readonly exitCode: ExitCode;
  /** The next step; empty when there is nothing sensible to suggest. */
  readonly hint: string;

  constructor(exitCode: ExitCode, message: string, hint = '') {
    super(message);
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

/** The command line cannot be used: exit status 2. */
export class UsageError extends StartError {
  override readonly name: string = 'UsageError';

  constructor(message: string, hint = '') {
    super(ExitCode.usage, message, hint);
  }
}

const PERMISSION_CODES: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS']);
const PEER_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
const CONFIG_CODES: ReadonlySet<string> = new Set([
  'EADDRNOTAVAIL',

  'ENODEV',
  'ENXIO',
  'ENOENT',
  'EISDIR',
  'ENOTDIR',
]);

/** Errors of src/linux without an errno, by name, so that this file does not load libc for a message. */
const CONFIG_ERRORS: ReadonlySet<string> = new Set(['FilterError', 'PidFileError']);

/** The status to end with for whatever was thrown; system errors are told apart by their errno name. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof StartError) return error.exitCode;
  if (error instanceof Error && CONFIG_ERRORS.has(error.name)) return ExitCode.config;
  const code = errnoCode(error);
  if (code === undefined) return ExitCode.failure;
  if (PERMISSION_CODES.has(code)) return ExitCode.noPermission;
  if (PEER_CODES.has(code)) return ExitCode.unavailable;
  if (CONFIG_CODES.has(code)) return ExitCode.config;
  return ExitCode.system;
}

/** The lines to print on stderr for whatever was thrown: a message, and the next step indented below it. */
export function describeError(program: string, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof StartError ? error.hint : '';
  return `${program}: ${message}\n${hint === '' ? '' : `  ${hint.replaceAll('\n', '\n  ')}\n`}`;
}
