// A real HTTP server that remembers every request it gets. A program of its own:
//   node http-server.js PORT [ADDRESS [DELAY [streams]]]
// DELAY: milliseconds before each answer to a GET. "streams": remember every octet of every connection too.
// `?size=N` asks for a response body of N octets. Parent's messages: 'count' answers with the
// number of requests so far; {dump: FILE} writes the records there and answers with their number;
// {streams: FILE} writes what each connection brought; 'clear' forgets the records. Nothing is written while requests arrive: the machine is small.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { RequestRecord } from './records.ts';

const port = Number(process.argv[2] ?? 80);
const address = process.argv[3] ?? '::';
const delay = Number(process.argv[4] ?? 0);
const keepsStreams = process.argv[5] === 'streams';

let records: RequestRecord[] = [];
const streams: Array<{ readonly peer: string; readonly chunks: Buffer[] }> = [];

/** The octets that response bodies are cut from: the same on every server and in every run. */
const PATTERN: Buffer = Buffer.alloc(256 * 1024);
for (let i = 0; i < PATTERN.length; i++) PATTERN[i] = 97 + ((i * 7 + (i >> 8)) % 26);

const server = createServer(
  { keepAliveTimeout: 120_000, requestTimeout: 0 },
  (request, response) => {
    const size = sizeWanted(request.url ?? '/');
    if (request.method === 'GET') {
      remember(request, '', 0, true);
      if (delay > 0) setTimeout(answer, delay, response, size);
      else answer(response, size);
      return;
    }
    const hash = createHash('sha1');
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      length += chunk.length;
    });
    let ended = false;
    request.on('end', () => {
      ended = true;
      remember(request, length === 0 ? '' : hash.digest('base64'), length, true);
      answer(response, size);
    });
    request.on('close', () => {
      if (!ended) remember(request, '', length, false);
    });
    request.on('error', () => {});
  },
);

function remember(request: IncomingMessage, hash: string, length: number, complete: boolean): void {
  records.push({
    method: request.method ?? '',
    path: request.url ?? '',
    length,
    hash,
    peer: peerOf(request.socket),
    complete,
  });
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress?.replace('::ffff:', '')}:${remotePort}`;
}

function sizeWanted(url: string): number {
  const at = url.indexOf('size=');
  return at < 0 ? 64 : Number.parseInt(url.slice(at + 5), 10);
}

function answer(response: ServerResponse, size: number): void {
  // A date a response and a map of headers cost a fifth of such a short request.
  response.sendDate = false;
  response.writeHead(200, ['Content-Length', String(size)]);
  if (size <= PATTERN.length) {
    response.end(PATTERN.subarray(0, size));
    return;
  }
  let left = size;
  const more = (): void => {
    while (left > 0) {
      const part = PATTERN.subarray(0, Math.min(left, PATTERN.length));
      left -= part.length;
      if (!response.write(part)) {
        response.once('drain', more);
        return;
      }
    }
    response.end();
  };
  more();
}

if (keepsStreams) {
  server.on('connection', (socket) => {
    const chunks: Buffer[] = [];
    streams.push({ peer: peerOf(socket), chunks });
    socket.on('data', (chunk) => chunks.push(chunk));
  });
}

function streamLine({ peer, chunks }: (typeof streams)[number]): string {
  return `${peer} ${Buffer.concat(chunks).toString('base64')}\n`;
}

type Message = 'count' | 'clear' | { dump: string } | { streams: string };

process.on('message', (message: Message) => {
  if (message === 'clear') {
    records = [];
  } else if (message !== 'count') {
    if ('streams' in message)
      writeFileSync(message.streams, streams.map(streamLine).join(''), 'latin1');
    else
      writeFileSync(message.dump, records.map((r) => `${JSON.stringify(r)}\n`).join(''), 'latin1');
  }
  process.send?.(records.length);
});
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));

server.on('clientError', (_error, socket) => socket.destroy());
server.listen({ port, host: address, backlog: 4096 }, () => {
  process.stdout.write(`listening on ${address} port ${port}\n`);
});
