import { describe, expect, it } from 'vitest';
import { Folding, OTHER_KEYS } from './folding.ts';
import { addTime, type Instant, NEVER, seconds } from './time.ts';

const at = (s: number): Instant => addTime(0 as Instant, seconds(s));

function flushed(folding: Folding, now: number): [string, number][] {
  const told: [string, number][] = [];
  folding.flush(at(now), (key, quiet) => told.push([key, quiet]));
  return told;
}

describe('Folding', () => {
  it('says the first events of each key and tells the rest in one sum', () => {
    const folding = new Folding(seconds(60), 2);
    expect(folding.deadline).toBe(NEVER);
    const said = ['a', 'a', 'a', 'b', 'a'].map((key, i) => folding.note(at(i), key));
    expect(said).toEqual([true, true, false, true, false]);
    expect(folding.deadline).toBe(at(60));
    expect(flushed(folding, 59)).toEqual([]);
    expect(flushed(folding, 60)).toEqual([['a', 2]]);
  });

  it('has one line an interval while events go on, and begins anew after a quiet one', () => {
    const folding = new Folding(seconds(60), 1);
    expect([folding.note(at(0), 'a'), folding.note(at(1), 'a')]).toEqual([true, false]);
    expect(flushed(folding, 60)).toEqual([['a', 1]]);
    for (let n = 0; n < 5; n++) expect(folding.note(at(61), 'a')).toBe(false);
    expect(flushed(folding, 120)).toEqual([['a', 5]]);
    expect(flushed(folding, 180)).toEqual([]);
    expect(folding.deadline).toBe(NEVER);
    expect(folding.note(at(181), 'a')).toBe(true);
  });

  it('tells no more keys apart than it may', () => {
    const folding = new Folding(seconds(60), 1, 2);
    const said = ['a', 'b', 'c', 'd', 'e', 'a'].map((key) => folding.note(at(0), key));
    expect(said).toEqual([true, true, true, false, false, false]);
    expect(flushed(folding, 60)).toEqual([
      ['a', 1],
      [OTHER_KEYS, 2],
    ]);
  });
});
