// Sending on the link: to whom packets are handed, as the kernel knows it or as one is told, and what becomes of the others.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type LinkSenderOptions, openLinkSender } from '../../src/linux/link-sender.ts';
import { openPacketSource } from '../../src/linux/packet-socket.ts';
import { pathMtu } from '../../src/linux/path-mtu.ts';
import type { PacketSender } from '../../src/linux/send-tally.ts';
import { transferFilter } from '../../src/linux/transfer-filter.ts';
import { NO_NEXT_HOP } from '../../src/ports/packet-sink.ts';
import type { PacketSource } from '../../src/ports/packet-source.ts';
import {
  address,
  ip,
  makeLoop,
  makePeer,
  openTun,
  Recorder,
  removeLoop,
  removePeer,
  sendSegment,
  sh,
  until,
} from './linux-rig.ts';

const V4 = address('10.9.0.2');
const V6 = address('fd09::2');
const PEER4 = address('10.8.0.2');
const PEER6 = address('fd08::2');
const MAC = '02:00:00:00:00:aa';

const mac = (text: string): Uint8Array => Uint8Array.from(text.split(':'), (h) => parseInt(h, 16));
const macOf = (device: string, ...where: string[]): string =>
  JSON.parse(sh('ip', ...where, '-j', 'link', 'show', device))[0].address as string;

/** What was said of next hops; a loss begins with "!". */
let said: string[] = [];
const opened: { close(): void }[] = [];

async function open(options: Partial<LinkSenderOptions>): Promise<PacketSender> {
  said = [];
  const sender = await openLinkSender({
    device: 'va',
    targets: [{ address: V4 }, { address: V6 }],
    onChange: (text, isLoss) => said.push(isLoss ? `!${text}` : text),
    ...options,
  });
  opened.push(sender);
  return sender;
}

function capture(...interfaces: string[]): PacketSource {
  const source = openPacketSource({ interfaces, filter: transferFilter([{ port: 80 }]) });
  opened.push(source);
  return source;
}

function drain(source: PacketSource): Recorder {
  const recorder = new Recorder();
  while (source.receive(recorder, 64) > 0);
  return recorder;
}

const lengths = (source: PacketSource): number[] => drain(source).seen.map((p) => p.wireLength);
const unsent = (sender: PacketSender): Record<string, number> =>
  Object.fromEntries(sender.statistics().errors);

beforeAll(() => makeLoop());
afterEach(() => {
  for (const thing of opened.splice(0)) thing.close();
});
afterAll(() => removeLoop());

