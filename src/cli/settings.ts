import { readCommandLine } from './command-line.ts';
import { UsageError } from './exit-codes.ts';
import { nearest } from './nearest.ts';
import type { OptionSetting } from './option-settings.ts';
import type { OptionSpec, ProgramSpec } from './option-spec.ts';
import type { OptionValues } from './option-values.ts';

/** Where the options of a running program come from: its command line, environment and file, and before these what `ctl set` says. */
export class Settings {
  readonly #spec: ProgramSpec;
  readonly #argv: readonly string[];
  readonly #folder = process.cwd();
  #first: ReadonlyMap<string, OptionSetting> = new Map();

  constructor(spec: ProgramSpec, argv: readonly string[]) {
    this.#spec = spec;
    this.#argv = argv;
  }

  /**
   * All options as they stand now; undefined when the command line asked for help or the version, which is then printed.
   * @throws UsageError, StartError
   */
  read(): OptionValues | undefined {
    return readCommandLine(this.#spec, this.#argv, { first: this.#first, folder: this.#folder });
  }

  /**
   * The same, with other values before everything else: of each pair, a name and its value, or undefined to go back to what the
   * command line, the environment and the file say. They are kept only when `keep` is called with them.
   * @throws UsageError for an option that there is not, that cannot be changed, or with a value that it cannot have
   */
  propose(changes: ReadonlyMap<string, string | undefined>): Proposal {
    const first = new Map(this.#first);
    for (const [name, text] of changes) {
      const spec = this.#changeable(name);
      if (text === undefined) first.delete(name);
      else first.set(name, { texts: textsOf(spec, text), label: `ctl set ${name}` });
    }
    const values = readCommandLine(this.#spec, this.#argv, { first, folder: this.#folder });
    if (values === undefined) throw new TypeError('A running program asked for help');
    return {
      values,
      keep: () => {
        this.#first = first;
      },
    };
  }

  #changeable(name: string): OptionSpec {
    const spec = this.#spec.options.find((option) => option.name === name);
    if (spec?.changeable === true) return spec;
    const names = changeableNames(this.#spec);
    if (spec !== undefined) {
      throw new UsageError(
        `Cannot change ${name} while ${this.#spec.name} runs`,
        `These can be changed: ${names.join(', ')}.`,
      );
    }
    const close = nearest(name, names);
    throw new UsageError(
      `Cannot change "${name}": there is no such option`,
      close === undefined ? `These can be changed: ${names.join(', ')}.` : `Is ${close} meant?`,
    );
  }
}

/** Options as they would be, and how to make them so. */
export interface Proposal {
  readonly values: OptionValues;
  readonly keep: () => void;
}

export const changeableNames = (spec: ProgramSpec): readonly string[] =>
  spec.options.filter((option) => option.changeable === true).map(({ name }) => name);

const FLAGS: Readonly<Record<string, readonly string[]>> = { true: [''], false: [] };

function textsOf({ value, name }: OptionSpec, text: string): readonly string[] {
  if (value.kind !== 'flag') return [text];
  const texts = FLAGS[text];
  if (texts !== undefined) return texts;
  throw new UsageError(`Cannot set ${name} to "${text}": expected true or false`);
}
