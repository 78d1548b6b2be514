import { defaultText, remarkText, wrap } from '../src/cli/help.ts';
import { ExitCode } from '../src/cli/exit-codes.ts';
import { variableName } from '../src/cli/option-settings.ts';
import type { OptionSpec, ProgramSpec } from '../src/cli/option-spec.ts';
import { CTL_COMMANDS } from '../src/cli/run-ctl.ts';
import { changeableNames } from '../src/cli/settings.ts';

/** Of the text below; the pages have no other date, so that they change only when the options do. */
const DATE = 'November 22, 2026';

/** Of input lines; mandoc asks for less than 80. */
const WIDTH = 78;

const EXIT_STATUS: Readonly<Record<keyof typeof ExitCode, string>> = {
  ok: 'ended in order; with the option for the background: the program there is ready',
  failure: 'failed while running',
  usage: 'bad options, or an option that is refused',
  unavailable: 'intercept is not available',
  system: 'the operating system refused, such as a port in use',
  noPermission: 'a privilege or permission is missing',
  config: 'the options do not fit this machine',
};

const SIGNALS: readonly (readonly [string, string])[] = [
  ['SIGINT, SIGTERM', 'end in order, with an account of the run; a second one ends at once'],
  ['SIGHUP', 'open the log file anew, and read the file of --config again'],
  ['SIGUSR1, SIGUSR2', 'write the account so far to the log'],
];

const DESCRIPTIONS: Readonly<Record<ProgramSpec['name'], string>> = {
  tcpcopy:
    'It runs on the online server, captures what clients send there, and plays the part of the clients towards the target server. The responses of the target are led by a route to the assistant server, where intercept captures them and returns their headers.',
  intercept:
    'It runs on the assistant server, to which a route on the target server leads the responses to copied connections. They end there. Without a filter of its own it listens for the targets of the tcpcopy that are connected.',
};

const EXAMPLES: Readonly<Record<ProgramSpec['name'], readonly (readonly [string, string])[]>> = {
  tcpcopy: [
    [
      'Copy port 80 to 192.0.2.20, from addresses that no host has, in the background:',
      'tcpcopy -x 80-192.0.2.20:80 -s 192.0.2.30 -c 198.51.100.x -d',
    ],
    [
      'See what a configuration file means, without starting anything:',
      'tcpcopy --config /etc/tcpcopy.toml --check',
    ],
  ],
  intercept: [
    [
      'Capture the responses of port 80 on one interface, in the background:',
      "intercept -i eth0 -F 'tcp and src port 80' -d",
    ],
  ],
};

/** The page of section 8 of a program, in mdoc(7). */
export function renderManPage(program: ProgramSpec): string {
  const { name } = program;
  const other = name === 'tcpcopy' ? 'intercept' : 'tcpcopy';
  return page(name, 8, [
    `.Sh NAME\n.Nm ${name}\n.Nd ${escape(lowerFirst(program.summary.replace(/\.$/, '')))}`,
    `.Sh SYNOPSIS\n.Nm\n${synopsis(program)}.Op Ar options`,
    `.Sh DESCRIPTION\n${paragraph(program.summary)}\n${paragraph(DESCRIPTIONS[name])}`,
    paragraph('The options are as follows. A list given several times is joined.'),
    ...program.groups.map((group) => optionGroup(program, group)),
    control(program),
    `.Sh ENVIRONMENT\n${environment(program)}`,
    `.Sh FILES\n.Bl -tag -width Ds\n.It Pa /var/log/${name}.log\nThe log of a program in the background, where no other file is named.\n.El`,
    `.Sh SIGNALS\n${table(SIGNALS.map(([signal, text]) => [`Dv ${signal.replace(', ', ' , Dv ')}`, text]))}`,
    `.Sh EXIT STATUS\n${table(exitStatuses())}`,
    `.Sh EXAMPLES\n${EXAMPLES[name].map(example).join('\n.Pp\n')}`,
    `.Sh SEE ALSO\n.Xr tcpcopy.conf 5 ,\n.Xr ${other} 8`,
  ]);
}

/** The page tcpcopy.conf(5), of the files of both programs. */
export function renderConfigPage(programs: readonly ProgramSpec[]): string {
  const keys = programs.map(
    (program) => `.Ss Keys of ${program.name}\n.Bl -tag -width Ds\n${configKeys(program)}.El`,
  );
  return page('tcpcopy.conf', 5, [
    '.Sh NAME\n.Nm tcpcopy.conf\n.Nd configuration file of tcpcopy and intercept',
    `.Sh DESCRIPTION\n${paragraph(
      'A file of any name, in TOML, that --config of either program names. Its keys are the long names of the options. What the command line or the environment says goes before it. A key that the program does not have is refused.',
    )}\n${paragraph(
      'Lists are arrays of strings or one string with commas, flags are true or false, numbers are written without quotes. Option --check of the programs prints the options that hold in this form.',
    )}`,
    ...keys,
    '.Sh EXAMPLES\n.Bd -literal\ntransfer = ["80\\-192.0.2.20:80"]\nintercept = "192.0.2.30"\nclient\\-address = "198.51.100.x"\npercentage = 12\nonly\\-new = true\n.Ed',
    '.Sh SEE ALSO\n.Xr intercept 8 ,\n.Xr tcpcopy 8',
  ]);
}

