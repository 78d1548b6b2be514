import { resolve } from 'node:path';
import type { ProcessConfig } from './config.ts';
import { UsageError } from './exit-codes.ts';
import { isLogLevel } from './log-level.ts';
import { defaultLogFile } from './options-common.ts';
import type { OptionValues } from './option-values.ts';

/**
 * The common options. Paths become absolute, since a daemon leaves its directory. `warnings` are those of the program's
 * own options; the ones of `values` come before them.
 */
export function readProcessConfig(
  program: string,
  values: OptionValues,
  warnings: readonly string[],
): ProcessConfig {
  const daemon = values.has('daemon');
  const logFile = values.text('log-file') ?? (daemon ? defaultLogFile(program) : undefined);
  const pidFile = values.text('pid-file');
  const user = values.text('user');
  const controlSocket = values.text('control-socket');
  refuseSameFile(logFile, [
    ['-P', pidFile],
    ['--key-file', values.text('key-file')],
    ['--control-socket', controlSocket],
  ]);
  const level = values.text('log-level') ?? '';
  if (!isLogLevel(level)) throw new TypeError(`"${level}" passed the option table as a log level`);
  return {
    daemon,
    logLevel: level,
    logFormat: values.text('log-format') === 'json' ? 'json' : 'text',
    warnings: [...values.warnings, ...warnings],
    ...(logFile !== undefined && { logFile: resolve(logFile) }),
    ...(user !== undefined && { user }),
    ...(controlSocket !== undefined && { controlSocket: resolve(controlSocket) }),
    ...(pidFile !== undefined && { pidFile: resolve(pidFile) }),
  };
}

/** The log is appended to: to a file of another use that would be its end. */
function refuseSameFile(
  log: string | undefined,
  others: readonly (readonly [string, string | undefined])[],
): void {
  for (const [option, file] of others) {
    if (log === undefined || file === undefined || resolve(log) !== resolve(file)) continue;
    throw new UsageError(
      `Cannot use "${file}" for both -l and ${option}: expected a file for each`,
      'Name another file with -l.',
    );
  }
}

/** The filter of `-F`, blanks around it removed; absent when not given. */
export const readFilter = (values: OptionValues): string | undefined =>
  values.text('filter')?.trim();
