/** What follows an option on the command line, and how it is checked. */
export type OptionValue =
  | { readonly kind: 'flag' }
  | { readonly kind: 'text' | 'path'; readonly argument: string }
  /** Items separated by commas; given several times, the lists are joined in the order given. */
  | { readonly kind: 'list'; readonly argument: string }
  | {
      readonly kind: 'integer';
      readonly argument: string;
      readonly min: number;
      readonly max: number;
      /** Out of range is brought to the nearest bound, with a warning, as the original does. */
      readonly clamped?: true;
    }
  /** With at most two decimals. */
  | {
      readonly kind: 'decimal';
      readonly argument: string;
      readonly min: number;
      readonly max: number;
    }
  /** A share of 100 with at most two decimals. */
  | { readonly kind: 'percentage'; readonly argument: string }
  | { readonly kind: 'choice'; readonly argument: string; readonly choices: readonly string[] };

/** One option, the single source of parsing, help text, docs/options.md and default. */
export interface OptionSpec {
  /** The short letter of the original; absent for options that have only a long name. */
  readonly letter?: string;
  /** Long name without dashes; also the key under which the value is read. */
  readonly name: string;
  readonly value: OptionValue;
  /** As it would be typed; absent when the option is off or has no default. */
  readonly default?: string;
  /** Shown in place of `default` when the default follows from something else. */
  readonly defaultNote?: string;
  readonly group: string;
  /** One sentence without a full stop at the end. */
  readonly doc: string;
  /**
   * Set when the option is taken for the sake of the original's command lines and changes nothing: why, to follow "has no
   * effect: ". A start with it says so.
   */
  readonly noEffect?: string;
  /** Set when a start with the option ends with a message and exit status 2: why, to follow "Cannot use -t: ". */
  readonly refused?: string;
  /** `ctl set` may change it while the program runs, and so does a configuration file that is read again. */
  readonly changeable?: true;
  /** It asks for something once, so neither the environment nor a configuration file may set it. */
  readonly commandLineOnly?: true;
}

export interface ProgramSpec {
  readonly name: 'tcpcopy' | 'intercept';
  readonly summary: string;
  readonly usage: string;
  /** In the order in which help shows them. */
  readonly groups: readonly string[];
  readonly options: readonly OptionSpec[];
}

/** "-n", or "--log-level" for an option without a letter: how messages call it. */
export const optionLabel = (spec: OptionSpec): string =>
  spec.letter === undefined ? `--${spec.name}` : `-${spec.letter}`;

/** "-n, --copies <n>". */
export function optionSyntax(spec: OptionSpec): string {
  const short = spec.letter === undefined ? '    ' : `-${spec.letter}, `;
  return `${short}--${spec.name}${spec.value.kind === 'flag' ? '' : ` <${spec.value.argument}>`}`;
}
