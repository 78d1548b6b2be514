import { BlockList, isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatEndpoint, IpAddress, parseAddress } from './address.ts';

const word = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
/** Words in which runs of zero groups are common. */
const sparse = fc.oneof(fc.constantFrom(0, 1, 0xffff, 0x1_0000, -1), word);
const anyAddress = fc.tuple(sparse, sparse, sparse, sparse).map((w) => new IpAddress(...w));

/** Whether Node's own parser takes two texts for one address. */
function sameToNode(a: string, b: string): boolean {
  const list = new BlockList();
  list.addAddress(a, isIP(a) === 4 ? 'ipv4' : 'ipv6');
  return list.check(b, isIP(b) === 4 ? 'ipv4' : 'ipv6');
}

describe('parseAddress', () => {
  it.each([
    ['1.2.3.4', '1.2.3.4', 4],
    ['255.255.255.255', '255.255.255.255', 4],
    ['::ffff:1.2.3.4', '1.2.3.4', 4],
    ['::', '::', 6],
    ['::1', '::1', 6],
    ['FD00::00A2', 'fd00::a2', 6],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8', 6],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0', 6],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3', 6],
    ['64:ff9b::1.2.3.4', '64:ff9b::102:304', 6],
  ])('takes %s, spelled %s', (text, spelled, family) => {
    const address = parseAddress(text)!;
    expect(address.toString()).toBe(spelled);
    expect(address.family).toBe(family);
  });

  it.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    ' 1.2.3.4',
    '1.2.3.4 ',
    '1.2.3.-4',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '12345::',
    '::g',
    '::1.2.3.256',
    '1.2.3.4::',
    '[::1]',
    'fe80::1%eth0',
    'localhost',
  ])('refuses %j', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  it("agrees with Node's parser on texts made of an address's characters", () => {
    const character = fc.constantFrom(...'0 1 2 5 9 a b F . : :'.split(' '));
    const group = fc.constantFrom('0', '1', 'ff', '1.2.3.4', '', '::', 'abcde');
    const text = fc.oneof(
      fc.array(character, { maxLength: 20 }).map((c) => c.join('')),
      fc.array(group, { maxLength: 9 }).map((g) => g.join(':')),
      fc.array(fc.nat(300), { minLength: 3, maxLength: 5 }).map((g) => g.join('.')),
    );
    fc.assert(
      fc.property(text, (spelled) => {
        const address = parseAddress(spelled);
        expect(address !== undefined).toBe(isIP(spelled) !== 0);
        if (address) expect(sameToNode(spelled, address.toString())).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it('reads back what toString writes, as Node does', () => {
    fc.assert(
      fc.property(anyAddress, (address) => {
        const spelled = address.toString();
        expect(isIP(spelled)).toBe(address.family);
        expect(parseAddress(spelled)?.equals(address)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('IpAddress', () => {
  it.each([
    ['10.0.0.255', 1, '10.0.1.0'],
    ['127.255.255.255', 1, '128.0.0.0'],
    ['fd00::ffff:ffff', 1, 'fd00::1:0:0'],
    ['fd00:0:0:1:ffff:ffff:ffff:ffff', 2, 'fd00:0:0:2::1'],
    ['1:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 1, '2::'],
  ])('%s plus %i is %s', (from, n, to) => {
    expect(parseAddress(from)!.plus(n).toString()).toBe(to);
  });

  it('differs when any word differs', () => {
    const a = new IpAddress(1, 2, 3, 4);
    expect(a.equals(new IpAddress(1, 2, 3, 4))).toBe(true);
    expect(a.equals(new IpAddress(0, 2, 3, 4))).toBe(false);
    expect(a.equals(new IpAddress(1, 0, 3, 4))).toBe(false);
    expect(a.equals(new IpAddress(1, 2, 0, 4))).toBe(false);
    expect(a.equals(new IpAddress(1, 2, 3, 0))).toBe(false);
  });
});

describe('formatEndpoint', () => {
  it('brackets IPv6', () => {
    expect(formatEndpoint(parseAddress('1.2.3.4')!, 80)).toBe('1.2.3.4:80');
    expect(formatEndpoint(parseAddress('fd00::2')!, 80)).toBe('[fd00::2]:80');
  });
});
