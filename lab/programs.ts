import { mkdirSync, symlinkSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Child, Exit } from './child.ts';
import { commandFile } from './paths.ts';
import type { HostName, Lab } from './topology.ts';
import { type Usage, usageOf } from './usage.ts';

/** One of the two programs, running in the foreground on its host. */
export interface Program {
  readonly child: Child;
  /** As one would type it. */
  readonly commandLine: string;
  usage(): Usage;
  /** Ends it with SIGTERM. What it printed at the end is in `text` afterwards. */
  stop(): Promise<Exit>;
  /** Everything it printed so far. */
  text(): string;
}

export type ProgramName = 'tcpcopy' | 'intercept';

/** Where each program runs. */
const HOST: Readonly<Record<ProgramName, HostName>> = { tcpcopy: 'online', intercept: 'assistant' };

/** Environment in which `tcpcopy` and `intercept` are commands, as after an installation. */
export function commandEnvironment(lab: Lab): NodeJS.ProcessEnv {
  const folder = join(lab.folder, 'bin');
  if (!existsSync(folder)) {
    mkdirSync(folder);
    for (const name of ['tcpcopy', 'intercept'] as const) {
      symlinkSync(commandFile(name), join(folder, name));
    }
  }
  const path = [folder, dirname(process.execPath), process.env['PATH'] ?? ''].join(':');
  // Options for Node in the two programs alone, such as --cpu-prof.
  const options = process.env['LAB_NODE_OPTIONS'];
  return { ...process.env, PATH: path, ...(options !== undefined && { NODE_OPTIONS: options }) };
}

/** Starts a program and waits until it says that it is ready. */
export async function startProgram(
  lab: Lab,
  name: ProgramName,
  args: readonly string[],
  host: HostName = HOST[name],
): Promise<Program> {
  const program = launchProgram(lab, name, args, host);
  await program.child.waitFor(new RegExp(`${name}: ready`), 15_000);
  return program;
}

/** Starts a program and does not wait: for starts that are meant to fail. */
export function launchProgram(
  lab: Lab,
  name: ProgramName,
  args: readonly string[],
  host: HostName = HOST[name],
): Program {
  const env = commandEnvironment(lab);
  const child = lab.spawn(host, `${name} on ${host}`, name, args, { env });
  return {
    child,
    commandLine: typed(name, args),
    usage: () => usageOf(child.pid),
    stop: () => child.stop('SIGTERM', 15_000),
    text: () => `${child.stdout}${child.stderr}`,
  };
}

/** A command line as a person types it, quoted where the shell needs it. */
export function typed(command: string, args: readonly string[]): string {
  const quoted = args.map((arg) => (/^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg}'`));
  return [command, ...quoted].join(' ');
}

/** Both programs, running. */
export interface Copying {
  readonly tcpcopy: Program;
  readonly intercept: Program;
}

export interface CopyOptions {
  /** The `-x` list; port 80 to the target's port 80 by default. */
  readonly x?: string;
  /** The `-c` list; without it the clients keep their addresses. */
  readonly c?: string;
  /** intercept's `-F`; TCP from port 80 by default, null to leave it out. */
  readonly filter?: string | null;
  /** intercept's `-i`; eth0 by default, null to leave it out. */
  readonly i?: string | null;
  readonly tcpcopy?: readonly string[];
  readonly intercept?: readonly string[];
}

/** Starts intercept, then tcpcopy, with the command lines of the manual. */
export async function startCopying(lab: Lab, options: CopyOptions = {}): Promise<Copying> {
  const intercept = await startProgram(lab, 'intercept', interceptArgs(options));
  const tcpcopy = await startProgram(lab, 'tcpcopy', tcpcopyArgs(lab, options));
  return { tcpcopy, intercept };
}

export function tcpcopyArgs(lab: Lab, options: CopyOptions = {}): string[] {
  const x = options.x ?? `80-${lab.ip4('target')}:80`;
  const args = ['-x', x, '-s', lab.ip4('assistant')];
  if (options.c !== undefined) args.push('-c', options.c);
  return [...args, ...(options.tcpcopy ?? [])];
}

export function interceptArgs(options: CopyOptions = {}): string[] {
  const { filter = 'tcp and src port 80', i = 'eth0' } = options;
  const named = filter === null ? [] : ['-F', filter];
  const from = i === null ? [] : ['-i', i];
  return [...from, ...named, ...(options.intercept ?? [])];
}