describe('link sender', () => {
  it('carries packets of both families, in order and untouched, past an output firewall', async () => {
    sh('nft', 'add table inet t8');
    sh('nft', 'add chain inet t8 o { type filter hook output priority 0; policy drop; }');
    try {
      const source = capture('vb');
      const sender = await open({});
      for (let i = 0; i < 200; i++) sendSegment(sender, i % 3 === 0 ? V6 : V4, 80, i);
      sender.flush();
      const { seen } = drain(source);
      const wanted = (version: 4 | 6): number[] =>
        [...Array(200).keys()].flatMap((i) => {
          const isV6 = i % 3 === 0;
          return isV6 === (version === 6) ? [(isV6 ? 60 : 40) + i] : [];
        });
      for (const version of [4, 6] as const) {
        const mine = seen.filter((p) => (p.bytes[0] as number) >>> 4 === version);
        expect(mine.map((p) => p.wireLength)).toEqual(wanted(version));
        for (const { bytes } of mine.slice(1)) expect(bytes.at(-1)).toBe(0x61);
      }
      expect(sender.statistics()).toMatchObject({ packets: 200, errors: new Map() });
      expect(said.filter((line) => line.startsWith('!'))).toEqual([]);
    } finally {
      sh('nft', 'delete table inet t8');
    }
  });

  it('hands packets to the MAC address that it is given, and from the one that it is given', async () => {
    const dump = async (send: PacketSender): Promise<string> => {
      const tcpdump = spawn('tcpdump', ['-nel', '-i', 'vb', '-c', '2', 'tcp']);
      let text = '';
      let ready = false;
      tcpdump.stdout.on('data', (d) => (text += d));
      tcpdump.stderr.on('data', (d) => (ready ||= String(d).includes('listening')));
      await until(() => ready, 'tcpdump listens');
      sendSegment(send, V4, 80);
      sendSegment(send, V6, 80, 7);
      send.flush();
      await until(() => tcpdump.exitCode !== null, 'two packets');
      return text;
    };
    const nextHop = mac(MAC);
    const plain = await open({ targets: [{ address: V4, nextHop }, { address: V6 }] });
    const own = macOf('va');
    expect(await dump(plain)).toMatch(
      new RegExp(`${own} > ${MAC}, ethertype IPv4.*\\n.*${own} > ${macOf('vb')}, ethertype IPv6`),
    );
    const source = mac('02:00:00:00:00:bb');
    const forged = await open({
      targets: [
        { address: V4, source },
        { address: V6, nextHop },
      ],
    });
    expect(await dump(forged)).toMatch(
      new RegExp(
        `02:00:00:00:00:bb > ${macOf('vb')}, ethertype IPv4.*\\n.*${own} > ${MAC}, ethertype IPv6`,
      ),
    );
    expect(forged.statistics()).toMatchObject({ packets: 2, octets: 40 + 67 });
  });

  it('counts what is too long for the interface, and says so once a flush', async () => {
    let tooLong = 0;
    const source = capture('vb');
    const sender = await open({ onTooLong: () => tooLong++ });
    for (const length of [1, 2000, 2, 2001]) sendSegment(sender, V4, 80, length);
    sendSegment(sender, V6, 80, 2000);
    sender.flush();
    expect(lengths(source)).toEqual([41, 42]);
    expect(unsent(sender)).toEqual({ EMSGSIZE: 3 });
    expect(tooLong).toBe(1);
    expect(pathMtu(V4, 'va')).toBe(1500);
    expect(pathMtu(address('203.0.113.1'), 'va')).toBe(1500);
    expect(pathMtu(address('203.0.113.1'), 'lo')).toBe(65_535);
  });

  it('counts what a full queue drops', async () => {
    sh('tc', ...'qdisc add dev va root tbf rate 8kbit burst 1600 limit 1600'.split(' '));
    try {
      const sender = await open({});
      for (let i = 0; i < 10; i++) sendSegment(sender, V4, 80, 1000);
      sender.flush();
      expect(unsent(sender)['ENOBUFS']).toBeGreaterThan(5);
    } finally {
      sh('tc', 'qdisc', 'del', 'dev', 'va', 'root');
    }
  });

  it('finds no next hop for whoever is no target, or does not answer, and sends to nobody else', async () => {
    const source = capture();
    const silent = address('10.9.0.77');
    const sender = await open({ targets: [{ address: V4 }, { address: silent }] });
    expect(said.at(-1)).toMatch(
      /^!Packets for 10\.9\.0\.77 cannot leave through 'va', and are counted: 10\.9\.0\.77 does not answer/,
    );
    for (const to of [V4, silent, address('10.9.0.3'), V6]) sendSegment(sender, to, 80);
    sender.flush();
    expect(lengths(source)).toEqual([40]);
    expect(unsent(sender)).toEqual({ [NO_NEXT_HOP]: 3 });
    ip(`neigh replace 10.9.0.77 lladdr ${macOf('vb')} dev va nud permanent`);
    await until(() => said.at(-1)?.startsWith('Packets for 10.9.0.77 leave') ?? false, 'found');
    sendSegment(sender, silent, 80);
    sender.flush();
    expect(lengths(source)).toEqual([40]);
  });

  it('follows a neighbour that has another MAC address, and a route that goes elsewhere', async () => {
    const routed = address('10.9.7.7');
    ip('route add 10.9.7.0/24 via 10.9.0.2 dev va');
    const sender = await open({ targets: [{ address: routed }] });
    expect(said).toEqual([
      `Packets for 10.9.7.7 leave through 'va' by the router 10.9.0.2 to ${macOf('vb')}`,
    ]);
    ip(`neigh replace 10.9.0.2 lladdr ${MAC} dev va nud permanent`);
    await until(() => said.at(-1)?.includes(MAC) ?? false, 'another MAC address');
    ip('neigh replace 10.9.0.2 lladdr '.concat(macOf('vb'), ' dev va nud permanent'));
    ip('neigh replace 10.9.0.9 lladdr 02:00:00:00:00:99 dev va nud permanent');
    ip('route replace 10.9.7.0/24 via 10.9.0.9 dev va');
    await until(
      () => said.at(-1)?.endsWith('by the router 10.9.0.9 to 02:00:00:00:00:99') ?? false,
      'another router',
    );
    ip('route del 10.9.7.0/24');
    await until(() => said.at(-1)?.includes('no route leads there any more') ?? false, 'no route');
    sendSegment(sender, routed, 80);
    sender.flush();
    expect(unsent(sender)).toEqual({ [NO_NEXT_HOP]: 1 });
  });

  it('is refused while the interface is down or gone, and goes on when it is back', async () => {
    ip('link add vc type veth peer name vd');
    const up = (): void => {
      ip('addr replace 10.10.0.1/24 dev vc');
      for (const name of ['vc', 'vd']) ip(`link set ${name} up`);
      ip(`neigh replace 10.10.0.2 lladdr ${macOf('vd')} dev vc nud permanent`);
    };
    up();
    const to = address('10.10.0.2');
    const sender = await open({ device: 'vc', targets: [{ address: to }] });
    const refused = (name: string): boolean => {
      sendSegment(sender, to, 80);
      sender.flush();
      return unsent(sender)[name] !== undefined;
    };
    const passes = (source: PacketSource): boolean => {
      sendSegment(sender, to, 80);
      sender.flush();
      return lengths(source).length > 0;
    };
    ip('link set vc down');
    expect(refused('ENETDOWN')).toBe(true);
    up();
    await until(() => passes(capture('vd')), 'up again');
    ip('link del vc');
    expect(refused('ENXIO')).toBe(true);
    ip('link add vc type veth peer name vd');
    up();
    const source = capture('vd');
    await until(() => passes(source), 'made anew');
    ip('link del vc');
  });

  it('needs no link address on loopback and on tunnels', async () => {
    ip('addr add 10.11.0.1/32 dev lo');
    const read = openTun('t9');
    ip('addr add 10.12.0.1 peer 10.12.0.2 dev t9');
    ip('link set t9 up');
    try {
      const source = capture('lo');
      const own = address('10.11.0.1');
      const loopback = await open({
        device: 'lo',
        targets: [{ address: own }, { address: address('::1') }],
      });
      sendSegment(loopback, own, 80, 5);
      sendSegment(loopback, address('::1'), 80, 6);
      loopback.flush();
      expect(lengths(source).toSorted((a, b) => a - b)).toEqual([45, 66]);
      const to = address('10.12.0.2');
      const tunnel = await open({ device: 't9', targets: [{ address: to }] });
      expect(said).toEqual(["Packets for 10.12.0.2 leave through 't9'"]);
      sendSegment(tunnel, to, 80);
      tunnel.flush();
      const packet = Buffer.alloc(2000);
      // The kernel looks for IPv6 routers there, too.
      let length = readSync(read, packet);
      while (packet[0] !== 0x45) length = readSync(read, packet);
      expect(length).toBe(40);
      expect(packet.readUInt32BE(16)).toBe(0x0a0c0002);
      expect(tunnel.statistics()).toMatchObject({ packets: 1, errors: new Map() });
    } finally {
      ip('addr del 10.11.0.1/32 dev lo');
      closeSync(read);
    }
  });

  it('refuses to start without the interface, the way or the permission', async () => {
    await expect(open({ device: 'eth77' })).rejects.toThrow(
      /^Cannot find the network interface 'eth77': .*ENODEV.*: .*va/,
    );
    ip('link add vc type veth peer name vd');
    await expect(open({ device: 'vc' })).rejects.toThrow(
      /^Cannot send on 'vc': the interface is down.*ip link set vc up/,
    );
    ip('link del vc');
    for (const [target, name] of [
      ['203.0.113.1', 'EHOSTUNREACH'],
      ['fd99::1', 'ENETUNREACH'],
      ['10.9.0.1', 'EADDRNOTAVAIL'],
      ['fd09::1', 'EADDRNOTAVAIL'],
    ] as const) {
      await expect(open({ targets: [{ address: address(target) }] })).rejects.toThrow(
        new RegExp(
          `^Cannot send to ${target} on 'va': RTM_GETROUTE .*${name}.*ip route get ${target}.*-x`,
        ),
      );
    }
    // With the address of the next hop no route is needed.
    const sender = await open({
      targets: [{ address: address('203.0.113.1'), nextHop: mac(MAC) }],
    });
    sendSegment(sender, address('203.0.113.1'), 80);
    sender.flush();
    expect(sender.statistics()).toMatchObject({ packets: 1, errors: new Map() });
  });
});

