import { resolve } from 'node:path';
import { Command, CommanderError } from 'commander';
import { askControl } from './control-socket.ts';
import { describeError, ExitCode, exitCodeOf, UsageError } from './exit-codes.ts';
import type { ProgramSpec } from './option-spec.ts';
import { parseArguments } from './option-values.ts';
import { changeableNames } from './settings.ts';

/** The word that makes a command line one for a running program. */
export const CTL = 'ctl';

/** What may be asked of a running program, and what it means. */
export const CTL_COMMANDS: Readonly<Record<string, string>> = {
  status: 'the account of the run so far, as SIGUSR2 writes it to the log',
  statistics: 'the block of statistics as it stands now',
  'get [NAME...]': 'the options that hold, or some of them, and where each stands',
  'set NAME=VALUE...': 'change options; they hold until "unset" or the end of the program',
  'unset NAME...': 'go back to what the command line, the environment and the file say',
  reload: 'read the file of --config again, as SIGHUP does',
  stop: 'end in order, as SIGTERM does',
};

/** Asks a running program something, or tells it. Returns the exit status of this process. */
export async function runCtl(spec: ProgramSpec, argv: readonly string[]): Promise<number> {
  const name = `${spec.name} ${CTL}`;
  try {
    const { words, options } = parse(name, argv);
    const [command, ...rest] = words;
    if (options.help === true || command === 'help') {
      process.stdout.write(helpText(spec));
      return ExitCode.ok;
    }
    if (command === undefined) {
      throw new UsageError('Cannot do nothing: expected a command', `"${name} help" lists them.`);
    }
    const answer = await askControl(socketPath(spec, options), { command, words: rest });
    (answer.ok ? process.stdout : process.stderr).write(answer.text);
    return answer.ok ? ExitCode.ok : ExitCode.failure;
  } catch (error) {
    process.stderr.write(describeError(name, error));
    return exitCodeOf(error);
  }
}

interface CtlOptions {
  readonly controlSocket?: string;
  readonly config?: string;
  readonly help?: true;
}

function parse(name: string, argv: readonly string[]): { words: string[]; options: CtlOptions } {
  const command = new Command(name)
    .helpOption(false)
    .exitOverride()
    .allowExcessArguments(true)
    .configureOutput({ writeErr: () => undefined, writeOut: () => undefined })
    .option('-h, --help')
    .option('--control-socket <file>')
    .option('--config <file>');
  try {
    command.parse([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const said = error.message.replace(/^error: /, '');
    throw new UsageError(`Cannot read the command line: ${said}`, `"${name} help" shows the form.`);
  }
  return { words: command.args, options: command.opts<CtlOptions>() };
}

/** Where the program listens: said here, or where the program itself would find it. */
function socketPath(spec: ProgramSpec, { controlSocket, config }: CtlOptions): string {
  const said = [
    ...(config === undefined ? [] : ['--config', config]),
    ...(controlSocket === undefined ? [] : ['--control-socket', controlSocket]),
  ];
  const parsed = parseArguments(spec, said, process.env);
  const path = parsed.kind === 'start' ? parsed.values.text('control-socket') : undefined;
  if (path !== undefined) return resolve(path);
  throw new UsageError(
    'Cannot tell where the program listens: expected --control-socket or --config',
    `Start ${spec.name} with --control-socket /run/${spec.name}.sock, and give the same path here.`,
  );
}

/** The commands without what follows them. */
export const ctlWords = (): readonly string[] =>
  Object.keys(CTL_COMMANDS).map((form) => form.split(' ')[0] as string);

function helpText(spec: ProgramSpec): string {
  const commands = Object.entries(CTL_COMMANDS).map(
    ([form, text]) => `  ${form.padEnd(20)}${text}`,
  );
  const prefix = spec.name.toUpperCase();
  return [
    `Usage: ${spec.name} ${CTL} [--control-socket FILE | --config FILE] COMMAND`,
    '',
    `Asks a running ${spec.name}, or tells it. The socket is that of its --control-socket: given here, by ${prefix}_CONTROL_SOCKET,`,
    'or in the file of --config.',
    '',
    ...commands,
    '',
    `These options can be changed: ${changeableNames(spec).join(', ')}.`,
    '',
  ].join('\n');
}
