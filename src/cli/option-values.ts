import { resolve } from 'node:path';
import { Command, CommanderError, Option } from 'commander';
import { fileSettings } from './config-file.ts';
import { UsageError } from './exit-codes.ts';
import { nearest } from './nearest.ts';
import {
  type Environment,
  environmentSettings,
  mergeSettings,
  type OptionSetting,
  type OptionSettings,
} from './option-settings.ts';
import { optionLabel, optionSyntax, type OptionSpec, type ProgramSpec } from './option-spec.ts';
import { parseDecimal, parseInteger, parsePercentage } from './parse-number.ts';

/**
 * The options of one start, checked for form and range but not for meaning. Names are the long names of the table; asking
 * for a name or kind that the table does not have is a bug of ours and throws a TypeError.
 */
export class OptionValues {
  readonly warnings: string[] = [];
  readonly #specs: ReadonlyMap<string, OptionSpec>;
  readonly #given: OptionSettings;

  constructor(program: ProgramSpec, given: OptionSettings, warnings: readonly string[]) {
    this.warnings.push(...warnings);
    this.#specs = new Map(program.options.map((spec) => [spec.name, spec]));
    this.#given = given;
    for (const name of given.keys()) this.#check(this.#spec(name));
  }

  /** Whether the option is set anywhere: on the command line, in the environment or in the configuration file. */
  has(name: string): boolean {
    return (this.#given.get(this.#spec(name).name)?.texts.length ?? 0) > 0;
  }

  /** Whether a flag is said to be off, which is more than to say nothing. */
  isOff(name: string): boolean {
    return this.#given.get(this.#spec(name).name)?.texts.length === 0;
  }

  /** How the place is called where the option is set; undefined when it is set nowhere. */
  source(name: string): string | undefined {
    return this.#given.get(this.#spec(name).name)?.label;
  }

  /** As typed or by default; the last one when given several times, lists joined. */
  text(name: string): string | undefined {
    const spec = this.#spec(name);
    const given = this.#given.get(name)?.texts;
    if (given === undefined) return spec.default;
    return spec.value.kind === 'list' ? given.join(',') : given.at(-1);
  }

  /** Of an option that has a default or that `has` says is given. */
  integer(name: string): number {
    const spec = this.#spec(name);
    const text = this.text(name);
    if (spec.value.kind !== 'integer' || text === undefined) throw wrongKind(spec, 'integer');
    return parseInteger(this.#label(spec), text, spec.value).value;
  }

  /** Of an option that has a default or that `has` says is given. */
  decimal(name: string): number {
    const spec = this.#spec(name);
    const text = this.text(name);
    if (spec.value.kind !== 'decimal' || text === undefined) throw wrongKind(spec, 'decimal');
    return parseDecimal(this.#label(spec), text, spec.value);
  }

  /** Above 0, at most 100. */
  percentage(name: string): number {
    const spec = this.#spec(name);
    const text = this.text(name);
    if (spec.value.kind !== 'percentage' || text === undefined) throw wrongKind(spec, 'percentage');
    return parsePercentage(this.#label(spec), text);
  }

  #label(spec: OptionSpec): string {
    return this.#given.get(spec.name)?.label ?? optionLabel(spec);
  }

  #spec(name: string): OptionSpec {
    const spec = this.#specs.get(name);
    if (!spec) throw new TypeError(`The option table has no "${name}"`);
    return spec;
  }

  /** Form and range first, so that a bad value is called so even where the option does nothing. */
  #check(spec: OptionSpec): void {
    const label = this.#label(spec);
    const { value } = spec;
    for (const text of this.#given.get(spec.name)?.texts ?? []) {
      if (value.kind === 'integer') this.#warn(parseInteger(label, text, value).warning);
      if (value.kind === 'decimal') parseDecimal(label, text, value);
      if (value.kind === 'percentage') parsePercentage(label, text);
      if (value.kind === 'choice' && !value.choices.includes(text)) {
        throw new UsageError(
          `Cannot use ${label} "${text}": expected one of ${value.choices.join(', ')}`,
        );
      }
      if (text === '' && value.kind !== 'flag') {
        throw new UsageError(
          `Cannot use ${label} with an empty value: expected <${value.argument}>`,
        );
      }
    }
    const name = label === optionLabel(spec) ? `${label} (--${spec.name})` : label;
    if (spec.refused !== undefined) {
      throw new UsageError(`Cannot use ${name}: ${spec.refused}`, 'Leave it out.');
    }
    if (spec.noEffect !== undefined) this.#warn(`${name} has no effect: ${spec.noEffect}`);
  }

  #warn(warning: string | undefined): void {
    if (warning !== undefined && !this.warnings.includes(warning)) this.warnings.push(warning);
  }
}

