import { describe, expect, it } from 'vitest';
import { Random } from '../base/random.ts';
import { Octets } from './octets.ts';

describe('Octets', () => {
  it('agrees with a set of single octets, over the wrap too', () => {
    const random = new Random(11);
    for (let run = 0; run < 200; run++) {
      const base = (0xffff_ffff - random.int(0, 100)) >>> 0;
      const octets = new Octets(base);
      const plain = new Set<number>();
      for (let i = 0; i < 20; i++) {
        const at = random.int(-10, 150);
        const length = random.int(0, 30);
        let fresh = 0;
        for (let k = at; k < at + length; k++) {
          if (!plain.has(k)) fresh++;
          plain.add(k);
        }
        expect(octets.add((base + at) >>> 0, length)).toBe(fresh);
        expect(octets.total).toBe(plain.size);
        const from = random.int(-10, 150);
        const size = random.int(0, 20);
        const all = Array.from({ length: size }, (_, k) => plain.has(from + k));
        expect(octets.has((base + from) >>> 0, size)).toBe(all.every(Boolean));
        let end = from;
        while (plain.has(end)) end++;
        expect(octets.endOfRun((base + from) >>> 0)).toBe((base + end) >>> 0);
      }
    }
  });
});
