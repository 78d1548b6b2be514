// An HTTP server that keeps every octet of every connection, and treats some of its clients badly. A program of its own:
//   node stream-server.js PORT JOURNAL PLAN       PLAN is a ServerPlan in JSON
// `?size=N` asks for a response of N octets, header included. Whatever happens on a connection goes into the file JOURNAL at once, a
// JournalLine in JSON each: it outlives a server that is killed. The parent's message 'count' is answered with the octets read so far.
import { appendFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import type { JournalLine, Manner, ServerPlan } from './stream-plan.ts';

const port = Number(process.argv[2] ?? 80);
const journal = process.argv[3] ?? '/dev/null';
const plan = JSON.parse(process.argv[4] ?? '{}') as ServerPlan;
const pause = plan.pause ?? 0;
const after = plan.after ?? 0;

let connections = 0;
let octets = 0;

class Connection {
  readonly #id = `${process.pid}/${++connections}`;
  readonly #peer: string;
  readonly #socket: Socket;
  readonly #manner: Manner;
  readonly #delay: number;
  #length = 0;
  /** The header so far of a request whose header is not complete. */
  #header = '';
  /** Octets of a body that are still to come. */
  #body = 0;
  #size = 64;
  #last: Promise<void> = Promise.resolve();

  constructor(socket: Socket) {
    const address = (socket.remoteAddress ?? '').replace('::ffff:', '');
    const isMeant = plan.to === undefined || plan.to === address;
    this.#peer = `${address}:${socket.remotePort}`;
    this.#socket = socket;
    this.#manner = isMeant ? (plan.manner ?? 'polite') : 'polite';
    this.#delay = isMeant ? (plan.delay ?? 0) : 0;
    socket.setNoDelay(true);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#note('', error.code ?? error.message);
    });
    socket.on('end', () => this.#onEnd());
    this.#note('', 'open');
    this.#greet();
  }

  #note(text: string, end?: string): void {
    const line: JournalLine = { id: this.#id, peer: this.#peer, octets: text, ...(end && { end }) };
    appendFileSync(journal, `${JSON.stringify(line)}\n`);
  }

  #greet(): void {
    const socket = this.#socket;
    if (this.#manner === 'never reads') return;
    if (this.#manner === 'pauses') {
      setTimeout(() => this.#read(), pause);
      return;
    }
    if (this.#manner === 'resets at once') socket.resetAndDestroy();
    else if (this.#manner === 'closes at once') socket.end();
    this.#read();
  }

  #read(): void {
    this.#socket.on('data', (chunk: Buffer) => this.#onData(chunk.toString('latin1')));
  }

  #onData(text: string): void {
    octets += text.length;
    this.#note(text);
    this.#length += text.length;
    this.#parse(text);
    if (this.#length < after) return;
    if (this.#manner === 'resets in the request') this.#socket.resetAndDestroy();
    else if (this.#manner === 'closes in the request') this.#socket.destroySoon();
  }

  #onEnd(): void {
    this.#note('', 'closed');
    if (this.#manner === 'resets after the FIN') this.#socket.resetAndDestroy();
    else void this.#last.then(() => this.#socket.end());
  }

  #parse(text: string): void {
    let rest = text;
    while (rest !== '') {
      if (this.#body > 0) {
        const taken = Math.min(this.#body, rest.length);
        this.#body -= taken;
        rest = rest.slice(taken);
        if (this.#body > 0) return;
        this.#answer();
        continue;
      }
      const before = this.#header.length;
      this.#header += rest;
      const end = this.#header.indexOf('\r\n\r\n');
      if (end < 0) return;
      rest = rest.slice(end + 4 - before);
      this.#size = numberAfter(this.#header, 'size=', 64);
      this.#body = numberAfter(this.#header, 'Content-Length: ', 0);
      this.#header = '';
      if (this.#body === 0) this.#answer();
    }
  }

  /** Answers in turn, each `delay` after the one before. */
  #answer(): void {
    const size = this.#size;
    this.#last = this.#last.then(async () => {
      if (this.#delay > 0) await passed(this.#delay);
      if (!this.#socket.writable) return;
      this.#socket.write(response(size));
      await this.#afterwards();
    });
  }

  async #afterwards(): Promise<void> {
    const socket = this.#socket;
    switch (this.#manner) {
      case 'closes after the answer':
        if (this.#length >= after) socket.end();
        break;
      case 'resets after the answer':
        await passed(pause);
        socket.resetAndDestroy();
        break;
      case 'closes, then resets':
        socket.end();
        await passed(pause);
        socket.resetAndDestroy();
        break;
      default:
    }
  }
}

function passed(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}

function numberAfter(header: string, label: string, otherwise: number): number {
  const at = header.indexOf(label);
  return at < 0 ? otherwise : Number.parseInt(header.slice(at + label.length), 10);
}

function response(size: number): string {
  const head = (body: number): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body}\r\n\r\n`;
  // The number of digits changes with the length that they say; the lab's sizes do not sit at such an edge.
  const body = Math.max(0, size - head(size).length);
  return head(body) + 'x'.repeat(body);
}

const server = createServer({ allowHalfOpen: true }, (socket) => {
  void new Connection(socket);
  if (connections === 1 && plan.stall !== undefined) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, plan.stall);
  }
});

process.on('message', () => process.send?.(octets));
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));

server.listen({ port, host: '::', backlog: plan.backlog ?? 4096 }, () => {
  process.stdout.write(`listening on port ${port}\n`);
});