/**
 * Reads the arguments after the program's name as getopt does: `-n 1`, `-n1`, `-dWO`, `--copies 1`, `--copies=1`. What they
 * leave open is taken from variables of the environment, and then from the file of `--config`.
 * @throws UsageError for an unknown option, a missing or bad value, an option that is refused, or a stray word;
 * StartError for a configuration file that cannot be read.
 */
export function parseArguments(
  program: ProgramSpec,
  argv: readonly string[],
  environment: Environment = {},
  context: ReadContext = {},
): ParsedArguments {
  const command = new Command(program.name)
    .helpOption(false)
    .exitOverride()
    .allowExcessArguments(true)
    .configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  const specs = new Map<string, OptionSpec>();
  const negated = new Set<string>();
  for (const spec of program.options) {
    const option = new Option(optionSyntax(spec).trim());
    if (spec.value.kind !== 'flag') option.argParser(append);
    specs.set(option.attributeName(), spec);
    if (option.negate) negated.add(option.attributeName());
    command.addOption(option);
  }
  try {
    command.parse([...argv], { from: 'user' });
  } catch (error) {
    throw error instanceof CommanderError ? argumentError(program, error) : error;
  }
  const given = new Map<string, OptionSetting>();
  for (const [attribute, value] of Object.entries(command.opts<Record<string, unknown>>())) {
    // "--no-x" is there as an "x" that is true until the option is given.
    if (negated.has(attribute) && value === true) continue;
    const spec = specs.get(attribute) as OptionSpec;
    const texts = Array.isArray(value) ? (value as string[]) : [''];
    given.set(spec.name, { texts, label: optionLabel(spec) });
  }
  if (given.has('help')) return { kind: 'help' };
  if (given.has('version')) return { kind: 'version' };
  if (command.args.length > 0) throw strayWord(program, command.args[0] as string);
  return { kind: 'start', values: completeValues(program, given, environment, context) };
}

function completeValues(
  program: ProgramSpec,
  given: OptionSettings,
  environment: Environment,
  { first = new Map(), folder = '' }: ReadContext,
): OptionValues {
  const { settings, warnings } = environmentSettings(program, environment);
  const file = (given.get('config') ?? settings.get('config'))?.texts.at(-1);
  const fromFile =
    file === undefined || file === '' ? [] : [fileSettings(program, resolve(folder, file))];
  const merged = mergeSettings([first, given, settings, ...fromFile]);
  return new OptionValues(program, merged, warnings);
}

/** How options are read again while the program runs. */
export interface ReadContext {
  /** What holds before everything else. */
  readonly first?: OptionSettings;
  /** Where a relative --config starts; the present folder by default. */
  readonly folder?: string;
}

export type ParsedArguments =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'start'; readonly values: OptionValues };

const append = (value: string, previous: readonly string[] | undefined): readonly string[] => [
  ...(previous ?? []),
  value,
];

function argumentError(program: ProgramSpec, error: CommanderError): UsageError {
  // commander quotes the option in its message and has no field for it.
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? '';
  if (error.code === 'commander.unknownOption') return unknownOption(program, quoted);
  if (error.code === 'commander.optionMissingArgument') {
    const label = quoted.split(/[ ,]/)[0];
    return new UsageError(
      `Cannot use ${label} without a value: expected "${quoted}"`,
      helpHint(program),
    );
  }
  return new UsageError(`Cannot read the command line: ${error.message}`, helpHint(program));
}

function unknownOption(program: ProgramSpec, option: string): UsageError {
  const long = option.startsWith('--');
  const names = program.options.map((spec) => spec.name);
  const close = long ? nearest(option.slice(2).split('=')[0] as string, names) : undefined;
  const otherCase = long ? undefined : sameLetterOtherCase(program, option.slice(1, 2));
  const meant = close === undefined ? otherCase : `--${close}`;
  return new UsageError(
    `Cannot use ${option}: ${program.name} has no such option`,
    meant === undefined ? helpHint(program) : `Is ${meant} meant? ${helpHint(program)}`,
  );
}

function sameLetterOtherCase(program: ProgramSpec, letter: string): string | undefined {
  const spec = program.options.find((s) => s.letter?.toLowerCase() === letter.toLowerCase());
  return spec === undefined ? undefined : `-${spec.letter}`;
}

const strayWord = (program: ProgramSpec, word: string): UsageError =>
  new UsageError(
    `Cannot use "${word}": it belongs to no option`,
    `Quote values that contain blanks, as in -F 'tcp and src port 80'. ${helpHint(program)}`,
  );

const helpHint = (program: ProgramSpec): string => `"${program.name} -h" lists the options.`;

const wrongKind = (spec: OptionSpec, kind: string): TypeError =>
  new TypeError(`The option "${spec.name}" has no ${kind} to read`);
