import { describe, expect, it } from 'vitest';
import { millis, seconds } from '../base/time.ts';
import { BARE, COMBINED, COMBINED_WITH_PAYLOAD } from '../control/response-form.ts';
import { parseAddress, type IpAddress } from '../wire/address.ts';
import type { InterceptConfig, TcpcopyConfig } from './config.ts';
import { readInterceptConfig } from './intercept-config.ts';
import { parseArguments, type OptionValues } from './option-values.ts';
import type { ProgramSpec } from './option-spec.ts';
import { INTERCEPT } from './options-intercept.ts';
import { TCPCOPY } from './options-tcpcopy.ts';
import { formatServer } from './parse-servers.ts';
import { formatTransfer } from './parse-transfers.ts';
import { readTcpcopyConfig } from './tcpcopy-config.ts';

const values = (program: ProgramSpec, argv: string[]): OptionValues => {
  const parsed = parseArguments(program, argv);
  if (parsed.kind !== 'start') throw new Error(`Got ${parsed.kind}`);
  return parsed.values;
};
const LOCAL = [parseAddress('10.0.0.1') as IpAddress];
const tcpcopy = (line: string): TcpcopyConfig =>
  readTcpcopyConfig(values(TCPCOPY, line.split(' ')), LOCAL);
const intercept = (...argv: string[]): InterceptConfig =>
  readInterceptConfig(values(INTERCEPT, argv));

