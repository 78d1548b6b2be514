import { resolve } from 'node:path';
import type { ProcessConfig } from './config.ts';
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
  const level = values.text('log-level') ?? '';
  if (!isLogLevel(level)) throw new TypeError(`"${level}" passed the option table as a log level`);
  return {
    daemon,
    logLevel: level,
    logFormat: values.text('log-format') === 'json' ? 'json' : 'text',
    warnings: [...values.warnings, ...warnings],
    ...(logFile !== undefined && { logFile: resolve(logFile) }),
    ...(user !== undefined && { user }),
    ...(pidFile !== undefined && { pidFile: resolve(pidFile) }),
  };
}

/** The filter of `-F`, blanks around it removed; absent when not given. */
export const readFilter = (values: OptionValues): string | undefined =>
  values.text('filter')?.trim();