describe('neighbours', () => {
  const root = resolve(import.meta.dirname, '../..');
  beforeAll(async () => {
    makePeer('peer7');
    // IPv6 asks from its link-local address, which is being tried out at first (RFC 4862 §5.4).
    const isTried = (...where: string[]): boolean =>
      !sh('ip', ...where, '-6', 'addr', 'show', 'tentative').includes('inet6');
    await until(() => isTried() && isTried('-n', 'peer7'), 'link-local addresses');
    execFileSync(`${root}/node_modules/.bin/tsc`, ['-b', 'src/linux'], { cwd: root });
  });
  afterAll(() => removePeer('peer7'));

  it('are found by the kernel before the start is over', async () => {
    ip('neigh flush dev pa');
    const sender = await open({ device: 'pa', targets: [{ address: PEER4 }, { address: PEER6 }] });
    const there = macOf('pb', '-n', 'peer7');
    expect(said.toSorted()).toEqual([
      `Packets for 10.8.0.2 leave through 'pa' to ${there}`,
      `Packets for fd08::2 leave through 'pa' to ${there}`,
    ]);
    expect(unsent(sender)).toEqual({});
  });

  it('are found without CAP_NET_ADMIN as well, and without CAP_NET_RAW nothing starts', () => {
    ip('neigh flush dev pa');
    const module = (name: string): string => JSON.stringify(`${root}/dist/${name}.js`);
    const script = `
      const { openLinkSender } = await import(${module('linux/link-sender')});
      const { parseAddress } = await import(${module('wire/address')});
      const targets = ['10.8.0.2', 'fd08::2'].map((text) => ({ address: parseAddress(text) }));
      try { (await openLinkSender({ device: 'pa', targets, onChange: (text) => console.log(text) })).close(); }
      catch (e) { console.log(e.message); }`;
    const run = (capabilities: string): string => {
      const drop = ['setpriv', `--bounding-set=${capabilities}`, `--inh-caps=${capabilities}`];
      const words = [...drop, process.execPath, '--input-type=module', '-e', script];
      const [command, ...args] = words;
      return spawnSync(command as string, args, { encoding: 'utf8' }).stdout;
    };
    const there = macOf('pb', '-n', 'peer7');
    const out = run('-net_admin');
    expect(out).toContain(`Packets for 10.8.0.2 leave through 'pa' to ${there}`);
    expect(out).toContain(`Packets for fd08::2 leave through 'pa' to ${there}`);
    expect(run('-net_raw')).toMatch(
      /^Cannot send packets to the target: socket\(AF_PACKET\) .*EPERM.*CAP_NET_RAW/,
    );
  });
});
