// Very many connections that ask a few times and then stay open. A program of its own:
//   node idle-client.js PLAN       PLAN is an IdlePlan in JSON
// The parent's messages: 'count' is answered with an IdleCount; 'close' ends all connections at the pace at which they began,
// and then the program.
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { IDLE_ANSWER, IDLE_REQUEST, type IdleCount, type IdlePlan } from './idle-plan.ts';

const TICK = 5;
const plan = JSON.parse(process.argv[2] ?? '{}') as IdlePlan;
const REQUEST: Buffer = Buffer.alloc(IDLE_REQUEST, 'r');
const sockets: Socket[] = [];
let open = 0;
let answered = 0;
let errors = 0;

function onConnect(this: Socket): void {
  open++;
  this.write(REQUEST);
}

function onData(this: Socket, chunk: Buffer): void {
  const before = Math.floor((this.bytesRead - chunk.length) / IDLE_ANSWER);
  const now = Math.floor(this.bytesRead / IDLE_ANSWER);
  answered += now - before;
  if (now > before && now < plan.requests) this.write(REQUEST);
}

function onError(): void {
  errors++;
}

function onClose(): void {
  open--;
}

/** Calls `act` for each connection's number, `plan.rate` a second. */
async function paced(act: (i: number) => void): Promise<void> {
  const start = performance.now();
  for (let i = 0; i < plan.connections; await sleep(TICK)) {
    const due = Math.min(plan.connections, ((performance.now() - start) * plan.rate) / 1000);
    while (i < due) act(i++);
  }
}

process.on('message', (message) => {
  if (message === 'close') {
    void paced((i) => sockets[i]?.end()).then(() => process.disconnect());
  } else process.send?.({ open, answered, errors } satisfies IdleCount);
});

await paced(() => {
  const socket = connect({ host: plan.host, port: plan.port, localAddress: plan.address });
  socket.on('connect', onConnect);
  socket.on('data', onData);
  socket.on('error', onError);
  socket.on('close', onClose);
  sockets.push(socket);
});
