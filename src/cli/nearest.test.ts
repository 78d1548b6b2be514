import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDistance, nearest } from './nearest.ts';

describe('editDistance', () => {
  it('counts insertions, deletions and replacements', () => {
    expect([
      editDistance('kitten', 'sitting'),
      editDistance('', 'ab'),
      editDistance('a', 'a'),
    ]).toEqual([3, 2, 0]);
  });

  it('is a metric', () => {
    const word = fc.string({ maxLength: 6, unit: fc.constantFrom('a', 'b', 'c') });
    fc.assert(
      fc.property(word, word, word, (a, b, c) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
        expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c));
      }),
    );
  });
});

describe('nearest', () => {
  const names = ['filter', 'daemon', 'client-address'];
  it('finds a misspelled or unfinished word, and nothing that is far off', () => {
    expect(nearest('fliter', names)).toBe('filter');
    expect(nearest('client', names)).toBe('client-address');
    expect(nearest('xyz', names)).toBeUndefined();
  });
});
