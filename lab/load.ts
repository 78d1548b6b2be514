// The clients: a paced HTTP load over raw sockets. A program of its own:
//   node load.js PLAN       PLAN is a LoadPlan in JSON
// Prints a LoadResult in JSON when all requests are answered or have failed. The parent's message
// 'count' is answered with a LoadProgress.
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadPart, LoadPlan, LoadProgress, LoadResult } from './load-plan.ts';
import { ResponseParser } from './response-parser.ts';

/** Milliseconds between looks at what is due. */
const TICK = 2;
/** A connection that waits longer for a response is given up, in milliseconds. */
const PATIENCE = 20_000;

const plan = JSON.parse(process.argv[2] ?? '{}') as LoadPlan;
const total = plan.parts.reduce((sum, part) => sum + part.requests, 0);
const latencies = new Float64Array(total);
const errors: Record<string, number> = {};
let sent = 0;
let answered = 0;

/** Printable, so that it passes any log; each request starts elsewhere in it. */
const PATTERN: string = Array.from({ length: 8192 }, (_, i) =>
  String.fromCharCode(33 + ((i * i + 7 * i) % 90)),
)
  .join('')
  .replace(/["\\]/g, '_');

function requestText(part: LoadPart, number: number): string {
  const path = `/${part.name}/${number}?size=${part.response ?? 64}`;
  const length = part.body ?? 0;
  if (length === 0) return `GET ${path} HTTP/1.1\r\nHost: online\r\n\r\n`;
  const from = (number * 131) % PATTERN.length;
  const long = PATTERN.repeat(Math.ceil((from + length) / PATTERN.length));
  const body = long.slice(from, from + length);
  return `POST ${path} HTTP/1.1\r\nHost: online\r\nContent-Length: ${length}\r\n\r\n${body}`;
}

function count(error: string): void {
  errors[error] = (errors[error] ?? 0) + 1;
}

/** One connection; sends some requests at once and tells when all are answered or have failed. */
class Connection {
  readonly socket: Socket;
  readonly #parser: ResponseParser;
  #waiting = 0;
  #since = 0;
  #free: (() => void) | null = null;

  constructor(local: LocalEnd) {
    const { host, port } = plan;
    this.socket = connect({ host, port, ...local });
    this.socket.setNoDelay(true);
    this.#parser = new ResponseParser((status) => this.#onResponse(status));
    this.socket.on('data', (chunk) => this.#parser.push(chunk));
    this.socket.on('error', (error: NodeJS.ErrnoException) => count(error.code ?? error.message));
    this.socket.on('timeout', () => this.socket.destroy());
    this.socket.on('close', () => {
      if (this.#waiting > 0) {
        errors['unanswered'] = (errors['unanswered'] ?? 0) + this.#waiting;
        this.#waiting = 0;
      }
      this.#release();
    });
  }

  /** Calls `free` when the connection may be used again (or is of no use any more). */
  send(text: string, requests: number, free: () => void): void {
    this.#free = free;
    this.#waiting = requests;
    this.#since = performance.now();
    sent += requests;
    this.socket.setTimeout(PATIENCE);
    this.socket.write(text, 'latin1');
  }

  #onResponse(status: number): void {
    if (this.#waiting === 0) {
      count('response without a request');
      return;
    }
    this.#waiting -= 1;
    if (status === 200) latencies[answered++] = performance.now() - this.#since;
    else count(`status ${status}`);
    if (this.#waiting === 0) this.#release();
  }

  #release(): void {
    const free = this.#free;
    this.#free = null;
    free?.();
  }
}

/** Runs one part of the plan: `begin` is called when a request is due and a slot is free. */
async function paced(part: LoadPart, slots: number, begin: (first: number, n: number) => void) {
  const start = performance.now();
  const depth = part.depth ?? 1;
  let begun = 0;
  free.set(part.name, slots);
  while (begun < part.requests) {
    const due =
      part.rate === 0
        ? part.requests
        : Math.min(part.requests, Math.ceil(((performance.now() - start) * part.rate) / 1000));
    while (begun < due && (free.get(part.name) ?? 0) > 0) {
      const n = Math.min(depth, part.requests - begun);
      free.set(part.name, (free.get(part.name) ?? 0) - 1);
      begin(begun, n);
      begun += n;
    }
    await sleep(TICK);
  }
  while ((free.get(part.name) ?? 0) < slots) await sleep(TICK);
}

/** Free slots (idle connections, or connections that may still be opened) of each part. */
const free = new Map<string, number>();

function release(part: LoadPart): void {
  free.set(part.name, (free.get(part.name) ?? 0) + 1);
}

async function keepAlive(part: LoadPart): Promise<void> {
  const idle = Array.from(
    { length: part.connections },
    (_, i) => new Connection(localEnd(part, i)),
  );
  const all = [...idle];
  await paced(part, part.connections, (first, n) => {
    const connection = idle.shift();
    if (connection === undefined) return;
    const texts = Array.from({ length: n }, (_, i) => requestText(part, first + i));
    connection.send(texts.join(''), n, () => {
      if (!connection.socket.destroyed) idle.push(connection);
      else idle.push(new Connection(localEnd(part, first)));
      release(part);
    });
  });
  await Promise.all(all.concat(idle).map((connection) => closed(connection)));
}

async function newConnections(part: LoadPart): Promise<void> {
  await paced(part, part.connections, (first, n) => {
    const connection = new Connection(localEnd(part, first));
    connection.send(requestText(part, first), n, () => {
      // The client closes first, as browsers and proxies do at the end of their patience.
      connection.socket.end();
      release(part);
    });
    const { resetWithin } = part;
    if (resetWithin === undefined) return;
    setTimeout(() => connection.socket.resetAndDestroy(), Math.random() * resetWithin);
  });
}

function closed(connection: Connection): Promise<void> {
  const { socket } = connection;
  if (socket.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    socket.on('close', () => resolve());
    socket.end();
  });
}

/** Where a connection comes from; what is left out the kernel chooses. */
interface LocalEnd {
  readonly localAddress?: string;
  readonly localPort?: number;
}

function localEnd(part: LoadPart, index: number): LocalEnd {
  const list = part.addresses ?? [];
  const localAddress = list[index % Math.max(1, list.length)];
  return {
    ...(localAddress === undefined ? {} : { localAddress }),
    ...(part.firstPort === undefined ? {} : { localPort: part.firstPort + index }),
  };
}

process.on('message', () => process.send?.({ sent, answered } satisfies LoadProgress));

const start = performance.now();
await Promise.all(
  plan.parts.map((part) => (part.kind === 'new' ? newConnections(part) : keepAlive(part))),
);
const sorted = latencies.subarray(0, answered).sort();
const result: LoadResult = {
  sent,
  answered,
  errors,
  seconds: (performance.now() - start) / 1000,
  p50: sorted[Math.floor(answered / 2)] ?? 0,
  p99: sorted[Math.floor(answered * 0.99)] ?? 0,
};
process.stdout.write(`${JSON.stringify(result)}\n`);
if (process.connected) process.disconnect();