function page(name: string, section: number, parts: readonly string[]): string {
  const source = 'Made from the option table in src/cli by tools/man-pages.ts. Do not edit.';
  const head = `.\\" ${source}\n.Dd ${DATE}\n.Dt ${name.toUpperCase()} ${section}\n.Os`;
  const text = [head, ...parts].join('\n').replace(/^(\.Sh .*)\n\.Pp$/gm, '$1');
  return `${text}\n`;
}

const synopsis = (program: ProgramSpec): string =>
  program.name === 'tcpcopy' ? '.Fl x Ar list\n.Fl s Ar list\n' : '';

function optionGroup(program: ProgramSpec, group: string): string {
  const items = program.options
    .filter((spec) => spec.group === group)
    .map((spec) => `.It ${syntax(spec)}\n${meaning(spec)}\n`);
  return `.Ss ${group}\n.Bl -tag -width Ds\n${items.join('')}.El`;
}

function syntax({ letter, name, value }: OptionSpec): string {
  const argument = value.kind === 'flag' ? '' : ` Ar ${escape(value.argument)}`;
  const long = `Fl -${escape(name)}${argument}`;
  return letter === undefined ? long : `Fl ${letter} , ${long}`;
}

function meaning(spec: OptionSpec): string {
  const parts = [spec.doc, remarkText(spec), defaultText(spec)].filter(Boolean);
  return sentences(parts.map((part) => `${upperFirst(part)}.`).join(' '));
}

function configKeys(program: ProgramSpec): string {
  return program.options
    .filter((s) => !s.commandLineOnly && s.name !== 'config' && s.refused === undefined)
    .map((spec) => `.It Ic ${escape(spec.name)} No = ${valueForm(spec)}\n${meaning(spec)}\n`)
    .join('');
}

function valueForm({ value }: OptionSpec): string {
  if (value.kind === 'flag') return 'Li true';
  if (value.kind === 'integer' || value.kind === 'percentage') return `Ar ${value.argument}`;
  return value.kind === 'list' ? `[ Ar ${value.argument} ]` : `Qq Ar ${escape(value.argument)}`;
}

/** The other form of the command line. */
function control(program: ProgramSpec): string {
  const { name } = program;
  const items = Object.entries(CTL_COMMANDS).map(([form, text]) => {
    const [command = '', ...rest] = form.split(' ');
    const argument = rest.length === 0 ? '' : ` Ar ${escape(rest.join(' '))}`;
    return `.It Ic ${command}${argument}\n${sentences(`${upperFirst(text)}.`)}`;
  });
  return [
    '.Ss A running program',
    `.Bd -literal -offset indent\n${name} ctl [\\-\\-control\\-socket file | \\-\\-config file] command\n.Ed`,
    paragraph(
      `A ${name} that was started with --control-socket can be asked, and told to change the options ${changeableNames(program).join(', ')}. Its commands are as follows.`,
    ),
    `.Bl -tag -width Ds\n${items.join('\n')}\n.El`,
  ].join('\n');
}

function environment(program: ProgramSpec): string {
  const example = program.options.find((spec) => spec.name === 'log-level') as OptionSpec;
  return paragraph(
    `Each option but those that ask for help, version or a check may also be a variable, called after the program and the long name, as ${variableName(program, example)} for --log-level. The command line goes before it, and it goes before the file of --config. A flag is true or false.`,
  );
}

const exitStatuses = (): [string, string][] =>
  Object.entries(EXIT_STATUS).map(([name, text]) => [
    `Li ${ExitCode[name as keyof typeof ExitCode]}`,
    text,
  ]);

const table = (rows: readonly (readonly string[])[]): string => {
  const items = rows.map(([tag, text]) => `.It ${tag}\n${sentences(`${upperFirst(text ?? '')}.`)}`);
  return `.Bl -tag -width Ds\n${items.join('\n')}\n.El`;
};

const example = ([text, command]: readonly [string, string]): string =>
  `${escape(text)}\n.Bd -literal -offset indent\n${escape(command)}\n.Ed`;

const paragraph = (text: string): string => `.Pp\n${sentences(text)}`;

/** Each sentence on a line of its own, as mdoc wants it, and no line like a macro. */
const sentences = (text: string): string =>
  text
    .split(/(?<=\.) (?=[A-Z"])/)
    .flatMap((sentence) => wrap(escape(sentence), WIDTH))
    .map((line) => line.replace(/^([.'])/, '\\&$1'))
    .join('\n');

const escape = (text: string): string => text.replaceAll('\\', '\\e').replaceAll('-', '\\-');

const upperFirst = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
