// Stands between tcpcopy and intercept and makes each believe that the other is an original: takes the offer of the extended protocol
// out of the first message, and passes everything else on.
//   node version6-proxy.js PORT HOST HOSTPORT
import { connect, createServer, type Socket } from 'node:net';

const [port, host, hostPort] = process.argv.slice(2);
/** Octets of the first message, and where its offer stands: in the fields that an original leaves 0 and does not read. */
const MESSAGE = 14;
const OFFER = 8;

function passOn(from: Socket, to: Socket): void {
  let seen = 0;
  from.on('data', (chunk) => {
    for (let i = 0; i < chunk.length && seen + i < MESSAGE; i++) {
      if (seen + i >= OFFER) chunk[i] = 0;
    }
    seen += chunk.length;
    to.write(chunk);
  });
}

const server = createServer({ noDelay: true }, (near) => {
  const far = connect({ host: host ?? '', port: Number(hostPort), noDelay: true });
  passOn(near, far);
  far.pipe(near);
  for (const [one, other] of [
    [near, far],
    [far, near],
  ] as const) {
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
});
server.listen(Number(port), () => process.stdout.write('listening\n'));
