// A name server that knows one answer, over UDP and TCP, and an echo for long datagrams. It remembers every datagram. A program of
// its own:   node udp-server.js PORT
// The parent's message 'records' is answered with a DatagramRecord for each.
import { createHash } from 'node:crypto';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { createServer } from 'node:net';
import { type DatagramRecord, ECHO_FROM } from './udp-plan.ts';

const port = Number(process.argv[2]);
const records: DatagramRecord[] = [];

const HEADER = 12;
/** A response, no error; recursion desired and available (RFC 1035 §4.1.1). */
const FLAGS = 0x8180;
/** The name of the question, type A, class IN, a minute, 192.0.2.1. */
const ANSWER = Buffer.from([0xc0, HEADER, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);

/** The answer to a query with one question. */
function answerTo(query: Buffer): Buffer {
  let end = HEADER;
  while (end < query.length && query[end] !== 0) end += (query[end] as number) + 1;
  const response = Buffer.concat([query.subarray(0, end + 5), ANSWER]);
  for (const [i, value] of [FLAGS, 1, 1, 0, 0].entries()) response.writeUInt16BE(value, 2 + 2 * i);
  return response;
}

function take(this: Socket, payload: Buffer, from: RemoteInfo): void {
  const digest = createHash('sha1').update(payload).digest('hex');
  const { length } = payload;
  records.push({ address: from.address, port: from.port, length, digest });
  this.send(length < ECHO_FROM ? answerTo(payload) : payload, from.port, from.address);
}

for (const [type, address] of [
  ['udp4', '0.0.0.0'],
  ['udp6', '::'],
] as const) {
  const socket = createSocket({ type, ipv6Only: type === 'udp6', recvBufferSize: 8 << 20 });
  socket.on('message', take);
  // Nobody may be there any more to take an answer.
  socket.on('error', () => {});
  socket.bind(port, address, () => process.stdout.write(`${type} bound\n`));
}

const server = createServer((socket) => {
  let held = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    // RFC 1035 §4.2.2: the length in front.
    while (held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) {
      const end = 2 + held.readUInt16BE(0);
      const response = answerTo(held.subarray(2, end));
      const length = Buffer.alloc(2);
      length.writeUInt16BE(response.length);
      socket.write(Buffer.concat([length, response]));
      queries++;
      held = held.subarray(end);
    }
  });
});
let queries = 0;

process.on('message', (what) => process.send?.(what === 'records' ? records : queries));
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));
server.listen(port, '::', () => process.stdout.write('tcp listening\n'));