describe('readTcpcopyConfig', () => {
  it('row 1: two options are enough', () => {
    const { transfers, servers, clientAddresses, ...rest } = tcpcopy(
      '-x 80-192.168.0.2:8080 -s 10.0.0.9',
    );
    expect(transfers.map(formatTransfer)).toEqual(['80-192.168.0.2:8080']);
    expect(servers.map(formatServer)).toEqual(['10.0.0.9:36524']);
    expect(clientAddresses).toEqual([]);
    expect(rest).toEqual({
      connectionsPerServer: 2,
      lonely: false,
      single: false,
      udp: false,
      responseForm: COMBINED,
      clientRanges: [],
      percentage: 100,
      copies: 1,
      spread: seconds(5),
      portRange: 0,
      mtu: 1500,
      mss: 1460,
      holdRequests: true,
      simulateLatency: true,
      onlyNewConnections: false,
      direction: 'in',
      sessionTimeout: seconds(600),
      keepaliveTimeout: seconds(720),
      limits: {
        maxConnections: 262_144,
        rates: { connections: 0, packets: 0, octets: 0 },
        maxHeldSegments: 65_536,
        maxHeldOctets: 64 << 20,
        maxHeldSegmentsTotal: 2_000_000,
        maxHeldOctetsTotal: 512 << 20,
        maxRetransmissions: 20,
        maxReconnections: 65_536,
        handshakeTimeout: seconds(15),
        closeWaitTimeout: seconds(60),
        closingTimeout: seconds(600),
        gapTimeout: seconds(10),
        onGap: 'reset',
        lingerTime: seconds(6),
      },
      memoryLimit: 1024 << 20,
      interfaces: [],
      daemon: false,
      logLevel: 'info',
      logFormat: 'text',
      warnings: [],
    });
  });

  it('--no-latency switches off what is on without it', () => {
    const config = tcpcopy('-x 80-10.0.0.2:80 -s 10.0.0.9 --no-latency');
    expect([config.simulateLatency, config.holdRequests]).toEqual([false, true]);
  });

  it('the command of the documentation works as it stands', () => {
    const config = tcpcopy(
      '-x 80-42.236.8.169:80 -s 42.236.8.170 -c 211.91.146.251 -n 1 -d -r 20 -M 1460',
    );
    expect(config.clientAddresses.map(String)).toEqual(['211.91.146.251']);
    expect([config.percentage, config.mtu, config.daemon]).toEqual([20, 1460, true]);
    expect([config.logFile, config.warnings]).toEqual(['/var/log/tcpcopy.log', []]);
  });

  it('row 3: refuses to start without -x or -s', () => {
    expect(() => tcpcopy('-s 10.0.0.9')).toThrow('Cannot start without -x');
    expect(() => tcpcopy('-x 80-192.168.0.2:8080')).toThrow('Cannot start without -s');
  });

  it('row 4: -p is the port of the hosts that name none', () => {
    const { servers } = tcpcopy('-x 80-192.168.0.2:8080 -s a:1000,b -p 2000');
    expect(servers.map(formatServer)).toEqual(['a:1000', 'b:2000']);
  });

  it('-g raises the share for 100 s; a time or a shape of its own asks for the same', () => {
    const ramp = (options: string) => tcpcopy(`-x 80-10.0.0.2:80 -s a ${options}`).ramp;
    expect(ramp('-r 20')).toBeUndefined();
    expect(ramp('-g')).toEqual({ time: seconds(100), shape: 'linear' });
    expect(ramp('--gradual-time 30')).toEqual({ time: seconds(30), shape: 'linear' });
    expect(ramp('-g --gradual-shape exponential')).toMatchObject({ shape: 'exponential' });
  });

  it('reads every option that works', () => {
    const config = tcpcopy(
      '-x 80-10.0.0.2:80 -s 10.0.0.9 -C3 -D1400 -t60 -k70 -WO --udp -i eth0,eth1,eth0 -P run.pid -l a.log',
    );
    expect(config).toMatchObject({
      connectionsPerServer: 3,
      mss: 1400,
      holdRequests: false,
      onlyNewConnections: true,
      udp: true,
      sessionTimeout: seconds(60),
      keepaliveTimeout: seconds(70),
      interfaces: ['eth0', 'eth1'],
      pidFile: `${process.cwd()}/run.pid`,
      logFile: `${process.cwd()}/a.log`,
    });
    expect(tcpcopy('-x 80-10.0.0.2:80 -s a -t60').keepaliveTimeout).toBe(seconds(180));
    expect(tcpcopy('-x 80-10.0.0.2:80 -s a -i any').interfaces).toEqual([]);
    expect(
      readTcpcopyConfig(values(TCPCOPY, ['-x80-10.0.0.2:80', '-sa', '-F', ' tcp port 80 ']), [])
        .filter,
    ).toBe('tcp port 80');
  });

  it('-R, -H and -B are read, and what -H cannot be is refused', () => {
    const read = (options: string) => tcpcopy(`-x 80-10.0.0.2:80 -s a ${options}`);
    expect(read('-R 50').clientRtt).toBe(millis(50));
    expect(read('-R 0').clientRtt).toBeUndefined();
    expect(read('-B 16').captureBuffer).toBe(16 * 1024 * 1024);
    expect(String(read('-H 10.1.1.1').localhostAddress)).toBe('10.1.1.1');
    for (const bad of ['127.0.0.1', '0.0.0.0', '224.0.0.1', 'fd00::1', 'host']) {
      expect(() => read(`-H ${bad}`)).toThrow(`Cannot use -H "${bad}"`);
    }
  });

  it('-n may have a fraction, and 0 means 1; less than one copy is for -r', () => {
    const copies = (n: string) => tcpcopy(`-x 80-10.0.0.2:80 -s a -n ${n}`).copies;
    expect(['0', '1', '1.5', '1023'].map(copies)).toEqual([1, 1, 1.5, 1023]);
    expect(() => copies('0.5')).toThrow('Cannot use -n 0.5');
    expect(tcpcopy('-x 80-10.0.0.2:80 -s a -f 3').portRange).toBe(3);
  });

  it('refuses files and overlong names as interfaces', () => {
    expect(() => tcpcopy('-x 80-10.0.0.2:80 -s a -i a.pcap')).toThrow('it looks like a file');
    expect(() => tcpcopy('-x 80-10.0.0.2:80 -s a -i abcdefghijklmnop')).toThrow('at most 15');
  });

  it('row 13: says that a loopback target gets only connections from loopback addresses', () => {
    const config = tcpcopy('-x 80-127.0.0.1:81 -s a');
    expect(config.warnings).toEqual([expect.stringContaining('only connections from a loopback')]);
    expect(config.transfers[0]?.loopbackOnly).toBe(true);
    expect(tcpcopy('-x 80-127.0.0.1:81 -s a -c 10.1.1.1').warnings).toEqual([
      expect.stringContaining('-c and the target 127.0.0.1 do not fit'),
    ]);
  });

  it('row 15: refuses copies that would be copied again, and only those', () => {
    for (const pairs of [
      '80-127.0.0.1:80',
      '80-10.0.0.1:80',
      '10.0.0.1:80-10.0.0.1:80',
      '80-10.0.0.1:81,81-10.0.0.2:81',
    ]) {
      expect(() => tcpcopy(`-x ${pairs} -s a`), pairs).toThrow('copied again without end');
      expect(() => tcpcopy(`-x ${pairs} -s a --udp`), pairs).toThrow('copied again without end');
    }
    for (const pairs of ['80-10.0.0.2:80', '80-10.0.0.1:81', '10.0.0.1:80-127.0.0.1:80']) {
      expect(tcpcopy(`-x ${pairs} -s a`).transfers, pairs).toHaveLength(1);
    }
  });

  it('row 15: refuses, with --direction out, whatever sends a copy to a source', () => {
    for (const pairs of [
      '80-10.0.0.2:80',
      '10.0.0.2:80-10.0.0.2:80',
      '80-10.0.0.2:81,81-10.0.0.3:82',
      '80-[fd00::2]:80',
    ]) {
      expect(() => tcpcopy(`-x ${pairs} -s a --direction out -c 10.9.9.9,fd09::1`), pairs).toThrow(
        /with --direction out: its target .* is also a source, .* copied again without end/,
      );
    }
    for (const pairs of ['80-10.0.0.2:81', '10.0.0.5:80-10.0.0.2:80', '80-[fd00::2]:81']) {
      const c = pairs.includes('[') ? 'fd09::1' : '10.9.9.9';
      const config = tcpcopy(`-x ${pairs} -s a --direction out -c ${c}`);
      expect(config, pairs).toMatchObject({ direction: 'out', warnings: [] });
    }
    expect(tcpcopy('-x 80-10.0.0.2:81 -s a --direction out').warnings).toEqual([
      expect.stringContaining('--direction out without -c'),
    ]);
  });

  it('says what a snap length loses', () => {
    expect(tcpcopy('-x 80-10.0.0.2:80 -s a').snapLength).toBeUndefined();
    const config = tcpcopy('-x 80-10.0.0.2:80 -s a -S 96');
    expect(config.snapLength).toBe(96);
    expect(config.warnings).toEqual([expect.stringMatching(/^-S 96: .*requests are lost/)]);
    expect(tcpcopy('-x 80-10.0.0.2:80 -s a -S 65535').warnings).toEqual([]);
    expect(() => tcpcopy('-x 80-10.0.0.2:80 -s a -S 63')).toThrow('from 64 to 65535');
    expect(() => tcpcopy('-x 80-10.0.0.2:80 -s a -S 96 --read a.pcap')).toThrow(
      'Cannot use -S with capture files',
    );
    expect(() => tcpcopy('-x 80-10.0.0.2:81 -s a --direction out --read a.pcap')).toThrow(
      'Cannot use --direction with capture files',
    );
  });

  it('sends on an interface with -o, to the MAC addresses of -x or to what is found out', () => {
    const mac = (text: string): Uint8Array =>
      Uint8Array.from(text.split(':'), (h) => parseInt(h, 16));
    const a = '02:00:00:00:00:0a';
    const b = '02:00:00:00:00:0b';
    const { output, warnings } = tcpcopy(
      `-x 80-10.0.0.2:80,81-10.0.0.2:81@${a},82@${b}-10.0.0.3:82 -s a -o eth1`,
    );
    expect(warnings).toEqual([]);
    expect(output).toEqual({
      device: 'eth1',
      targets: [
        { address: parseAddress('10.0.0.2'), nextHop: mac(a) },
        { address: parseAddress('10.0.0.3'), source: mac(b) },
      ],
    });
    expect(() => tcpcopy(`-x 80-10.0.0.2:80@${a},81-10.0.0.2:81@${b} -s a -o eth1`)).toThrow(
      'another pair has another MAC address for the same target 10.0.0.2',
    );
    for (const name of ['any', 'a/b', 'abcdefghijklmnop']) {
      expect(() => tcpcopy(`-x 80-10.0.0.2:80 -s a -o ${name}`), name).toThrow('Cannot use -o');
    }
    expect(tcpcopy(`-x 80-10.0.0.2:80@${a} -s a`).warnings).toEqual([
      '-x "80-10.0.0.2:80": its MAC addresses are not used without -o',
    ]);
    expect(tcpcopy('-x 80-127.0.0.1:81 -s a -o lo').warnings).toContainEqual(
      expect.stringContaining('route_localnet'),
    );
  });

  it('points out -c addresses that belong to a host of the set-up', () => {
    const { warnings } = tcpcopy('-x 80-10.0.0.2:80 -s 10.0.0.9 -c 10.0.0.x -C 20');
    expect(warnings).toEqual([
      expect.stringContaining('-C 20 is out of range'),
      expect.stringContaining('10.0.0.9, where intercept runs'),
      expect.stringContaining('10.0.0.1, an address of this host'),
    ]);
  });
});

