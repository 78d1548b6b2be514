import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IpAddress, parseAddress } from '../wire/address.ts';
import { UsageError } from './exit-codes.ts';
import {
  formatTransfer,
  matchesSource,
  namesInTransfers,
  parseTransfers,
} from './parse-transfers.ts';

const ip = (text: string): IpAddress => parseAddress(text) as IpAddress;
const spelled = (text: string): string[] => parseTransfers(text).transfers.map(formatTransfer);

describe('parseTransfers', () => {
  it('row 1: a port alone is a source at any address', () => {
    const { transfers, warnings } = parseTransfers('80-192.168.0.2:8080');
    expect(transfers).toEqual([
      {
        source: { port: 80 },
        target: { address: ip('192.168.0.2'), port: 8080 },
        loopbackOnly: false,
      },
    ]);
    expect(warnings).toEqual([]);
  });

  it('row 3: refuses a pair without "-", with exit status 2', () => {
    for (const text of ['80', '80-10.0.0.1:80,81', '80:10.0.0.1']) {
      const refused = expect.objectContaining({
        exitCode: 2,
        message: expect.stringMatching(/^Cannot read -x ".*": .*has no "-"/),
      });
      expect(() => parseTransfers(text), text).toThrow(refused);
    }
  });

  it('row 2: pairs keep their order, and the first that fits decides', () => {
    const { transfers, warnings } = parseTransfers('10.0.0.1:80-192.168.0.2:81,80-192.168.0.2:82');
    const targetOf = (to: string): number | undefined =>
      transfers.find((t) => matchesSource(t, ip(to), 80))?.target.port;
    expect([targetOf('10.0.0.1'), targetOf('10.0.0.3')]).toEqual([81, 82]);
    expect(warnings).toEqual([]);
  });

  it('takes IPv6 in brackets on either side', () => {
    expect(spelled('80-[fd00::2]:80, [FD00:0::1]:80-[fd00::2]:8080')).toEqual([
      '80-[fd00::2]:80',
      '[fd00::1]:80-[fd00::2]:8080',
    ]);
  });

  it('row 13: marks targets at a loopback address', () => {
    const only = (text: string): boolean[] =>
      parseTransfers(text).transfers.map((t) => t.loopbackOnly);
    expect(only('80-127.0.0.1:81,81-10.0.0.1:81,82-[::1]:83')).toEqual([true, false, true]);
  });

  it('takes MAC addresses, of either side or both', () => {
    const text = '80@00:16:3e:00:00:01-10.0.0.2:80@00-16-3E-00-00-ff';
    expect(spelled(text)).toEqual(['80-10.0.0.2:80']);
    expect(parseTransfers(text).transfers[0]?.link).toEqual({
      source: Uint8Array.of(0, 0x16, 0x3e, 0, 0, 1),
      nextHop: Uint8Array.of(0, 0x16, 0x3e, 0, 0, 0xff),
    });
    const [one, none] = parseTransfers('80-10.0.0.2:80@02:00:00:00:00:01,81-10.0.0.2:81').transfers;
    expect(one?.link).toEqual({ nextHop: Uint8Array.of(2, 0, 0, 0, 0, 1) });
    expect(none).not.toHaveProperty('link');
  });

  it.each([
    ['80', 'has no "-"'],
    ['80:10.0.0.1', 'has no "-"'],
    ['[fd00::1-2]:80', 'has no "-"'],
    ['80-80', 'the target has no address'],
    ['80-10.0.0.1', 'there is none, expected a port'],
    ['80-10.0.0.1:', 'there is none, expected a port'],
    ['80-[fd00::2]', 'there is none, expected a port'],
    ['-10.0.0.1:80', 'there is none, expected a port'],
    ['0-10.0.0.1:80', 'found "0", expected a port from 1 to 65535'],
    ['80-10.0.0.1:0', 'found "0", expected a port from 1 to 65535'],
    ['80-10.0.0.1:70000', 'found "70000", expected a port from 1 to 65535'],
    ['80-10.0.0.1:8x', 'found "8x"'],
    ['80-10.0.0.300:80', '"10.0.0.300" is not an IP address'],
    ['80-010.0.0.1:80', '"010.0.0.1" is not an IP address'],
    ['80-target.example:80', '"target.example" is not an IP address'],
    ['80-fd00::2:80', 'an IPv6 address needs brackets'],
    ['80-10.0.0.1:80@00:16:3e:00:00', 'is not a MAC address'],
    ['80-10.0.0.1:80@00:16:3e-00:00:01', 'is not a MAC address'],
    ['80-10.0.0.1:80@00:16:3e:00:00:0G', 'is not a MAC address'],
    ['80-10.0.0.1:80@', 'is not a MAC address'],
    ['80-10.0.0.1:80@01:00:5e:00:00:01', 'of no single host'],
    ['80@00:00:00:00:00:00-10.0.0.1:80', 'of no single host'],
    ['80-[10.0.0.1]:80', 'expected it without brackets'],
    ['80-[fd00::g]:80', 'is not an IP address'],
    ['80-0.0.0.0:80', 'names no host'],
    ['80-224.0.0.1:80', 'is a multicast address'],
    ['80-255.255.255.255:80', 'is the broadcast address'],
    ['80-[fe80::1]:80', 'is a link-local address'],
    ['10.0.0.1:80-[fd00::2]:80', 'the source is IPv4 and the target IPv6'],
    ['80@00:16-10.0.0.2:80', 'is not a MAC address'],
    ['80-10.0.0.1:80,', 'item 2 is empty'],
    ['', 'item 1 is empty'],
  ])('refuses "%s"', (text, message) => {
    expect(() => parseTransfers(text)).toThrow(UsageError);
    expect(() => parseTransfers(text)).toThrow(message);
  });

  it('points out pairs that can never be used', () => {
    const warnings = (text: string): readonly string[] => parseTransfers(text).warnings;
    expect(warnings('80-10.0.0.2:80,80-10.0.0.2:80')).toEqual([
      expect.stringContaining('names "80-10.0.0.2:80" twice'),
    ]);
    expect(warnings('80-10.0.0.2:80,10.0.0.1:80-10.0.0.3:80')).toEqual([
      expect.stringContaining('"10.0.0.1:80-10.0.0.3:80" is never used'),
    ]);
    expect(warnings('80-10.0.0.2:80,80-[fd00::2]:80,81-10.0.0.2:80')).toEqual([]);
  });

  it('reads back what formatTransfer writes', () => {
    const port = fc.integer({ min: 1, max: 65535 });
    const v4 = fc.integer({ min: 0x01000000, max: 0x7effffff }).map((w) => IpAddress.v4(w));
    const v6 = fc
      .tuple(fc.integer({ min: 0x20000000, max: 0x3fffffff }), fc.integer(), fc.integer())
      .map(([a, b, c]) => new IpAddress(a, b, 0, c));
    const pair = fc.oneof(v4, v6).chain((address) =>
      fc.record({
        source: fc.record(
          { address: address.family === 4 ? v4 : v6, port },
          { requiredKeys: ['port'] },
        ),
        target: fc.record({ address: fc.constant(address), port }),
        loopbackOnly: fc.constant(false),
      }),
    );
    fc.assert(
      fc.property(fc.array(pair, { minLength: 1, maxLength: 5 }), (transfers) => {
        const text = transfers.map(formatTransfer).join(',');
        expect(spelled(text).join(',')).toBe(text);
        expect(parseTransfers(text).transfers.map((t) => t.target)).toEqual(
          transfers.map((t) => t.target),
        );
      }),
    );
  });

  it('reads every MAC address of a single host, whatever stands between its octets', () => {
    const octets = fc.uint8Array({ minLength: 6, maxLength: 6 });
    const separator = fc.constantFrom(':', '.', '_', '/');
    fc.assert(
      fc.property(octets, separator, fc.boolean(), (mac, between, isUpper) => {
        const text = Array.from(mac, (o) => o.toString(16).padStart(2, '0')).join(between);
        const pair = `80@${isUpper ? text.toUpperCase() : text}-10.0.0.2:80@${text}`;
        const isSingle = ((mac[0] as number) & 1) === 0 && mac.some((octet) => octet !== 0);
        if (!isSingle) expect(() => parseTransfers(pair)).toThrow('of no single host');
        else expect(parseTransfers(pair).transfers[0]?.link).toEqual({ nextHop: mac, source: mac });
      }),
    );
  });

  it('throws nothing but UsageError, whatever the text', () => {
    const piece = fc.constantFrom(
      '80',
      '-',
      ':',
      '[',
      ']',
      '@',
      ',',
      '10.0.0.1',
      'fd00::2',
      ' ',
      '02:00:00:00:00:01',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        try {
          expect(parseTransfers(pieces.join('')).transfers.length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
    );
  });
});

describe('host names in -x', () => {
  const names = new Map([
    ['web-1.example', parseAddress('10.0.0.1') as IpAddress],
    ['test-2', parseAddress('10.0.0.2') as IpAddress],
    ['10-six', parseAddress('fd00::2') as IpAddress],
  ]);

  it.each([
    ['80-test-2:8080', ['test-2'], '80-10.0.0.2:8080'],
    [' web-1.example:80 - test-2:80 ', ['web-1.example', 'test-2'], '10.0.0.1:80-10.0.0.2:80'],
    ['80-test-2:80, 81-test-2:81', ['test-2'], '80-10.0.0.2:80,81-10.0.0.2:81'],
    ['[fd00::1]:80-10-six:80', ['10-six'], '[fd00::1]:80-[fd00::2]:80'],
    ['80-10-six:80', ['10-six'], '80-[fd00::2]:80'],
    ['80-10.0.0.9:80', [], '80-10.0.0.9:80'],
  ])('%j', (text, wanted, meant) => {
    expect(namesInTransfers(text)).toEqual(wanted);
    const { transfers } = parseTransfers(text, names);
    expect(transfers.map(formatTransfer).join(',')).toBe(meant);
  });
});
