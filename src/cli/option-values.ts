import { Command, CommanderError, Option } from 'commander';
import { UsageError } from './exit-codes.ts';
import { nearest } from './nearest.ts';
import { optionLabel, optionSyntax, type OptionSpec, type ProgramSpec } from './option-spec.ts';
import { parseInteger, parsePercentage } from './parse-number.ts';

/**
 * The options of one start, checked for form and range but not for meaning. Names are the long names of the table; asking
 * for a name or kind that the table does not have is a bug of ours and throws a TypeError.
 */
export class OptionValues {
  readonly warnings: string[] = [];
  readonly #specs: ReadonlyMap<string, OptionSpec>;
  readonly #given: ReadonlyMap<string, readonly string[]>;

  constructor(program: ProgramSpec, given: ReadonlyMap<string, readonly string[]>) {
    this.#specs = new Map(program.options.map((spec) => [spec.name, spec]));
    this.#given = given;
    for (const name of given.keys()) this.#check(this.#spec(name));
  }

  /** Whether the option stands on the command line. */
  has(name: string): boolean {
    return this.#given.has(this.#spec(name).name);
  }

  /** As typed or by default; the last one when given several times, lists joined. */
  text(name: string): string | undefined {
    const spec = this.#spec(name);
    const given = this.#given.get(name);
    if (given === undefined) return spec.default;
    return spec.value.kind === 'list' ? given.join(',') : given.at(-1);
  }

  /** Of an option that has a default or that `has` says is given. */
  integer(name: string): number {
    const spec = this.#spec(name);
    const text = this.text(name);
    if (spec.value.kind !== 'integer' || text === undefined) throw wrongKind(spec, 'integer');
    return parseInteger(optionLabel(spec), text, spec.value).value;
  }

  /** Whole percent, 1 to 100. */
  percentage(name: string): number {
    const spec = this.#spec(name);
    const text = this.text(name);
    if (spec.value.kind !== 'percentage' || text === undefined) throw wrongKind(spec, 'percentage');
    return parsePercentage(optionLabel(spec), text).value;
  }

  #spec(name: string): OptionSpec {
    const spec = this.#specs.get(name);
    if (!spec) throw new TypeError(`The option table has no "${name}"`);
    return spec;
  }

  /** Form and range first, so that a bad value is called so even where the option is not there yet. */
  #check(spec: OptionSpec): void {
    const label = optionLabel(spec);
    const { value } = spec;
    for (const text of this.#given.get(spec.name) ?? []) {
      if (value.kind === 'integer') this.#warn(parseInteger(label, text, value).warning);
      if (value.kind === 'percentage') this.#warn(parsePercentage(label, text).warning);
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
    if (spec.later !== undefined) {
      throw new UsageError(`Cannot use ${label} (--${spec.name}): it is not there yet`, spec.later);
    }
  }

  #warn(warning: string | undefined): void {
    if (warning !== undefined && !this.warnings.includes(warning)) this.warnings.push(warning);
  }
}

/**
 * Reads the arguments after the program's name as getopt does: `-n 1`, `-n1`, `-dWO`, `--copies 1`, `--copies=1`.
 * @throws UsageError for an unknown option, a missing or bad value, an option that is not there yet, or a stray word.
 */
export function parseArguments(program: ProgramSpec, argv: readonly string[]): ParsedArguments {
  const command = new Command(program.name)
    .helpOption(false)
    .exitOverride()
    .allowExcessArguments(true)
    .configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  const names = new Map<string, string>();
  const negated = new Set<string>();
  for (const spec of program.options) {
    const option = new Option(optionSyntax(spec).trim());
    if (spec.value.kind !== 'flag') option.argParser(append);
    names.set(option.attributeName(), spec.name);
    if (option.negate) negated.add(option.attributeName());
    command.addOption(option);
  }
  try {
    command.parse([...argv], { from: 'user' });
  } catch (error) {
    throw error instanceof CommanderError ? argumentError(program, error) : error;
  }
  const given = new Map<string, readonly string[]>();
  for (const [attribute, value] of Object.entries(command.opts<Record<string, unknown>>())) {
    // "--no-x" is there as an "x" that is true until the option is given.
    if (negated.has(attribute) && value === true) continue;
    given.set(names.get(attribute) as string, Array.isArray(value) ? (value as string[]) : ['']);
  }
  if (given.has('help')) return { kind: 'help' };
  if (given.has('version')) return { kind: 'version' };
  if (command.args.length > 0) throw strayWord(program, command.args[0] as string);
  return { kind: 'start', values: new OptionValues(program, given) };
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
