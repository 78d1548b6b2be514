// Sends datagrams that a server of the lab sends back (udp-server.ts). A program of its own:   node udp-client.js PLAN
// PLAN: a DatagramPlan as JSON. Fails unless every one comes back as it was.
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { type DatagramPlan, PATIENCE_MS, TRIES } from './udp-plan.ts';

const plan = JSON.parse(process.argv[2] ?? '') as DatagramPlan;

function exchange(size: number): Promise<void> {
  const { host, port } = plan;
  const socket = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4' });
  const payload = randomBytes(size);
  let left = TRIES;
  return new Promise((resolve, reject) => {
    const send = (): void => {
      if (left-- > 0) socket.send(payload, port, host);
      else reject(new Error(`no echo of ${size} octets`));
    };
    const timer = setInterval(send, PATIENCE_MS);
    socket.on('message', (echo) => {
      clearInterval(timer);
      socket.close();
      if (echo.equals(payload)) resolve();
      else reject(new Error(`another echo than the ${size} octets that were sent`));
    });
    socket.on('error', reject);
    send();
  });
}

for (const size of plan.sizes) await exchange(size);
process.stdout.write(`${plan.sizes.length} came back\n`);
process.exit(0);
