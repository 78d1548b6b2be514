import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { micros } from '../../src/base/time.ts';
import { openPacketSource } from '../../src/linux/packet-socket.ts';
import { pathMtu } from '../../src/linux/path-mtu.ts';
import { compileFilter } from '../../src/linux/pcap-filter.ts';
import { openRawSender } from '../../src/linux/raw-sender.ts';
import { transferFilter } from '../../src/linux/transfer-filter.ts';
import { ChecksumState, type PacketSource } from '../../src/ports/packet-source.ts';
import {
  address,
  ip,
  makeLoop,
  makePeer,
  Recorder,
  removeLoop,
  removePeer,
  runIn,
  sendSegment,
  sh,
  until,
} from './linux-rig.ts';

const V4 = address('10.9.0.2');
const V6 = address('fd09::2');

function drain(source: PacketSource): Recorder {
  const recorder = new Recorder();
  while (source.receive(recorder, 64) > 0);
  return recorder;
}

beforeAll(() => makeLoop());
afterAll(() => removeLoop());

describe('packet source and raw sender', () => {
  it('carry packets of both families, in order and untouched', () => {
    const source = openPacketSource({ filter: transferFilter([{ port: 80 }]) });
    const sender = openRawSender();
    for (let i = 0; i < 100; i++) sendSegment(sender, i % 3 === 0 ? V6 : V4, 80, i);
    sender.flush();
    const { seen } = drain(source);
    expect(seen).toHaveLength(100);
    const lengthsOf = (version: number): number[] =>
      seen.filter((p) => (p.bytes[0] as number) >>> 4 === version).map((p) => p.wireLength);
    const sent = [...Array(100).keys()];
    expect(lengthsOf(6)).toEqual(sent.filter((i) => i % 3 === 0).map((i) => 60 + i));
    expect(lengthsOf(4)).toEqual(sent.filter((i) => i % 3 !== 0).map((i) => 40 + i));
    expect(sender.statistics().packets).toBe(100);
    expect(sender.statistics().errors.size).toBe(0);
    expect(source.statistics()).toEqual({ received: 100, dropped: 0 });
    sender.close();
    source.close();
  });

  it('see a packet once, on whatever interfaces they listen, and never an outgoing one', () => {
    const sender = openRawSender();
    const counts: number[] = [];
    for (const interfaces of [[], ['vb'], ['va'], ['va', 'vb']]) {
      const source = openPacketSource({ interfaces, filter: transferFilter([{ port: 80 }]) });
      sendSegment(sender, V4, 80);
      sendSegment(sender, V6, 80);
      sender.flush();
      counts.push(drain(source).seen.length);
      source.close();
    }
    sender.close();
    expect(counts).toEqual([2, 2, 0, 2]);
  });

  it('leave out, in the kernel, what the filter refuses', () => {
    const source = openPacketSource({
      filter: transferFilter([
        { address: V4, port: 80 },
        { address: V6, port: 81 },
      ]),
    });
    const sender = openRawSender();
    for (const port of [80, 81, 82]) for (const to of [V4, V6]) sendSegment(sender, to, port);
    sender.flush();
    expect(drain(source).seen.map((p) => p.length)).toEqual([40, 60]);
    expect(source.statistics().received).toBe(2);
    sender.close();
    source.close();
  });

  it('let nothing pass that comes before the filter, while a flood arrives', async () => {
    makePeer('peer8');
    const flood = await runIn(
      'peer8',
      `const s = require('dgram').createSocket('udp4'); const b = Buffer.alloc(9);
       s.connect(9, '10.8.0.1', () => { console.log('ready');
         const go = () => { for (let i = 0; i < 50; i++) s.send(b); setImmediate(go); }; go(); });
       s.on('error', () => {});`,
    );
    try {
      const everything = openPacketSource();
      for (let round = 0; round < 30; round++) {
        const source = openPacketSource({ filter: transferFilter([{ port: 80 }]) });
        expect(drain(source).seen).toEqual([]);
        expect(source.statistics().received).toBe(0);
        source.close();
      }
      expect(drain(everything).seen.length).toBeGreaterThan(1000);
      everything.close();
    } finally {
      flood.kill();
      removePeer('peer8');
    }
  });

  it('cut packets to the snap length and still tell their length', () => {
    const source = openPacketSource({ filter: transferFilter([{ port: 80 }], 60) });
    const sender = openRawSender();
    sendSegment(sender, V4, 80, 1000);
    sender.flush();
    const { seen } = drain(source);
    expect(seen.map((p) => [p.length, p.wireLength])).toEqual([[60, 1040]]);
    sender.close();
    source.close();
  });

  it('ignore packets that a switch floods to us for another host, unless promiscuous', () => {
    const mac = JSON.parse(ip('-j link show vb'))[0].address as string;
    ip('neigh replace 10.9.0.2 lladdr 02:00:00:00:00:99 dev va nud permanent');
    try {
      const filter = transferFilter([{ port: 80 }]);
      const plain = openPacketSource({ interfaces: ['vb'], filter });
      const mirror = openPacketSource({ interfaces: ['vb'], filter, promiscuous: true });
      const sender = openRawSender();
      sendSegment(sender, V4, 80);
      sender.flush();
      expect([drain(plain).seen.length, drain(mirror).seen.length]).toEqual([0, 1]);
      for (const thing of [plain, mirror, sender]) thing.close();
    } finally {
      ip(`neigh replace 10.9.0.2 lladdr ${mac} dev va nud permanent`);
    }
  });

  it('see the packets of a bridge port', () => {
    ip('link add br9 type bridge');
    ip('link set vb master br9');
    ip('link set br9 up');
    try {
      const filter = transferFilter([{ port: 80 }]);
      const source = openPacketSource({ interfaces: ['vb'], filter });
      const sender = openRawSender();
      sendSegment(sender, V4, 80);
      sendSegment(sender, V6, 80);
      sender.flush();
      expect(drain(source).seen).toHaveLength(2);
      sender.close();
      source.close();
    } finally {
      ip('link del br9');
    }
  });

  it('count what the kernel dropped for want of room', () => {
    const filter = transferFilter([{ port: 80 }]);
    const source = openPacketSource({ filter, receiveBuffer: 8192 });
    const sender = openRawSender();
    for (let i = 0; i < 1000; i++) sendSegment(sender, V4, 80, 500);
    sender.flush();
    const got = drain(source).seen.length;
    const { received, dropped } = source.statistics();
    expect(received).toBe(1000);
    expect(dropped).toBeGreaterThan(0);
    expect(got + dropped).toBe(1000);
    sender.close();
    source.close();
  });

  it('stamp packets when asked', () => {
    const source = openPacketSource({ filter: transferFilter([{ port: 80 }]), timestamps: true });
    const sender = openRawSender();
    const before = Date.now() * 1e3;
    sendSegment(sender, V4, 80);
    sender.flush();
    const [packet] = drain(source).seen;
    expect(packet?.receivedAt).toBeGreaterThanOrEqual(before - 1000);
    expect(packet?.receivedAt).toBeLessThanOrEqual(Date.now() * 1e3 + 1000);
    expect(packet?.wireLength).toBe(40);
    sender.close();
    source.close();
  });

  it('wake the event loop until everything is read, also with a small budget', async () => {
    const source = openPacketSource({ filter: transferFilter([{ port: 80 }]) });
    const sender = openRawSender();
    const recorder = new Recorder();
    source.onReadable(() => source.receive(recorder, 3));
    for (let i = 0; i < 100; i++) sendSegment(sender, i % 2 === 0 ? V4 : V6, 80);
    sender.flush();
    await until(() => recorder.seen.length === 100, '100 packets in small pieces');
    sendSegment(sender, V6, 80);
    sender.flush();
    await until(() => recorder.seen.length === 101, 'one more');
    sender.close();
    source.close();
  });

  it('gather at high rates, lose nothing, and answer at once again afterwards', async () => {
    const filter = transferFilter([{ port: 80 }]);
    const source = openPacketSource({ filter, gatherDelay: micros(500) });
    const sender = openRawSender();
    const recorder = new Recorder();
    let wakes = 0;
    let empty = 0;
    source.onReadable(() => {
      wakes++;
      if (source.receive(recorder, 64) === 0) empty++;
    });
    const total = 20_000;
    let sent = 0;
    const flood = setInterval(() => {
      for (let i = 0; i < 100 && sent < total; i++, sent++)
        sendSegment(sender, i % 2 ? V4 : V6, 80);
      sender.flush();
    }, 1);
    await until(() => recorder.seen.length === total, 'the whole flood');
    clearInterval(flood);
    await new Promise((resolve) => setTimeout(resolve, 50));
    // Only one who gathers looks where nothing has arrived.
    expect(empty).toBeGreaterThan(0);
    wakes = 0;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(wakes).toBe(0);
    sendSegment(sender, V6, 80);
    sender.flush();
    await until(() => recorder.seen.length === total + 1, 'one more');
    expect(wakes).toBe(1);
    expect(source.statistics()).toEqual({ received: total + 1, dropped: 0 });
    sender.close();
    source.close();
  });

  it('take a filter that libpcap compiled', () => {
    const source = openPacketSource({ filter: compileFilter('tcp and dst port 80') });
    const sender = openRawSender();
    for (const port of [80, 81]) for (const to of [V4, V6]) sendSegment(sender, to, port);
    sender.flush();
    expect(drain(source).seen.map((p) => p.length)).toEqual([40, 60]);
    sender.close();
    source.close();
  });

  it('report an interface that goes down and capture again when it is up', async () => {
    const errors: string[] = [];
    const source = openPacketSource({
      interfaces: ['vb'],
      filter: transferFilter([{ port: 80 }]),
      onError: (error) => errors.push(error.message),
    });
    const recorder = new Recorder();
    source.onReadable(() => source.receive(recorder, 64));
    ip('link set vb down');
    await until(() => errors.length === 2, 'the socket of each family tells');
    ip('link set vb up');
    const sender = openRawSender();
    // The other end takes its time to notice the carrier; what is sent before that is lost.
    const sendAndLook = (): boolean => {
      sendSegment(sender, V4, 80);
      sender.flush();
      return recorder.seen.length > 0;
    };
    await until(sendAndLook, 'a packet after the pause');
    expect(errors).toHaveLength(2);
    expect(errors[0]).toMatch(
      /^Cannot capture packets on 'vb': .*ENETDOWN.*goes on when it is back/,
    );
    sender.close();
    source.close();
  });

  it('refuse an interface that is not there, and name those that are', () => {
    const open = (): unknown => openPacketSource({ interfaces: ['vb', 'eth77'] });
    expect(open).toThrow(/^Cannot find the network interface 'eth77': .*ENODEV.*: .*lo.*v[ab]/);
  });

  it('listen on interfaces that come up later', () => {
    const source = openPacketSource({ filter: transferFilter([{ port: 80 }]) });
    ip('link add vc type veth peer name vd');
    ip('addr add 10.10.0.1/24 dev vc');
    for (const name of ['vc', 'vd']) ip(`link set ${name} up`);
    const mac = JSON.parse(ip('-j link show vd'))[0].address as string;
    ip(`neigh replace 10.10.0.2 lladdr ${mac} dev vc nud permanent`);
    const sender = openRawSender();
    sendSegment(sender, address('10.10.0.2'), 80);
    sender.flush();
    expect(drain(source).seen).toHaveLength(1);
    ip('link del vc');
    sender.close();
    source.close();
  });
});

