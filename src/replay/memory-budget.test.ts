import { expect } from 'vitest';
import { CLIENT_ISN, dialogue, ONLINE_ISN, TARGET_ISN } from '../../test/sim/dialogue.ts';
import { seconds } from '../base/time.ts';
import { Outcome } from '../session/outcome.ts';
import { Verdict } from '../session/verdict.ts';
import type { Dialogue } from '../testing/dialogue.ts';

const client = (i: number) => ({ from: { address: '10.1.2.3', port: 10_000 + i } });
const MIB = 1 << 20;

/** A connection whose target takes nothing, so that all that its client sends is held. */
function open(d: Dialogue, i: number): void {
  d.client('S', { seq: CLIENT_ISN, mss: 1460, ...client(i) });
  d.target('SA', { seq: TARGET_ISN, ack: CLIENT_ISN + 1, window: 0, to: client(i).from });
  d.client('A', { seq: CLIENT_ISN + 1, ack: ONLINE_ISN + 1, ...client(i) });
}

/** Piece `k`, of 16 KiB. */
const send = (d: Dialogue, i: number, k: number): number =>
  d.client('PA', {
    seq: CLIENT_ISN + 1 + k * 16_384,
    ack: ONLINE_ISN + 1,
    data: 16_384,
    ...client(i),
  });

dialogue(
  'of connections that hold payload, those that began last are let go of, and stay without a copy',
  (d) => {
    const { ledger, context } = d.replayer;
    for (let i = 0; i < 8; i++) open(d, i);
    // A newer one, which holds nothing, frees nothing.
    open(d, 8);
    let most = 0;
    for (let k = 0; k < 16; k++) {
      for (let i = 0; i < 8; i++) {
        send(d, i, k);
        most = Math.max(most, context.pool.used);
      }
    }
    expect(most).toBeLessThanOrEqual(MIB);
    const shed = ledger.outcomes[Outcome.shed] ?? 0;
    expect(shed).toBeGreaterThan(2);
    expect(d.open).toBe(9 - shed);
    // The oldest ones have all of theirs.
    expect(send(d, 0, 16)).toBe(Verdict.data);
    expect(d.client('PA', { seq: 900_000, ack: ONLINE_ISN + 1, data: 9, ...client(7) })).toBe(
      Verdict.lostData,
    );
    d.advance(seconds(60));
    expect(d.client('PA', { seq: 900_009, ack: ONLINE_ISN + 1, data: 9, ...client(7) })).toBe(
      Verdict.leftOut,
    );
    expect(d.client('PA', { seq: 1001, ack: ONLINE_ISN + 1, data: 9, ...client(8) })).toBe(
      Verdict.data,
    );
  },
  { replayer: { memory: { payload: MIB, copies: MIB } } },
);

dialogue(
  'nothing begins while the budget is nearly used up, and it does again when there is room',
  (d) => {
    open(d, 0);
    for (let k = 0; k < 61; k++) send(d, 0, k);
    expect(d.client('S', { seq: 1, ...client(1) })).toBe(Verdict.overMemory);
    expect(d.replayer.ledger.refused[Verdict.overMemory]).toBe(1);
    d.client('R', { seq: CLIENT_ISN + 1 + 61 * 16_384, ...client(0) });
    d.advance(seconds(700));
    expect(d.client('S', { seq: 1, ...client(2) })).toBe(Verdict.syn);
  },
  { replayer: { memory: { payload: MIB, copies: MIB } } },
);

dialogue(
  'no more copies begin than there is memory for',
  (d) => {
    const verdicts = Array.from({ length: 12 }, (_, i) => d.client('S', { seq: 1, ...client(i) }));
    expect(verdicts.filter((verdict) => verdict === Verdict.syn)).toHaveLength(10);
    expect(verdicts.at(-1)).toBe(Verdict.overMemory);
  },
  { replayer: { memory: { payload: MIB, copies: 25_600 } } },
);

dialogue(
  'a process that is short of memory begins nothing, and lets go of as much as it is told',
  (d) => {
    for (let i = 0; i < 10; i++) open(d, i);
    for (let k = 0; k < 4; k++) send(d, 3, k);
    d.command((replayer) => replayer.noteMemory(true));
    expect(d.client('S', { seq: 1, ...client(20) })).toBe(Verdict.overMemory);
    d.command((replayer, now) => {
      expect(replayer.shed(now, 68_000)).toBe(1);
    });
    expect(d.replayer.context.pool.used).toBe(0);
    d.command((replayer, now) => {
      expect(replayer.shed(now, 3 * 2560)).toBe(3);
    });
    expect(d.open).toBe(6);
    // The four oldest ones but the one that held payload, and two more.
    for (const i of [0, 1, 2, 4, 5, 6]) expect(send(d, i, 0)).toBe(Verdict.data);
    d.command((replayer) => replayer.noteMemory(false));
    expect(d.client('S', { seq: 1, ...client(21) })).toBe(Verdict.syn);
  },
);

dialogue('a connection that is refused in the place of an idle one leaves no route behind', (d) => {
  open(d, 0);
  d.target('A', { seq: TARGET_ISN + 1, ack: CLIENT_ISN + 1, to: client(0).from });
  expect(d.routes).toHaveLength(1);
  d.command((replayer) => replayer.noteMemory(true));
  expect(d.client('S', { seq: 900_000, ...client(0) })).toBe(Verdict.overMemory);
  expect(d.replayer.ledger.outcomes[Outcome.replaced]).toBe(1);
  expect(d.routes).toEqual([]);
});
