// Measures how long transfers take, from what arrives at a server's host. A program of its own:
//   node stopwatch.js INTERFACE PORT OCTETS
// For every connection to PORT: from its SYN until the client has sent OCTETS, and until it has acknowledged as many. The
// parent's message, whatever it is, is answered with the list of `Lap`s.
import type { Lap } from './laps.ts';
import { type CapturedPacket, product } from './product.ts';

const { openPacketSource } = await product('linux/packet-socket');
const { PacketView, PacketError } = await product('wire/packet-view');

const [name = '', port, octets] = process.argv.slice(2);
const wanted = Number(octets);
const SYN = 2;

/** A connection with the numbers from which it counts. */
interface Runner extends Lap {
  sent?: number;
  acknowledged?: number;
  readonly iss: number;
  irs?: number;
  readonly startedAt: number;
}

const runners = new Map<string, Runner>();
const view = new PacketView();

function handlePacket(packet: CapturedPacket): void {
  const error = view.parse(packet.memory, packet.offset, packet.length, packet.wireLength);
  if (error !== PacketError.none || view.destinationPort !== Number(port)) return;
  const address = [24, 16, 8, 0].map((shift) => (view.src3 >>> shift) & 255).join('.');
  const peer = `${address}:${view.sourcePort}`;
  if ((view.flags & SYN) !== 0) {
    runners.set(peer, { peer, iss: view.seq, startedAt: packet.receivedAt });
    return;
  }
  const runner = runners.get(peer);
  if (runner === undefined) return;
  // The third segment of the handshake acknowledges nothing but the SYN.
  runner.irs ??= (view.ack - 1) | 0;
  const milliseconds = (packet.receivedAt - runner.startedAt) / 1000;
  const sent = (view.seq + view.payloadLength - runner.iss - 1) | 0;
  if (sent >= wanted) runner.sent ??= milliseconds;
  if (((view.ack - runner.irs - 1) | 0) >= wanted) runner.acknowledged ??= milliseconds;
}

const source = openPacketSource({ interfaces: [name], families: [4], timestamps: true });
source.onReadable(() => {
  while (source.receive({ handlePacket }, 64) === 64);
});
process.on('message', () => {
  const laps = [...runners.values()].map(
    ({ peer, sent, acknowledged }): Lap => ({
      peer,
      ...(sent !== undefined && { sent }),
      ...(acknowledged !== undefined && { acknowledged }),
    }),
  );
  process.send?.(laps);
});
process.on('disconnect', () => process.exit(0));
process.stdout.write('measuring\n');
