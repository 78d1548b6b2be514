import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IpAddress, parseAddress } from '../wire/address.ts';
import { UsageError } from './exit-codes.ts';
import {
  formatRanges,
  MAX_CLIENT_ADDRESSES,
  parseClientAddresses,
} from './parse-client-addresses.ts';

const ip = (text: string): IpAddress => parseAddress(text) as IpAddress;
const V4_TARGET = [ip('192.168.0.2')];
const V6_TARGET = [ip('fd00::2')];
const addresses = (text: string, targets = V4_TARGET): string[] =>
  parseClientAddresses(text, targets).addresses.map(String);

describe('parseClientAddresses', () => {
  it('takes one address and lists of them, in order and none twice', () => {
    expect(addresses('211.91.146.251')).toEqual(['211.91.146.251']);
    expect(addresses('10.0.0.3, 10.0.0.1,10.0.0.3')).toEqual(['10.0.0.3', '10.0.0.1']);
  });

  it('row 7: leaves a target out of an x range, which has neither 0 nor 255', () => {
    const list = addresses('62.135.200.x', [ip('62.135.200.7')]);
    expect(list).toHaveLength(253);
    for (const absent of ['62.135.200.0', '62.135.200.7', '62.135.200.255']) {
      expect(list).not.toContain(absent);
    }
    expect([list[0], list.at(-1)]).toEqual(['62.135.200.1', '62.135.200.254']);
  });

  it('puts 1 to 254 in place of the x alone, and keeps what is an address', () => {
    const list = addresses('10.0.0.2x');
    expect(list.slice(0, 10)).toEqual([
      '10.0.0.21',
      '10.0.0.22',
      '10.0.0.23',
      '10.0.0.24',
      '10.0.0.25',
      '10.0.0.26',
      '10.0.0.27',
      '10.0.0.28',
      '10.0.0.29',
      '10.0.0.210',
    ]);
    expect(list).toHaveLength(9 + 45);
    expect(addresses('10.0.0.25x')).toEqual(['1', '2', '3', '4'].map((n) => `10.0.0.25${n}`));
  });

  it('takes IPv4 prefixes without network and broadcast address', () => {
    expect(addresses('10.9.0.0/29')).toEqual([1, 2, 3, 4, 5, 6].map((n) => `10.9.0.${n}`));
    expect(addresses('10.9.0.0/24')).toHaveLength(254);
    expect(addresses('10.9.0.0/16')).toHaveLength(65_534);
    expect(addresses('10.9.0.4/31')).toEqual(['10.9.0.4', '10.9.0.5']);
    expect(addresses('10.9.0.4/32')).toEqual(['10.9.0.4']);
  });

  it('takes IPv6 prefixes without the zero host', () => {
    expect(addresses('fd01::/126', V6_TARGET)).toEqual(['fd01::1', 'fd01::2', 'fd01::3']);
    const list = addresses('fd01::/112', V6_TARGET);
    expect([list.length, list[0], list.at(-1)]).toEqual([65_535, 'fd01::1', 'fd01::ffff']);
    expect(addresses('fd01::4/127', V6_TARGET)).toEqual(['fd01::4', 'fd01::5']);
  });

  it('stops at the limit and says so', () => {
    for (const [text, targets] of [
      ['10.0.0.0/8', V4_TARGET],
      ['10.8.0.0/15', V4_TARGET],
      ['fd01::/64', V6_TARGET],
    ] as const) {
      const parsed = parseClientAddresses(text, targets);
      expect(parsed.addresses).toHaveLength(MAX_CLIENT_ADDRESSES);
      expect(parsed.warnings).toEqual([expect.stringContaining('the first 65536 are used')]);
    }
    expect(parseClientAddresses('10.9.0.0/16,10.9.0.0/16', V4_TARGET).warnings).toEqual([]);
  });

  it('says what it took as ranges', () => {
    const { ranges } = parseClientAddresses('10.0.0.1,10.0.0.2,10.0.0.5', V4_TARGET);
    expect(formatRanges(ranges)).toBe('10.0.0.1 to 10.0.0.2 (2 addresses), 10.0.0.5');
    expect(ranges).toHaveLength(2);
  });

  it.each([
    ['10.0.0.300', 'it is not an address'],
    ['62.135.200.*', 'write 62.135.200.x'],
    ['10.0.x', 'it is not an address'],
    ['fd00::x', 'it is not an address'],
    ['localhost', 'it is not an address'],
    ['10.0.0.1,,10.0.0.2', 'item 2 is empty'],
    ['10.0.0.5/24', 'expected 10.0.0.0/24, or 10.0.0.5 alone'],
    ['10.0.0.0/33', 'the prefix length is 33, expected 8 to 32'],
    ['10.0.0.0/7', 'the prefix length is 7, expected 8 to 32'],
    ['fd00::/129', 'the prefix length is 129, expected 8 to 128'],
    ['10.0.0.0/', 'it is not an address'],
    ['0.0.0.0', 'names no host'],
    ['224.0.0.x', 'is a multicast address'],
    ['192.168.0.2', 'each of its addresses is a target of -x'],
    ['fd00::1', 'no IPv4 address'],
  ])('refuses "%s"', (text, message) => {
    expect(() => parseClientAddresses(text, V4_TARGET)).toThrow(UsageError);
    expect(() => parseClientAddresses(text, V4_TARGET)).toThrow(message);
  });

  it('wants addresses of the family of each target, and points out those of no target', () => {
    const both = [...V4_TARGET, ...V6_TARGET];
    expect(() => parseClientAddresses('10.0.0.1', both)).toThrow('no IPv6 address');
    expect(addresses('10.0.0.1,fd01::1', both)).toHaveLength(2);
    expect(parseClientAddresses('10.0.0.1,fd01::1', V4_TARGET).warnings).toEqual([
      expect.stringContaining('IPv6 addresses that are never used'),
    ]);
  });

  it('a prefix yields distinct addresses that lie in it, as counted by its length', () => {
    const bits = fc.integer({ min: 16, max: 32 });
    fc.assert(
      fc.property(bits, fc.integer({ min: 0x0b000000, max: 0x7e000000 }), (length, word) => {
        const mask = length === 0 ? 0 : -1 << (32 - length);
        const text = `${IpAddress.v4(word & mask).toString()}/${length}`;
        const list = parseClientAddresses(text, V4_TARGET).addresses;
        const size = 2 ** (32 - length);
        expect(list).toHaveLength(size <= 2 ? size : size - 2);
        expect(list.every((a) => (a.w3 & mask) === (word & mask))).toBe(true);
        expect(new Set(list.map((a) => a.w3)).size).toBe(list.length);
      }),
      { numRuns: 30 },
    );
  });
});
