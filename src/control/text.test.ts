import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryOf } from '../../test/property/wire-packets.ts';
import { decodeText, encodeText } from './text.ts';

const decode = (octets: readonly number[]): string =>
  decodeText(memoryOf(octets), 0, octets.length);

describe('encodeText', () => {
  it('does as TextEncoder does', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        expect(encodeText(text, 1000)).toEqual(Array.from(new TextEncoder().encode(text)));
      }),
    );
    expect(encodeText('a\ud800b', 9)).toEqual([97, 0xef, 0xbf, 0xbd, 98]);
  });

  it('cuts between two characters', () => {
    expect(encodeText('añ€𝄞', 3)).toEqual(encodeText('añ', 9));
    expect(encodeText('añ€𝄞', 5)).toEqual(encodeText('añ', 9));
    expect(encodeText('añ€𝄞', 9)).toEqual(encodeText('añ€', 9));
    expect(encodeText('añ€𝄞', 10)).toHaveLength(10);
  });
});

describe('decodeText', () => {
  it('is the way back for what can be printed', () => {
    const text = 'zu viele – 64 €, 漢字, 𝄞, ÿ, \u{10ffff}';
    expect(decode(encodeText(text, 1000))).toBe(text);
  });

  it('never lets through what TextDecoder would not, nor what could spoil a log', () => {
    const octets = fc.array(fc.nat(255), { maxLength: 30 });
    fc.assert(
      fc.property(octets, (some) => {
        const text = decode(some);
        // Control characters, line separators, changes of direction, halves of characters.
        expect(text).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u202a-\u202e\u2066-\u2069]/u);
        expect(text.length).toBeLessThanOrEqual(some.length);
        let strict: string;
        try {
          strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
            Uint8Array.from(some),
          );
        } catch {
          expect(text).toContain('\ufffd');
          return;
        }
        expect(text).toHaveLength(strict.length);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['an escape sequence', [0x1b, 0x5b, 0x41], '?[A'],
    ['two octets for one', [0xc1, 0xbf], '\ufffd\ufffd'],
    ['three for two', [0xe0, 0x82, 0x80], '\ufffd'],
    ['a surrogate', [0xed, 0xa0, 0x80], '\ufffd'],
    ['more than there is', [0xf4, 0x90, 0x80, 0x80], '\ufffd'],
    ['a beginning at the end', [0x41, 0xf0, 0x9d], 'A\ufffd'],
    ['a beginning before another', [0xe2, 0x41], '\ufffdA'],
    ['what turns the direction of writing', [0xe2, 0x80, 0xae], '?'],
  ])('replaces %s', (_name, octets, text) => {
    expect(decode(octets)).toBe(text);
  });
});
