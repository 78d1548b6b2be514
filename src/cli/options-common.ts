import { LOG_FORMATS, LOG_LEVELS } from './log-level.ts';
import type { OptionSpec } from './option-spec.ts';

/** The options that both programs have, shown under `group`. */
export const commonOptions = (program: string, group: string): readonly OptionSpec[] => [
  ...logOptions(program, group),
  ...processOptions(group),
];

const logOptions = (program: string, group: string): readonly OptionSpec[] => [
  {
    letter: 'l',
    name: 'log-file',
    value: { kind: 'path', argument: 'file' },
    defaultNote: `stderr, with -d ${defaultLogFile(program)}`,
    group,
    doc: 'append the log to this file',
  },
  {
    name: 'log-level',
    value: { kind: 'choice', argument: 'level', choices: LOG_LEVELS },
    default: 'info',
    changeable: true,
    group,
    doc: `least important messages to write: ${LOG_LEVELS.join(', ')}`,
  },
  {
    name: 'log-format',
    value: { kind: 'choice', argument: 'format', choices: LOG_FORMATS },
    default: 'text',
    group,
    doc: 'text, or json for one object a line with time, level and message',
  },
];

const processOptions = (group: string): readonly OptionSpec[] => [
  {
    letter: 'P',
    name: 'pid-file',
    value: { kind: 'path', argument: 'file' },
    group,
    doc: 'write the process number to this file, and remove it at the end',
  },
  {
    letter: 'd',
    name: 'daemon',
    value: { kind: 'flag' },
    group,
    doc: 'run in the background; the command ends when the program is ready or has failed',
  },
  {
    name: 'user',
    value: { kind: 'text', argument: 'name' },
    group,
    doc: 'become this user, with its groups and without any privilege, once everything is open that needs one',
  },
  {
    name: 'control-socket',
    value: { kind: 'path', argument: 'file' },
    group,
    doc: 'make this socket, by which "ctl" reaches the running program; only the owner of the process may use it',
  },
  {
    name: 'config',
    value: { kind: 'path', argument: 'file' },
    group,
    doc: 'read options from this TOML file; its keys are the long names. The command line and variables of the environment go before it',
  },
  {
    name: 'check',
    value: { kind: 'flag' },
    group,
    commandLineOnly: true,
    doc: 'check all options, print those that hold and where they stand, in the form of --config, and end',
  },
  {
    letter: 'h',
    name: 'help',
    value: { kind: 'flag' },
    group,
    commandLineOnly: true,
    doc: 'print this help and end',
  },
  {
    letter: 'v',
    name: 'version',
    value: { kind: 'flag' },
    group,
    commandLineOnly: true,
    doc: 'print the version and end',
  },
];

/** Where the log goes with -d when -l does not say. */
export const defaultLogFile = (program: string): string => `/var/log/${program}.log`;
