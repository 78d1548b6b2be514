// Copies datagrams on the built code in a process of its own, and tells what the garbage collector did meanwhile. Arguments: packets,
// and octets of garbage to be made on purpose for each (0: none).
import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { Memory } from '../../dist/base/memory.js';
import { Random } from '../../dist/base/random.js';
import { ChecksumState } from '../../dist/ports/packet-source.js';
import { ClientAddresses } from '../../dist/replay/client-addresses.js';
import { Datagrams } from '../../dist/replay/datagrams.js';
import { Replayer } from '../../dist/replay/replayer.js';
import { DEFAULT_SESSION, address, transfer } from '../../dist/testing/harness.js';
import { writeFragmentHeader, markIpv4Fragment } from '../../dist/wire/fragments.js';
import { writeIpv4Header } from '../../dist/wire/ipv4.js';
import { writeIpv6Header } from '../../dist/wire/ipv6.js';
import { writeUdpHeader } from '../../dist/wire/udp.js';

const [packets, waste] = process.argv.slice(2).map(Number);

/** A captured packet with room for 1500 octets. */
const captured = (checksum) => ({ memory: Memory.alloc(1500), offset: 0, checksum, receivedAt: 0 });

/** A datagram over IPv4, 500 octets long with its header. */
function v4(checksum, id, offset, more) {
  const packet = { ...captured(checksum), length: 520, wireLength: 520 };
  const { memory } = packet;
  writeIpv4Header(memory, 0, 0, 520, id, false, 64, 17, 0x0a010203, 0x0a000001);
  markIpv4Fragment(memory, 0, offset, more);
  if (offset === 0) writeUdpHeader(memory, 20, 40_000, 53, more ? 996 : 500, more ? 0 : 1234);
  return packet;
}

/** A fragment over IPv6 that is whole. */
function v6() {
  const packet = { ...captured(ChecksumState.valid), length: 548, wireLength: 548 };
  const { memory } = packet;
  writeIpv6Header(memory, 0, 0, 508, 44, 64, address('fd00::7'), address('fd00::1'));
  writeFragmentHeader(memory, 40, 17, 0, false, 5);
  writeUdpHeader(memory, 48, 40_000, 53, 500, 1234);
  return packet;
}

const fragments = [v4(ChecksumState.unknown, 9, 0, true), v4(ChecksumState.unknown, 9, 496, false)];
// The first has 16 octets of data less, a multiple of 8.
fragments[0].memory.view.setUint16(2, 516);
fragments[0].length = fragments[0].wireLength = 516;
const batch = [
  v4(ChecksumState.valid, 1, 0, false),
  v4(ChecksumState.partial, 1, 0, false),
  ...fragments,
  v6(),
];

const sink = {
  memory: Memory.alloc(128),
  packets: 0,
  begin: () => 0,
  commit: () => {
    sink.packets++;
  },
  flush: () => {},
};
const config = {
  transfers: [transfer(53, '10.9.0.1', 53, 576), transfer(53, 'fd09::1', 53, 1280)],
  clientAddresses: { v4: new ClientAddresses([address('10.88.0.1')]), v6: undefined },
  percentage: 99,
  copies: 2.5,
  onlyFromSyn: false,
  maxCopies: 10,
  maxPayload: 6 << 20,
  session: DEFAULT_SESSION,
};
const { common } = new Replayer(config, new Random(1));
const datagrams = new Datagrams(common, 2.5, new Random(1));

let kept = null;
function run(count) {
  for (let n = 0; n < count; ) {
    for (let i = 0; i < batch.length; i++, n++) {
      datagrams.handlePacket(n, batch[i], sink);
      if (waste > 0) kept = new Array(waste / 8).fill(n);
    }
    datagrams.poll(sink);
  }
}

run(200_000); // Until all of it is compiled.
globalThis.gc();
globalThis.gc();
await pause(200);
const collections = [];
new PerformanceObserver((list) => collections.push(...list.getEntries())).observe({
  entryTypes: ['gc'],
});
const before = process.memoryUsage().heapUsed;
const sent = sink.packets;
const copied = common.ledger.datagrams[0];
const start = performance.now();
run(packets);
const end = performance.now();
const heapGrowth = process.memoryUsage().heapUsed - before;
await pause(200);
console.log(
  JSON.stringify({
    handed: common.ledger.datagrams[0] - copied,
    sent: sink.packets - sent,
    collections: collections.filter((e) => e.startTime >= start && e.startTime < end).length,
    heapGrowth,
    milliseconds: end - start,
    wasted: kept?.length ?? 0,
  }),
);
