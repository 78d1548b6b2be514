import { existsSync, lstatSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import {
  type ControlAnswer,
  type ControlRequest,
  MAX_REQUEST,
  parseAnswer,
  parseRequest,
} from './control-message.ts';
import { errnoCode, errnoWords } from './errno.ts';
import { ExitCode, exitCodeOf, StartError } from './exit-codes.ts';

/** One who connects and says nothing is let go of after so long, */
const PATIENCE_MS = 10_000;
/** and more than this do not connect at once. */
const MAX_CLIENTS = 16;
/** Octets of the path of a socket (unix(7)). */
const MAX_PATH = 107;
/** Nobody but the owner may connect. */
const OWNER_ONLY = 0o177;

export interface ControlSocket {
  close(): void;
}

/**
 * Serves `ctl` at the socket `path` from the moment that the promise is fulfilled. A socket that a dead process has left there is replaced.
 * @throws StartError
 */
export async function serveControl(
  path: string,
  answer: (request: ControlRequest) => Promise<ControlAnswer>,
): Promise<ControlSocket> {
  refuseLongPath(path);
  refuseMissingFolder(path);
  await removeStale(path);
  const server = createServer((socket) => serve(socket, answer));
  server.maxConnections = MAX_CLIENTS;
  // The socket is made within this call, with the permissions that the mask leaves.
  const mask = process.umask(OWNER_ONLY);
  try {
    await listening(server, path);
  } catch (error) {
    throw cannotServe(path, error);
  } finally {
    process.umask(mask);
  }
  server.unref();
  const { ino } = lstatSync(path);
  return {
    close: () => {
      // To close it removes the name, which may be another program's by now; then the end of this one closes it.
      if (lstatSync(path, { throwIfNoEntry: false })?.ino === ino) server.close();
    },
  };
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      server.on('error', () => undefined);
      resolve();
    });
  });
}

/** Node would cut it, and make or reach another socket. */
function refuseLongPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length <= MAX_PATH) return;
  throw new StartError(
    ExitCode.usage,
    `Cannot use the control socket "${path}": its path has ${length} octets; expected ${MAX_PATH} at the most`,
    'Name a shorter path with --control-socket.',
  );
}

/** Which the system would call a missing permission. */
function refuseMissingFolder(path: string): void {
  if (existsSync(dirname(path))) return;
  throw new StartError(
    ExitCode.config,
    `Cannot make the control socket "${path}": there is no folder ${dirname(path)}`,
    'Make it, or name another path with --control-socket.',
  );
}

async function removeStale(path: string): Promise<void> {
  const file = lstatSync(path, { throwIfNoEntry: false });
  if (file === undefined) return;
  if (!file.isSocket()) {
    throw new StartError(
      ExitCode.config,
      `Cannot make the control socket "${path}": there is a file that is no socket`,
      'Name another path with --control-socket, or remove the file.',
    );
  }
  if (await isAlive(path)) {
    throw new StartError(
      ExitCode.system,
      `Cannot make the control socket "${path}": another program answers there`,
      'Each program needs a path of its own: name another one with --control-socket.',
    );
  }
  rmSync(path, { force: true });
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // Whoever may not connect does not know: the attempt to listen will tell.
    socket.once('error', (error) => resolve(errnoCode(error) !== 'ECONNREFUSED'));
  });
}

function serve(socket: Socket, answer: (request: ControlRequest) => Promise<ControlAnswer>): void {
  let text = '';
  let isAsked = false;
  socket.setEncoding('utf8');
  socket.setTimeout(PATIENCE_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (part: string) => {
    if (isAsked) return;
    text += part;
    const end = text.indexOf('\n');
    if (end < 0 && text.length <= MAX_REQUEST) return;
    isAsked = true;
    const request = end < 0 ? undefined : parseRequest(text.slice(0, end));
    const answered =
      request === undefined
        ? Promise.resolve({ ok: false, text: 'This is no request of "ctl"\n' })
        : answer(request);
    void answered.then((said) => socket.end(`${JSON.stringify(said)}\n`));
  });
}

/**
 * Asks the program that serves the socket `path`.
 * @throws StartError when nobody answers
 */
export async function askControl(path: string, request: ControlRequest): Promise<ControlAnswer> {
  refuseLongPath(path);
  return await ask(path, request);
}

function ask(path: string, request: ControlRequest): Promise<ControlAnswer> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(path);
    socket.setEncoding('utf8');
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('it does not answer')));
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on('data', (part: string) => {
      text += part;
    });
    socket.on('error', (error) => reject(cannotAsk(path, error)));
    socket.on('close', () => {
      const answer = parseAnswer(text);
      if (answer !== undefined) resolve(answer);
      else reject(cannotAsk(path, new Error('it closed the connection without an answer')));
    });
  });
}

const cannotServe = (path: string, error: unknown): StartError =>
  new StartError(
    exitCodeOf(error),
    `Cannot make the control socket "${path}": ${errnoWords(error)}`,
    'Name a path in a folder that this user may write to, with --control-socket.',
  );

const cannotAsk = (path: string, error: unknown): StartError =>
  new StartError(
    errnoCode(error) === 'EACCES' ? ExitCode.noPermission : ExitCode.unavailable,
    `Cannot reach a running program at "${path}": ${errnoWords(error)}`,
    'It must have been started with this --control-socket, and by this user.',
  );
