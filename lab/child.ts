import { type ChildProcess, execFile, spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';

/** How a process ended: `code` or `signal` is set, never both. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What a command printed and how it ended. */
export interface CommandResult extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  /** Milliseconds, 30,000 by default; the command is then killed. */
  readonly timeout?: number;
  /** Do not throw when the command fails. */
  readonly mayFail?: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

/** Runs a command to its end. Throws when it fails, unless `mayFail`. */
export function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      command,
      args,
      {
        timeout: options.timeout ?? 30_000,
        killSignal: 'SIGKILL',
        maxBuffer: 64 << 20,
        env: options.env ?? process.env,
      },
      (error, stdout, stderr) => {
        const code = child.exitCode;
        const signal = child.signalCode;
        if (
          error !== null &&
          (code === null && signal === null ? true : options.mayFail !== true)
        ) {
          reject(new Error(`${command} ${args.join(' ')}: ${error.message}\n${stdout}${stderr}`));
        } else resolve({ code, signal, stdout, stderr });
      },
    );
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
  });
}

/** The most that is kept of a child's output, in characters of each stream; the rest is dropped. */
const OUTPUT_LIMIT = 4 << 20;

/** A long-running process of the lab: its output, its end. */
export class Child {
  readonly name: string;
  readonly process: ChildProcess;
  /** Resolves when the process has ended and its output is complete. */
  readonly ended: Promise<Exit>;
  stdout = '';
  stderr = '';
  #listeners: Array<() => void> = [];
  #done = false;

  constructor(name: string, command: string, args: readonly string[], options: ChildOptions = {}) {
    this.name = name;
    const stdio: StdioOptions = ['ignore', 'pipe', 'pipe'];
    if (options.ipc === true) stdio.push('ipc');
    this.process = spawn(command, args, { stdio, env: options.env ?? process.env });
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (this.stdout.length < OUTPUT_LIMIT) this.stdout += text;
      this.#wake();
    });
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (this.stderr.length < OUTPUT_LIMIT) this.stderr += text;
      this.#wake();
    });
    this.ended = new Promise((resolve) => {
      const finish = (code: number | null, signal: NodeJS.Signals | null): void => {
        this.#done = true;
        resolve({ code, signal });
        this.#wake();
      };
      this.process.on('close', finish);
      this.process.on('error', (error) => {
        this.stderr += `${error.message}\n`;
        finish(127, null);
      });
    });
  }

  /** `ip netns exec` becomes the command itself, so this is the command's own process id. */
  get pid(): number {
    return this.process.pid ?? -1;
  }

  get running(): boolean {
    return !this.#done;
  }

  /** Waits for output (of either stream) that matches. Throws when the process ends before. */
  async waitFor(pattern: RegExp, timeout: Milliseconds = 10_000): Promise<void> {
    const deadline = Date.now() + timeout;
    while (!pattern.test(this.stdout) && !pattern.test(this.stderr)) {
      if (this.#done) throw new Error(`${this.name} ended without ${pattern}:\n${this.output()}`);
      const left = deadline - Date.now();
      if (left <= 0) {
        throw new Error(`${this.name}: no ${pattern} within ${timeout} ms:\n${this.output()}`);
      }
      await this.#change(left);
    }
  }

  /** Asks the process to end; kills it when it does not within `timeout`. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', timeout: Milliseconds = 10_000): Promise<Exit> {
    if (this.running) this.process.kill(signal);
    const timer = setTimeout(() => this.process.kill('SIGKILL'), timeout);
    const exit = await this.ended;
    clearTimeout(timer);
    return exit;
  }

  /** Sends a message to a child made with `ipc` and waits for the answer. */
  async ask<T>(message: unknown, timeout: Milliseconds = 30_000): Promise<T> {
    const answer = once(this.process, 'message', { signal: AbortSignal.timeout(timeout) });
    this.process.send(message as object);
    return (await answer)[0] as T;
  }

  /** The last lines of both streams, for a message to a person. */
  output(): string {
    return `${this.stdout}${this.stderr}`.split('\n').slice(-30).join('\n');
  }

  #change(timeout: Milliseconds): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeout);
      this.#listeners.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #wake(): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }
}

export interface ChildOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Opens Node's message channel to the child, see `ask`. */
  readonly ipc?: boolean;
}

export type Milliseconds = number;

/** Waits; of use only to look again at something that changes by itself. */
export function sleep(milliseconds: Milliseconds): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}
