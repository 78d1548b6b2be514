import { daemonReady, isDaemonChild, startDaemon } from '../linux/daemon.ts';
import { type PidFile, writePidFile } from '../linux/pid-file.ts';
import { becomeUser, findUser } from '../linux/user.ts';
import { openServiceManager } from '../linux/service-manager.ts';
import { formatStatistics, type StatisticsLine } from '../runtime/statistics.ts';
import type { ProcessConfig } from './config.ts';
import type { ControlAnswer } from './control-message.ts';
import { type ControlSocket, serveControl } from './control-socket.ts';
import { describeEffective } from './effective.ts';
import { describeError, ExitCode, exitCodeOf } from './exit-codes.ts';
import { FoldingLog } from './folding-log.ts';
import { openLog, type ProcessLog } from './log.ts';
import type { ProgramSpec } from './option-spec.ts';
import type { Log } from '../ports/log.ts';
import { systemClock } from '../linux/reactor.ts';
import type { OptionValues } from './option-values.ts';
import { ProgramControl } from './program-control.ts';
import { CTL, runCtl } from './run-ctl.ts';
import { Settings } from './settings.ts';
import { versionLine } from './version.ts';

/** As in the original. */
const STATISTICS_INTERVAL_MS = 30_000;

const STARTING: ControlAnswer = { ok: false, text: 'The program is still starting: try again\n' };

/** What a program is once it has started. */
export interface Running<Config> {
  /** The account of the run so far, as lines. */
  account(): readonly string[];
  /** The block for the log as it stands now; empty when there is nothing to tell yet. */
  statistics(): readonly StatisticsLine[];
  /** Other values of options that may be changed hold from now on. */
  reconfigure?(config: Config, before: Config): void;
  /** Ends in order and returns the account of the run. Called once. */
  stop(): readonly string[];
}

export interface ProgramShell<Config extends ProcessConfig> {
  readonly spec: ProgramSpec;
  readConfig(values: OptionValues): Config | Promise<Config>;
  /** Everything that may fail. `end` lets the program ask for its own end: with a message, or in order. */
  start(config: Config, log: Log, end: (status: ExitCode) => void): Promise<Running<Config>>;
}

/** The life of either program: options, log, pid file, start, signals, end. Returns the exit status of this process. */
export async function runProgram<Config extends ProcessConfig>(
  shell: ProgramShell<Config>,
  argv: readonly string[],
): Promise<number> {
  const { name } = shell.spec;
  try {
    if (argv[0] === CTL) return await runCtl(shell.spec, argv.slice(1));
    const settings = new Settings(shell.spec, argv);
    const values = settings.read();
    if (values === undefined) return ExitCode.ok;
    const config = await shell.readConfig(values);
    if (values.has('check')) return check(shell.spec, values, config);
    if (config.daemon && !isDaemonChild()) return await startDaemon();
    return await live(shell, settings, values, config);
  } catch (error) {
    process.stderr.write(describeError(name, error));
    return exitCodeOf(error);
  }
}

/** What stands in the configuration is right, as far as can be told without starting. */
function check(spec: ProgramSpec, values: OptionValues, config: ProcessConfig): ExitCode {
  for (const warning of config.warnings) process.stderr.write(`${spec.name}: ${warning}\n`);
  process.stdout.write(describeEffective(spec, values));
  return ExitCode.ok;
}

async function live<Config extends ProcessConfig>(
  shell: ProgramShell<Config>,
  settings: Settings,
  values: OptionValues,
  config: Config,
): Promise<number> {
  const { name } = shell.spec;
  const { logFile, logLevel, logFormat, pidFile, controlSocket } = config;
  const user = config.user === undefined ? undefined : findUser(config.user);
  const log = openLog({
    level: logLevel,
    format: logFormat,
    ...(logFile !== undefined && { file: logFile }),
  });
  const folded = new FoldingLog(log, systemClock);
  const manager = openServiceManager(process.env);
  let held: PidFile | undefined;
  let socket: ControlSocket | undefined;
  try {
    log.info(versionLine(name));
    for (const warning of config.warnings) log.warn(warning);
    if (pidFile !== undefined) held = writePidFile(pidFile, name);
    const ending = awaitEnd(log);
    const started: { control?: ProgramControl<Config> } = {};
    if (controlSocket !== undefined) {
      socket = await serveControl(controlSocket, (request) =>
        started.control === undefined ? Promise.resolve(STARTING) : started.control.answer(request),
      );
    }
    const running = await Promise.race([
      shell.start(config, folded, ending.end),
      ending.promise.then(() => Promise.reject(new Error('Interrupted before the start was done'))),
    ]);
    const { end } = ending;
    started.control = new ProgramControl({ shell, settings, values, config, running, log, end });
    listenToSignals(started.control, running, log);
    if (user !== undefined) {
      becomeUser(user, logFile);
      log.info(`Running as user ${user.name} from here on`);
    }
    if (logFile !== undefined) log.info('ready');
    if (config.daemon) daemonReady();
    else process.stderr.write(`${name}: ready\n`);
    manager.ready();
    const ticking = setInterval(() => writeStatistics(running, log), STATISTICS_INTERVAL_MS);
    const status = await ending.promise;
    clearInterval(ticking);
    manager.stopping();
    writeStatistics(running, log);
    report(running.stop(), config, log);
    return status;
  } catch (error) {
    // The person at the terminal reads it on stderr; whoever reads the log later finds it there.
    if (logFile !== undefined) log.error(describeError(name, error).trimEnd());
    throw error;
  } finally {
    socket?.close();
    held?.close();
    manager.close();
    folded.close();
    log.close();
  }
}

/** The handlers of `awaitEnd`, which are there from the first moment, go on working. */
function listenToSignals<Config extends ProcessConfig>(
  control: ProgramControl<Config>,
  running: Running<Config>,
  log: ProcessLog,
): void {
  process.on('SIGHUP', () => void control.reload());
  for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) {
    process.on(signal, () => logLines(running.account(), log));
  }
}

function writeStatistics<Config>(running: Running<Config>, log: ProcessLog): void {
  const lines = running.statistics();
  if (lines.length > 0) log.statistics(lines.map(formatStatistics), Object.assign({}, ...lines));
}

interface Ending {
  readonly promise: Promise<ExitCode>;
  readonly end: (status: ExitCode) => void;
}

/**
 * SIGINT and SIGTERM end in order; a second one ends at once. SIGHUP reopens the log, for log rotation. Node would open its
 * debugger on SIGUSR1, for every user of the host to enter: that signal must be handled from the first moment.
 */
function awaitEnd(log: ProcessLog): Ending {
  let end: (status: ExitCode) => void = () => undefined;
  const promise = new Promise<ExitCode>((resolve) => {
    end = resolve;
  });
  let asked = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (asked) process.exit(ExitCode.failure);
      asked = true;
      log.info(`Ending: ${signal} received`);
      end(ExitCode.ok);
    });
  }
  process.on('SIGHUP', () => log.reopen());
  for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => undefined);
  // A reader of our output that goes away must not end the copying.
  process.on('SIGPIPE', () => undefined);
  return { promise, end };
}

function logLines(lines: readonly string[], log: ProcessLog): void {
  for (const line of lines) log.info(line);
}

function report(lines: readonly string[], config: ProcessConfig, log: ProcessLog): void {
  if (config.logFile !== undefined) logLines(lines, log);
  if (!config.daemon) process.stdout.write(`${lines.join('\n')}\n`);
}