describe('raw sender', () => {
  it('counts refused packets by their error and sends the others', () => {
    let tooLong = 0;
    const source = openPacketSource({ filter: transferFilter([{ port: 80 }]) });
    const sender = openRawSender({ onTooLong: () => tooLong++ });
    sendSegment(sender, V4, 80, 1);
    sendSegment(sender, V4, 80, 2000);
    sendSegment(sender, V4, 80, 2);
    sendSegment(sender, address('203.0.113.1'), 80);
    sendSegment(sender, V6, 80, 2000);
    sendSegment(sender, V4, 80, 3);
    sendSegment(sender, V4, 80, 2001);
    sender.flush();
    expect(drain(source).seen.map((p) => p.length)).toEqual([41, 42, 43]);
    expect(sender.statistics()).toEqual({
      packets: 3,
      octets: 126,
      errors: new Map([
        ['EMSGSIZE', 3],
        ['ENETUNREACH', 1],
      ]),
    });
    expect(tooLong).toBe(1);
    sender.close();
    source.close();
  });

  it('is told of packets that a full queue drops, and leaves no notes of refused ones in the kernel', () => {
    // Octets in the receive queue of each raw socket, hexadecimal: "sl local remote st tx:rx …".
    const queued = (file: string): string[] =>
      [...readFileSync(file, 'utf8').matchAll(/^ *\d+: \S+ \S+ \S+ \w+:(\w+) /gm)].map(
        ([, octets]) => octets as string,
      );
    sh('tc', ...'qdisc add dev va root tbf rate 8kbit burst 1600 limit 1600'.split(' '));
    const sender = openRawSender();
    try {
      for (const to of [V4, V6]) {
        for (let i = 0; i < 10; i++) sendSegment(sender, to, 80, 1000);
        sender.flush();
      }
      expect(sender.statistics().errors.get('ENOBUFS')).toBeGreaterThan(10);
      for (const to of [V4, V6]) for (let i = 0; i < 500; i++) sendSegment(sender, to, 80, 2000);
      sender.flush();
      expect(sender.statistics().errors.get('EMSGSIZE')).toBe(1000);
      for (const file of ['/proc/net/raw', '/proc/net/raw6']) {
        expect(queued(file), file).toContain('00000000');
        expect(new Set(queued(file)), file).toEqual(new Set(['00000000']));
      }
    } finally {
      sh('tc', 'qdisc', 'del', 'dev', 'va', 'root');
      sender.close();
    }
  });

  it('counts what finds its send buffer full, and never waits', () => {
    sh(...'tc qdisc add dev va root tbf rate 8kbit burst 1600 limit 10000000'.split(' '));
    const sender = openRawSender({ sendBuffer: 4096 });
    try {
      for (let i = 0; i < 200; i++) sendSegment(sender, V4, 80, 1000);
      sender.flush();
      const { packets, errors } = sender.statistics();
      expect([...errors.keys()]).toEqual(['EAGAIN']);
      expect(packets + (errors.get('EAGAIN') ?? 0)).toBe(200);
    } finally {
      sh('tc', 'qdisc', 'del', 'dev', 'va', 'root');
    }
    // What waited is gone, and there is room again.
    const before = sender.statistics().packets;
    sendSegment(sender, V4, 80, 1000);
    sender.flush();
    expect(sender.statistics().packets).toBe(before + 1);
    sender.close();
  });

  it('survives a firewall that refuses', () => {
    sh('nft', 'add table inet t9');
    sh('nft', 'add chain inet t9 o { type filter hook output priority 0; }');
    sh('nft', 'add rule inet t9 o tcp dport 81 drop');
    try {
      const source = openPacketSource({ filter: transferFilter([{ port: 80 }]) });
      const sender = openRawSender();
      for (const port of [80, 81, 80]) sendSegment(sender, V4, port);
      sender.flush();
      expect(drain(source).seen).toHaveLength(2);
      expect(sender.statistics().errors).toEqual(new Map([['EPERM', 1]]));
      sender.close();
      source.close();
    } finally {
      sh('nft', 'delete table inet t9');
    }
  });
});

