import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { parse, TomlError, type TomlValue } from 'smol-toml';
import { errnoWords } from './errno.ts';
import { ExitCode, exitCodeOf, StartError, UsageError } from './exit-codes.ts';
import { nearest } from './nearest.ts';
import type { OptionSetting, OptionSettings } from './option-settings.ts';
import type { OptionSpec, OptionValue, ProgramSpec } from './option-spec.ts';

/**
 * The options that the TOML file at `path` sets, by their long names.
 * @throws StartError when it cannot be read, UsageError when it is not TOML or sets what the program does not have.
 */
export function fileSettings(program: ProgramSpec, path: string): OptionSettings {
  return readSettings(program, path, readText(path));
}

/** As `fileSettings`, of a file whose text is known. */
export function readSettings(program: ProgramSpec, path: string, text: string): OptionSettings {
  const specs = new Map(program.options.map((spec) => [spec.name, spec]));
  const settings = new Map<string, OptionSetting>();
  for (const [name, value] of Object.entries(parseText(path, text))) {
    const spec = specs.get(name);
    if (spec === undefined || spec.commandLineOnly || name === 'config') {
      throw unknownKey(program, path, name, [...specs.keys()]);
    }
    const label = `${name} in "${path}"`;
    settings.set(name, { label, texts: textsOf(spec, label, value) });
  }
  return settings;
}

/** Octets of a configuration file: more is another file. */
const MAX_FILE = 1 << 20;

function readText(path: string): string {
  try {
    // A pipe would keep us until somebody writes to it.
    if (statSync(path).isFIFO()) throw noConfigFile(path);
    return readBounded(path);
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(
      exitCodeOf(error),
      `Cannot read the configuration file "${path}": ${errnoWords(error)}`,
      'Name a file that this user may read with --config.',
    );
  }
}

/** Some devices never end. */
function readBounded(path: string): string {
  const octets = Buffer.alloc(MAX_FILE + 1);
  const fd = openSync(path, 'r');
  try {
    let length = 0;
    for (let n = -1; n !== 0 && length < octets.length; length += n) {
      n = readSync(fd, octets, length, octets.length - length, null);
    }
    if (length > MAX_FILE) throw noConfigFile(path);
    return octets.toString('utf8', 0, length);
  } finally {
    closeSync(fd);
  }
}

const noConfigFile = (path: string): StartError =>
  new StartError(
    ExitCode.config,
    `Cannot use the configuration file "${path}": expected a file of ${MAX_FILE} octets at the most, and no pipe`,
  );

function parseText(path: string, text: string): Record<string, TomlValue> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split('\n')[0]?.replace('Invalid TOML document: ', '') ?? '';
    throw new UsageError(
      `Cannot read the configuration file "${path}", line ${error.line}: ${reason}`,
      'Expected lines such as: client-address = "198.51.100.x". --check writes such a file.',
    );
  }
}

function unknownKey(
  program: ProgramSpec,
  path: string,
  name: string,
  names: readonly string[],
): UsageError {
  const close = nearest(name, names);
  const known = names.includes(name) || close === undefined;
  return new UsageError(
    `Cannot use ${name} in "${path}": ${names.includes(name) ? 'it belongs on the command line' : `${program.name} has no such option`}`,
    known ? 'The keys of the file are the long names of the options.' : `Is ${close} meant?`,
  );
}

/** The value as it would be typed on the command line. */
function textsOf(spec: OptionSpec, label: string, value: TomlValue): string[] {
  const { kind } = spec.value;
  if (kind === 'flag' && typeof value === 'boolean') return value ? [''] : [];
  const isNumber = kind === 'integer' || kind === 'decimal' || kind === 'percentage';
  const type = isNumber ? 'number' : 'string';
  const items = kind === 'list' && Array.isArray(value) ? value : [value];
  if (kind !== 'flag' && items.length > 0 && items.every((item) => typeof item === type)) {
    return items.map(String);
  }
  throw new UsageError(
    `Cannot use ${label}: found ${found(value)}, expected ${expected(spec.value)}`,
  );
}

const found = (value: TomlValue): string => {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array';
  if (value instanceof Date) return 'a date';
  return typeof value === 'object' ? 'a table' : `${String(value)}, a ${typeof value}`;
};

function expected(value: OptionValue): string {
  switch (value.kind) {
    case 'flag':
      return 'true or false';
    case 'list':
      return 'an array of strings, or one string';
    case 'integer':
    case 'decimal':
    case 'percentage':
      return 'a number';
    default:
      return 'a string';
  }
}
