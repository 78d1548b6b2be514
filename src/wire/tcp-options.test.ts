import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryOf, sackOption, timestampOption } from '../../test/property/wire-packets.ts';
import {
  TcpOptions,
  writeMss,
  writeSackPermitted,
  writeTimestamps,
  writeWindowScale,
} from './tcp-options.ts';

/** Parsed at an odd offset, with octets after the end that would be options if they were read. */
function parse(octets: readonly number[]): TcpOptions {
  const options = new TcpOptions();
  const memory = memoryOf([...octets, 2, 4, 9, 9, 8, 10, 9, 9, 9, 9, 9, 9, 9, 9], 3);
  options.parse(memory, 3, octets.length);
  return options;
}

const SYN_OPTIONS = [2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];

describe('TcpOptions', () => {
  it('starts empty', () => {
    expect(parse([])).toMatchObject({
      mss: 0,
      windowScale: -1,
      sackPermitted: false,
      hasTimestamps: false,
      sackCount: 0,
      malformed: false,
    });
  });

  it("reads a Linux client's SYN", () => {
    expect(parse(SYN_OPTIONS)).toMatchObject({
      mss: 1460,
      windowScale: 7,
      sackPermitted: true,
      hasTimestamps: true,
      tsval: 1,
      tsecr: 0,
      malformed: false,
    });
  });

  it('reads timestamps as signed words', () => {
    expect(parse(timestampOption(0xffff_ffff, 0x8000_0000))).toMatchObject({
      tsval: -1,
      tsecr: -0x8000_0000,
    });
  });

  it('reads one to four SACK blocks', () => {
    for (const n of [1, 2, 3, 4]) {
      const blocks = Array.from({ length: n }, (_, i) => [i * 10, i * 10 + 5] as const);
      const options = parse(sackOption(blocks));
      expect(options.sackCount).toBe(n);
      expect(Array.from(options.sackLeft.slice(0, n))).toEqual(blocks.map(([left]) => left));
      expect(Array.from(options.sackRight.slice(0, n))).toEqual(blocks.map(([, right]) => right));
    }
  });

  it('stops at end-of-options', () => {
    expect(parse([0, 2, 4, 5, 0xb4])).toMatchObject({ mss: 0, malformed: false });
  });

  it('passes over options it does not know', () => {
    expect(parse([254, 6, 1, 2, 3, 4, 2, 4, 5, 0xb4])).toMatchObject({
      mss: 1460,
      malformed: false,
    });
  });

  it('takes a shift above 14 as 14 (RFC 7323 §2.3)', () => {
    expect(parse([3, 3, 200]).windowScale).toBe(14);
  });

  it.each([
    ['a length of 0', [2, 0, 5, 0xb4]],
    ['a length of 1', [2, 1, 5, 0xb4]],
    ['a length beyond the end', [2, 4, 5]],
    ['a kind without a length', [8]],
    ['an unknown option beyond the end', [254, 40, 0, 0]],
  ])('stops and marks %s', (_name, octets) => {
    expect(parse(octets)).toMatchObject({ mss: 0, hasTimestamps: false, malformed: true });
  });

  it.each([
    ['MSS', [2, 3, 5]],
    ['window scale', [3, 4, 5, 5]],
    ['SACK permitted', [4, 3, 0]],
    ['SACK without blocks', [5, 2]],
    ['SACK with half a block', [5, 6, 0, 0, 0, 0]],
    ['timestamps', [8, 8, 0, 0, 0, 0, 0, 0]],
  ])('passes over a %s of a wrong length, marks it and reads on', (_name, octets) => {
    expect(parse([...octets, 2, 4, 2, 0x18])).toMatchObject({
      mss: 536,
      windowScale: -1,
      sackPermitted: false,
      hasTimestamps: false,
      sackCount: 0,
      malformed: true,
    });
  });

  it('refuses more SACK blocks than a header can hold', () => {
    const five = Array.from({ length: 5 }, (_, i) => [i, i + 1] as const);
    expect(parse(sackOption(five))).toMatchObject({ sackCount: 0, malformed: true });
  });

  it('reads what is there of SACK blocks that were cut off', () => {
    const three = [1, 2, 3].map((i) => [i * 100, i * 100 + 50] as const);
    const cut = sackOption(three).slice(0, 4 + 8 + 5);
    const options = parse(cut);
    expect(options).toMatchObject({ sackCount: 1, malformed: true });
    expect([options.sackLeft[0], options.sackRight[0]]).toEqual([100, 150]);
    expect(parse(sackOption(three).slice(0, 4))).toMatchObject({ sackCount: 0, malformed: true });
  });

  it('forgets the last segment', () => {
    const options = new TcpOptions();
    options.parse(memoryOf([...SYN_OPTIONS, 8, 1]), 0, SYN_OPTIONS.length + 2);
    expect(options.malformed).toBe(true);
    options.parse(memoryOf([]), 0, 0);
    expect(options).toEqual(new TcpOptions());
  });

  it('reads the same whatever comes after the end', () => {
    const bytes = fc.uint8Array({ maxLength: 40 });
    fc.assert(
      fc.property(bytes, bytes, (octets, after) => {
        const a = new TcpOptions();
        const b = new TcpOptions();
        a.parse(memoryOf(octets), 0, octets.length);
        b.parse(memoryOf([...octets, ...after]), 0, octets.length);
        expect(a).toEqual(b);
      }),
      { numRuns: 500 },
    );
  });

  it('reads back what the emitters write', () => {
    const int32 = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
    const mss = fc.integer({ min: 1, max: 0xffff });
    fc.assert(
      fc.property(mss, fc.nat(14), int32, int32, (segment, shift, tsval, tsecr) => {
        const memory = memoryOf([], 0, 64);
        let at = writeMss(memory, 0, segment);
        at = writeWindowScale(memory, at, shift);
        at = writeSackPermitted(memory, at);
        at = writeTimestamps(memory, at, tsval, tsecr);
        expect(at).toBe(24);
        const options = new TcpOptions();
        options.parse(memory, 0, at);
        expect(options).toMatchObject({
          mss: segment,
          windowScale: shift,
          sackPermitted: true,
          hasTimestamps: true,
          tsval,
          tsecr,
          malformed: false,
        });
      }),
    );
  });
});
