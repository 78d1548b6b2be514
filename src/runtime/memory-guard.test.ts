import { describe, expect, it } from 'vitest';
import { addTime, type Instant, millis, seconds } from '../base/time.ts';
import { MemoryGuard, shareMemory } from './memory-guard.ts';

const MIB = 1 << 20;
const LIMIT = 200 * MIB;

/** A process whose memory is what the test says, less what is given back. */
function rig() {
  const process = { resident: 100 * MIB, garbage: 0 };
  const log: string[] = [];
  let refused = 40;
  const guard = new MemoryGuard(
    {
      resident: () => process.resident,
      relieve: () => {
        log.push('relieve');
        process.resident -= process.garbage;
        process.garbage = 0;
      },
      noteMemory: (isShort) => log.push(isShort ? 'short' : 'enough'),
      shed: (octets) => {
        log.push(`shed ${Math.round(octets / MIB)}`);
        process.garbage += octets;
        return 7;
      },
      refused: () => refused++,
    },
    LIMIT,
  );
  let now = 1e9 as Instant;
  return {
    process,
    look: (megabytes: number, after = millis(100)) => {
      now = addTime(now, after);
      process.resident = megabytes * MIB;
      const text = guard.look(now);
      return { text, did: log.splice(0) };
    },
  };
}

describe('the memory guard', () => {
  it('does nothing while there is enough', () => {
    const { look } = rig();
    expect(look(183)).toEqual({ text: undefined, did: [] });
  });

  it('gives garbage back before anything else', () => {
    const { look, process } = rig();
    process.garbage = 50 * MIB;
    expect(look(199)).toEqual({ text: undefined, did: ['relieve'] });
  });

  it('lets nothing begin while memory is short, and says so once, with the remedy', () => {
    const { look } = rig();
    const { text, did } = look(190);
    expect(did).toEqual(['relieve', 'short']);
    expect(text).toMatch(/takes 190 MB, and -m allows 200 MB.*\(-r, -n\).*\(-m\)/);
    expect(look(190)).toEqual({ text: undefined, did: [] });
    expect(look(175).did).toEqual([]);
    const after = look(169);
    expect(after.did).toEqual(['enough']);
    expect(after.text).toMatch(/enough again: the process takes 169 MB. 1 copies were not begun/);
  });

  it('sheds what is too much, and looks again before it sheds more', () => {
    const { look } = rig();
    expect(look(196)).toEqual({ text: undefined, did: ['relieve', 'shed 16', 'relieve'] });
    expect(look(190).did).toEqual(['short']);
    expect(look(198).did).toEqual([]);
    expect(look(198, seconds(1)).did).toEqual(['relieve', 'shed 18', 'relieve']);
  });

  it('counts what it has shed', () => {
    const { look } = rig();
    look(196);
    look(190);
    expect(look(150).text).toMatch(/7 were let go of/);
  });

  it('tries in vain more and more rarely, as long as nothing is shed', () => {
    const { look } = rig();
    let tries = 0;
    for (let i = 0; i < 600; i++) tries += look(190).did.filter((d) => d === 'relieve').length;
    expect(tries).toBeGreaterThanOrEqual(5);
    expect(tries).toBeLessThanOrEqual(8);
  });
});

describe('what -m leaves', () => {
  it('is half for payload and half for copies, with room for a batch of packets above that', () => {
    const budget = { payload: 52 * MIB, copies: 52 * MIB };
    expect(shareMemory(LIMIT, 512 * MIB)).toEqual({ budget, pool: 60 * MIB });
    expect(shareMemory(LIMIT, 32 * MIB)).toEqual({ budget, pool: 32 * MIB });
    const least = { payload: 16 * MIB, copies: 16 * MIB };
    expect(shareMemory(128 * MIB, 512 * MIB)).toEqual({ budget: least, pool: 24 * MIB });
  });
});
