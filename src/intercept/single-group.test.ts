import { describe, expect, it } from 'vitest';
import { addTime, type Instant, seconds } from '../base/time.ts';
import { originalKey } from './original-key.ts';
import { Joined, MAX_MEMBERS, SingleGroup } from './single-group.ts';

const at = (s: number): Instant => addTime(0 as Instant, seconds(s));

describe('originalKey', () => {
  it('is the sum that original programs make, by hand for one session', () => {
    // 10.1.2.3:40000 is 0x0302010a and port 0x409c read backwards, 192.168.0.2:8080 is 0x0200a8c0 and 0x901f.
    const [ci, cp, ti, tp] = [0x0302_010an, 0x409cn, 0x0200_a8c0n, 0x901fn];
    const sum = 65_536n * cp + ci + cp + ti + 16_777_216n * tp + 256n * tp + tp;
    expect(BigInt(originalKey(0x0a01_0203, 40_000, 0xc0a8_0002, 8080))).toBe(sum % (1n << 32n));
  });
});

describe('SingleGroup', () => {
  it('gathers connections for three seconds, whatever their address', () => {
    const group = new SingleGroup<string>(false);
    expect(group.join(at(0), 'a', '10.0.0.1')).toBe(Joined.member);
    expect(group.join(at(2.9), 'b', '10.0.0.2')).toBe(Joined.member);
    expect(group.members).toEqual(['a', 'b']);
    expect([0, 1, 2, 255, 256].map((key) => group.pick(key))).toEqual(['a', 'b', 'a', 'b', 'a']);
  });

  it('row 104: gives way to a later tcpcopy, or refuses it when protected', () => {
    for (const isProtected of [false, true]) {
      const group = new SingleGroup<string>(isProtected);
      group.join(at(0), 'a', '10.0.0.1');
      group.join(at(1), 'b', '10.0.0.1');
      const joined = group.join(at(5), 'c', '10.0.0.1');
      expect(joined).toBe(isProtected ? Joined.refused : Joined.successor);
      expect(group.members).toEqual(isProtected ? ['a', 'b'] : ['c']);
      // The new one gathers in its turn.
      if (!isProtected) expect(group.join(at(6), 'd', '10.0.0.1')).toBe(Joined.member);
    }
  });

  it('forgets the dead, and takes in their replacement from the same address', () => {
    const group = new SingleGroup<string>(true);
    for (const member of ['a', 'b', 'c']) group.join(at(0), member, '10.0.0.1');
    group.leave('b');
    expect([1, 2].map((key) => group.pick(key))).toEqual(['c', 'a']);
    expect(group.join(at(100), 'x', '10.0.0.2')).toBe(Joined.refused);
    expect(group.join(at(100), 'd', '10.0.0.1')).toBe(Joined.member);
    expect(group.join(at(100), 'e', '10.0.0.1')).toBe(Joined.refused);
    expect(group.members).toEqual(['a', 'c', 'd']);
    // When all have gone, whoever comes begins a group.
    for (const member of ['a', 'c', 'd']) group.leave(member);
    expect(group.pick(7)).toBeUndefined();
    expect(group.join(at(200), 'x', '10.0.0.2')).toBe(Joined.member);
  });

  it('spreads over sixteen members at the most', () => {
    const group = new SingleGroup<number>(false);
    for (let n = 0; n < MAX_MEMBERS; n++) expect(group.join(at(0), n, 'a')).toBe(Joined.member);
    expect(group.join(at(0), 99, 'a')).toBe(Joined.surplus);
    expect(group.members).toHaveLength(MAX_MEMBERS);
  });
});