describe('path MTU', () => {
  it('is the link’s, or that of the route', () => {
    expect(pathMtu(V4)).toBe(1500);
    expect(pathMtu(V6)).toBe(1500);
    ip('route add 10.9.1.0/24 via 10.9.0.2 mtu lock 1280');
    expect(pathMtu(address('10.9.1.1'))).toBe(1280);
    expect(() => pathMtu(address('203.0.113.1'))).toThrow(/ENETUNREACH.*no route/);
  });
});

describe('offloads', () => {
  it('are normal input: merged packets and checksums that are not filled in', async () => {
    makePeer('peer8');
    const source = openPacketSource({ filter: transferFilter([{ port: 8080 }]) });
    const recorder = new Recorder();
    try {
      const { createServer } = await import('node:net');
      let octets = 0;
      const server = createServer((socket) => socket.on('data', (d) => (octets += d.length)));
      await new Promise<void>((resolve) => server.listen(8080, resolve));
      source.onReadable(() => source.receive(recorder, 64));
      const child = await runIn(
        'peer8',
        `const s = require('net').connect(8080, '10.8.0.1', () => {
          console.log('ready'); s.end(Buffer.alloc(4_000_000, 1)); });`,
      );
      await until(() => octets === 4_000_000, 'all octets at the server');
      child.kill();
      server.close();
      const merged = recorder.seen.filter((p) => p.length > 1500);
      expect(merged.length).toBeGreaterThan(0);
      expect(recorder.seen.every((p) => p.length === p.wireLength)).toBe(true);
      expect(merged.every((p) => p.checksum === ChecksumState.partial)).toBe(true);
    } finally {
      source.close();
      removePeer('peer8');
    }
  });
});
