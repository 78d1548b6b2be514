import { describe, expect, it } from 'vitest';
import { addTime, type Instant, NEVER, seconds } from '../base/time.ts';
import { PeerPatience } from './peer-patience.ts';

const at = (s: number): Instant => addTime(0 as Instant, seconds(s));

describe('PeerPatience', () => {
  it('waits ten seconds for a peer to say who it is', () => {
    const patience = new PeerPatience(at(5));
    expect(patience.deadline).toBe(at(15));
    patience.heard(at(14), 0, false, false);
    expect(patience.overdue(at(14.9))).toBeUndefined();
    expect(patience.overdue(at(15))).toContain('said nothing that tcpcopy says');
    patience.heard(at(14), 1, false, true);
    expect([patience.deadline, patience.overdue(at(1000))]).toEqual([NEVER, undefined]);
  });

  it('waits ten seconds for the rest of a message, however much of it dribbles in', () => {
    const patience = new PeerPatience(at(0));
    patience.heard(at(1), 1, false, true);
    for (let s = 20; s < 30; s++) patience.heard(at(s), 1, true, true);
    expect(patience.deadline).toBe(at(30));
    expect(patience.overdue(at(30))).toContain('not complete');
  });

  it('does not mind reads that end within messages, as long as messages are completed', () => {
    const patience = new PeerPatience(at(0));
    for (let s = 1; s < 100; s++) patience.heard(at(s), s, true, true);
    expect(patience.overdue(at(108))).toBeUndefined();
    patience.heard(at(108), 100, false, true);
    expect(patience.deadline).toBe(NEVER);
  });

  it('waits half a minute for a peer to read', () => {
    const patience = new PeerPatience(at(0));
    patience.heard(at(1), 1, false, true);
    patience.offered(at(10), false);
    patience.offered(at(39), true);
    patience.offered(at(40), false);
    patience.offered(at(69), false);
    expect(patience.overdue(at(69.9))).toBeUndefined();
    expect(patience.overdue(at(70))).toContain('has not read');
  });
});
