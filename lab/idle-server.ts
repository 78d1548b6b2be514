// A server for very many connections that do next to nothing: for every IDLE_REQUEST octets it sends IDLE_ANSWER. A program of
// its own:   node idle-server.js PORT
// The parent's message 'count' is answered with an IdleCount.
import { createServer, type Socket } from 'node:net';
import { IDLE_ANSWER, IDLE_REQUEST, type IdleCount } from './idle-plan.ts';

const ANSWER: Buffer = Buffer.alloc(IDLE_ANSWER, 'a');
let open = 0;
let answered = 0;
let errors = 0;

function onData(this: Socket, chunk: Buffer): void {
  const before = Math.floor((this.bytesRead - chunk.length) / IDLE_REQUEST);
  const asked = Math.floor(this.bytesRead / IDLE_REQUEST) - before;
  for (let i = 0; i < asked; i++) this.write(ANSWER);
  answered += asked;
}

function onError(): void {
  errors++;
}

function onClose(): void {
  open--;
}

const server = createServer((socket) => {
  open++;
  socket.on('data', onData);
  socket.on('error', onError);
  socket.on('close', onClose);
});
process.on('message', () => process.send?.({ open, answered, errors } satisfies IdleCount));
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));
server.listen({ port: Number(process.argv[2]), host: '0.0.0.0', backlog: 4096 }, () => {
  process.stdout.write('listening\n');
});
