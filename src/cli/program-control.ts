import { formatStatistics } from '../runtime/statistics.ts';
import type { ProcessConfig } from './config.ts';
import type { ControlAnswer, ControlRequest } from './control-message.ts';
import { describeEffective } from './effective.ts';
import { describeError, ExitCode, UsageError } from './exit-codes.ts';
import type { ProcessLog } from './log.ts';
import type { OptionSpec } from './option-spec.ts';
import type { OptionValues } from './option-values.ts';
import type { ProgramShell, Running } from './run-program.ts';
import type { Settings } from './settings.ts';

/** A program that has started, and what it needs to be told something. */
export interface ControlParts<Config extends ProcessConfig> {
  readonly shell: ProgramShell<Config>;
  readonly settings: Settings;
  /** What it started with. */
  readonly values: OptionValues;
  readonly config: Config;
  readonly running: Running<Config>;
  readonly log: ProcessLog;
  readonly end: (status: ExitCode) => void;
}

/** All others are refused with words behind them: whoever types some means something. */
const TAKES_WORDS: ReadonlySet<string> = new Set(['get', 'set', 'unset']);
const PAIR = /^([^=]+)=(.*)$/s;

/** What a running program can be told: by SIGHUP to read its configuration again, by `ctl` also to change options, and to tell how it goes. */
export class ProgramControl<Config extends ProcessConfig> {
  readonly #parts: ControlParts<Config>;
  /** As they were read last. */
  #values: OptionValues;
  #config: Config;
  /** Of options that have changed and cannot be changed, what they still are, in words. */
  readonly #pending = new Map<string, string>();
  /** Changes come one after the other: each reads all options anew, which may take as long as looking names up does. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: ControlParts<Config>) {
    this.#parts = parts;
    this.#values = parts.values;
    this.#config = parts.config;
  }

  /** Reads all options again. What has changed and can be changed holds from now on; the log says what cannot, and what went wrong. */
  async reload(): Promise<void> {
    const { log, shell } = this.#parts;
    try {
      const text = await this.#change(new Map());
      if (text !== '') log.info(text);
    } catch (error) {
      log.error(`Nothing is changed: ${describeError(shell.spec.name, error).trimEnd()}`);
    }
  }

  /** Never rejects. */
  async answer({ command, words }: ControlRequest): Promise<ControlAnswer> {
    try {
      return { ok: true, text: await this.#obey(command, words) };
    } catch (error) {
      const { name } = this.#parts.shell.spec;
      return { ok: false, text: describeError(name, error) };
    }
  }

  async #obey(command: string, words: readonly string[]): Promise<string> {
    const { running, end, log } = this.#parts;
    if (words.length > 0 && !TAKES_WORDS.has(command)) {
      throw new UsageError(
        `Cannot use "${words.join(' ')}" with ${command}: it takes nothing more`,
      );
    }
    switch (command) {
      case 'status':
        return lines(running.account());
      case 'statistics':
        return lines(running.statistics().map(formatStatistics)) || 'Nothing has come yet.\n';
      case 'get':
        return this.#get(words);
      case 'set':
        return this.#set(readPairs(words));
      case 'unset':
        return this.#set(new Map(words.map((word) => [word, undefined])));
      case 'reload':
        return `${(await this.#change(new Map())) || 'Nothing has changed.'}\n`;
      case 'stop':
        log.info('Ending: "ctl stop" received');
        end(ExitCode.ok);
        return 'Ending.\n';
      default:
        throw new UsageError(`Cannot do "${command}": "ctl help" lists the commands`);
    }
  }

  async #set(changes: ReadonlyMap<string, string | undefined>): Promise<string> {
    if (changes.size === 0) {
      throw new UsageError(
        'Cannot change nothing: expected the names of options, "set" with =VALUE',
      );
    }
    const text = await this.#change(changes);
    if (text === '') return 'Nothing has changed.\n';
    this.#parts.log.info(`By "ctl": ${text}`);
    return `${text}\n`;
  }

  /** All options, or the lines of some. */
  #get(names: readonly string[]): string {
    const { spec } = this.#parts.shell;
    const unknown = names.find((name) => !spec.options.some((option) => option.name === name));
    if (unknown !== undefined) {
      throw new UsageError(`Cannot get "${unknown}": there is no such option`);
    }
    const text = describeEffective(spec, this.#values) + this.#describePending();
    if (names.length === 0) return text;
    const isNamed = (line: string): boolean =>
      names.some((name) => new RegExp(`^(# )?${name}( =|:| takes)`).test(line));
    return lines(text.split('\n').filter(isNamed)) || 'Not set.\n';
  }

  /** Returns what there is to say of an option that has changed and cannot take effect now. */
  #notePending(spec: OptionSpec, values: OptionValues): string {
    const still = this.#pending.get(spec.name) ?? describeValue(spec, this.#values);
    if (describeValue(spec, values) === still) {
      this.#pending.delete(spec.name);
      return `${spec.name} is again as the program has it`;
    }
    this.#pending.set(spec.name, still);
    return `${spec.name} has changed, which takes effect at the next start`;
  }

  #describePending(): string {
    const texts = [...this.#pending].map(
      ([name, still]) => `# ${name} takes effect at the next start: until then it is ${still}`,
    );
    return lines(texts);
  }

  #change(changes: ReadonlyMap<string, string | undefined>): Promise<string> {
    const change = this.#last.then(() => this.#changeNow(changes));
    // Whoever comes next does not mind that this one failed.
    this.#last = change.catch(() => undefined);
    return change;
  }

  /** In words, what has changed; nothing has when it is empty. */
  async #changeNow(changes: ReadonlyMap<string, string | undefined>): Promise<string> {
    const { shell, settings, running, log } = this.#parts;
    const { values, keep } = settings.propose(changes);
    const config = await shell.readConfig(values);
    const changed = shell.spec.options.filter((spec) => differs(spec, this.#values, values));
    const can = changed.filter((spec) => spec.changeable);
    const cannot = changed.filter((spec) => !spec.changeable);
    running.reconfigure?.(config, this.#config);
    log.setLevel(config.logLevel);
    keep();
    const said = cannot.map((spec) => this.#notePending(spec, values));
    this.#config = config;
    this.#values = values;
    const now = can.map((spec) => `${spec.name} is ${describeValue(spec, values)} now`);
    return [...now, ...said].join('; ');
  }
}

function readPairs(words: readonly string[]): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const word of words) {
    const [, name, value] = PAIR.exec(word) ?? [];
    if (name === undefined || value === undefined) {
      throw new UsageError(`Cannot set "${word}": expected NAME=VALUE, as in percentage=12.5`);
    }
    pairs.set(name, value);
  }
  return pairs;
}

const differs = (
  { name, value }: OptionSpec,
  before: OptionValues,
  after: OptionValues,
): boolean =>
  value.kind === 'flag'
    ? before.has(name) !== after.has(name) || before.isOff(name) !== after.isOff(name)
    : before.text(name) !== after.text(name);

const describeValue = ({ name, value }: OptionSpec, values: OptionValues): string =>
  value.kind === 'flag' ? String(values.has(name)) : (values.text(name)?.trim() ?? 'not set');

const lines = (texts: readonly string[]): string => texts.map((text) => `${text}\n`).join('');