describe('readTcpcopyConfig, hosts that do two things', () => {
  it('points out an intercept that runs on a target', () => {
    expect(tcpcopy('-x 80-10.0.0.2:80 -s 10.0.0.9,10.0.0.2').warnings).toEqual([
      expect.stringContaining('-s 10.0.0.2 is also a target'),
    ]);
  });
});

describe('readInterceptConfig', () => {
  it('the command of the documentation works as it stands', () => {
    expect(intercept('-i', 'eth1', '-F', 'tcp and src port 80', '-d')).toEqual({
      filter: 'tcp and src port 80',
      interfaces: ['eth1'],
      port: 36524,
      limits: {
        maxConnections: 1024,
        maxConnectionsPerPeer: 64,
        maxRoutes: 1_048_576,
        maxRoutesPerPeer: 524_288,
      },
      dnat: false,
      daemon: true,
      logFile: '/var/log/intercept.log',
      logLevel: 'info',
      logFormat: 'text',
      allowOriginal: true,
      responseForm: COMBINED,
      warnings: [],
    });
  });

  it('keeps the log apart from other files', () => {
    expect(() => intercept('-l', '/var/x', '-P', '/var/../var/x')).toThrow('for both -l and -P');
    expect(() => intercept('-l', '/k', '--key-file', '/k')).toThrow('for both -l and --key-file');
    expect(intercept('-l', '/k', '-P', '/x', '--key-file', '/y').logFile).toBe('/k');
  });

  it('row 107: needs no -F, but no empty one either', () => {
    expect(intercept('-i', 'eth1').filter).toBeUndefined();
    expect(() => intercept('-F', ' ')).toThrow('Cannot use -F "": it is empty');
  });

  it('serves peers that prove no key only where there is none, or when told to', () => {
    expect(intercept().allowOriginal).toBe(true);
    expect(intercept('--key-file', '/key').allowOriginal).toBe(false);
    expect(intercept('--key-file', '/key', '--allow-original').allowOriginal).toBe(true);
  });

  it('takes a certificate with its key only', () => {
    expect(() => intercept('--tls-cert', '/c')).toThrow('Cannot use --tls-cert alone');
    expect(() => intercept('--tls-key', '/k')).toThrow('Cannot use --tls-key alone');
    const tls = { certificate: '/c', key: '/k' };
    expect(intercept('--tls-cert', '/c', '--tls-key', '/k').tls).toEqual(tls);
  });

  it('reads the two addresses of -D', () => {
    const redirect = (text: string): string[] => {
      const { from, to } = intercept('-F', 'tcp', '-D', text).redirect!;
      return [from.toString(), to.toString()];
    };
    expect(redirect('172.17.0.1-10.0.0.5')).toEqual(['172.17.0.1', '10.0.0.5']);
    for (const text of [
      '172.17.0.1',
      '172.17.0.1-',
      '1.2.3.4-5.6.7.8-9.9.9.9',
      'fd00::1-fd00::2',
    ]) {
      expect(() => redirect(text), text).toThrow(`Cannot use -D "${text}"`);
    }
  });

  it('takes responses from the queue that --queue names, or from queue 0 with -x or -q', () => {
    expect(intercept().queue).toBeUndefined();
    expect(intercept('--queue', '3').queue).toEqual({ number: 3, length: 8192, passThrough: [] });
    expect(intercept('-q', '0').queue?.length).toBe(8192);
    expect(intercept('-q', '500').queue).toEqual({ number: 0, length: 500, passThrough: [] });
    const { queue } = intercept('-x', '10.0.0.1, 10.0.0.2,10.0.0.1', '-x', 'fd00::1,[fd00::2]');
    expect(queue).toMatchObject({ number: 0, length: 8192 });
    expect(queue?.passThrough.map(String)).toEqual(['10.0.0.1', '10.0.0.2', 'fd00::1', 'fd00::2']);
  });

  it('refuses what does not fit a queue', () => {
    expect(() => intercept('-x', '80-10.0.0.2:80')).toThrow('it is not an address');
    const many = Array.from({ length: 257 }, (_, i) => `10.0.${i >> 8}.${i & 255}`).join(',');
    expect(() => intercept('-x', many)).toThrow('Cannot use -x with 257 addresses');
    expect(() => intercept('--queue', '65536')).toThrow('from 0 to 65535');
    expect(() => intercept('--queue', '0', '-F', 'tcp')).toThrow('Cannot use -F with --queue');
    expect(() => intercept('-x', '10.0.0.1', '-i', 'eth0')).toThrow('Cannot use -i with -x');
    expect(() => intercept('-q', '9', '--user', 'nobody')).toThrow(
      /--user with -q: .*CAP_NET_ADMIN/,
    );
  });

  it('knows -c only beside --single', () => {
    expect(intercept('-F', 'tcp').single).toBeUndefined();
    expect(intercept('-F', 'tcp', '--single').single).toEqual({ protect: false });
    expect(intercept('-F', 'tcp', '--single', '-c').single).toEqual({ protect: true });
    expect(() => intercept('-F', 'tcp', '-c')).toThrow('Cannot use -c without --single');
  });

  it('takes a bind address of either family', () => {
    const bind = (text: string): string | undefined =>
      intercept('-F', 'tcp', '-b', text).bindAddress?.toString();
    expect([bind('10.0.0.9'), bind('fd00::9'), bind('[fd00::9]')]).toEqual([
      '10.0.0.9',
      'fd00::9',
      'fd00::9',
    ]);
    expect([bind('0.0.0.0'), bind('::')]).toEqual([undefined, undefined]);
    expect(() => bind('eth0')).toThrow('Cannot use -b "eth0"');
    expect(() => bind('224.0.0.1')).toThrow('Cannot use -b "224.0.0.1"');
  });
});

describe.each([
  ['tcpcopy', (line: string) => tcpcopy(`-x 80-10.0.0.2:80 -s 10.0.0.9${line}`)],
  ['intercept', (line: string) => intercept(...line.split(' ').filter(Boolean))],
])('%s, how a peer of the original was built', (_name, read) => {
  it('is said by at most one option', () => {
    expect(read('').responseForm).toBe(COMBINED);
    expect(read(' --with-resp-payload').responseForm).toBe(COMBINED_WITH_PAYLOAD);
    expect(read(' --disable-combined').responseForm).toBe(BARE);
    expect(() => read(' --disable-combined --with-resp-payload')).toThrow(
      'Cannot use --disable-combined with --with-resp-payload',
    );
  });
});
