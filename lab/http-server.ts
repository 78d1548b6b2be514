// A real HTTP server that remembers every request it gets. A program of its own:
//   node http-server.js PORT [ADDRESS [DELAY]]
// DELAY: milliseconds before each answer to a GET.
// `?size=N` asks for a response body of N octets. Parent's messages: 'count' answers with the
// number of requests so far; {dump: FILE} writes the records there and answers with their number;
// 'clear' forgets them. Nothing is written while requests arrive: the machine is small.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { RequestRecord } from './records.ts';

const port = Number(process.argv[2] ?? 80);
const address = process.argv[3] ?? '::';
const delay = Number(process.argv[4] ?? 0);

let records: RequestRecord[] = [];

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
  const { remoteAddress, remotePort } = request.socket;
  records.push({
    method: request.method ?? '',
    path: request.url ?? '',
    length,
    hash,
    peer: `${remoteAddress?.replace('::ffff:', '')}:${remotePort}`,
    complete,
  });
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

process.on('message', (message: 'count' | 'clear' | { dump: string }) => {
  if (message === 'clear') {
    records = [];
  } else if (message !== 'count') {
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
