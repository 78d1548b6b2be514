import { describe, expect, it } from 'vitest';
import { HmacSha256 } from './keyed-hash.ts';

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('HmacSha256', () => {
  // RFC 4231 §4.3, §4.2 and §4.7.
  it.each([
    [
      ascii('Jefe'),
      ascii('what do ya want for nothing?'),
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    ],
    [
      new Uint8Array(20).fill(0x0b),
      ascii('Hi There'),
      'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
    ],
    [
      new Uint8Array(131).fill(0xaa),
      ascii('Test Using Larger Than Block-Size Key - Hash Key First'),
      '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    ],
  ])('agrees with the vectors of RFC 4231', (key, message, digest) => {
    expect(hex(new HmacSha256(key).sign(message))).toBe(digest);
  });

  it('keeps its key when the caller wipes it', () => {
    const key = ascii('Jefe');
    const hash = new HmacSha256(key);
    key.fill(0);
    expect(hex(hash.sign(ascii('what do ya want for nothing?')))).toMatch(/^5bdcc146/);
  });
});
