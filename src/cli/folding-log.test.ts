import { describe, expect, it } from 'vitest';
import { addTime, type Instant, seconds } from '../base/time.ts';
import type { Log } from '../ports/log.ts';
import { FoldingLog } from './folding-log.ts';

function folding(): { log: FoldingLog; lines: string[]; pass: (s: number) => void } {
  const lines: string[] = [];
  const at =
    (level: string) =>
    (message: string): void =>
      void lines.push(`${level} ${message}`);
  const inner: Log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  let now = 0 as Instant;
  const log = new FoldingLog(inner, { now: () => now });
  return {
    log,
    lines,
    pass: (s) => {
      now = addTime(now, seconds(s));
      log.flush();
    },
  };
}

describe('FoldingLog', () => {
  it('writes eleven of a kind in a minute, and then their number and the last one', () => {
    const { log, lines, pass } = folding();
    for (let i = 0; i < 1000; i++) log.warn(`lost ${i} packets`);
    expect(lines).toHaveLength(11);
    expect(lines[10]).toBe('warn lost 10 packets');
    pass(59);
    expect(lines).toHaveLength(11);
    pass(2);
    expect(lines[11]).toBe('warn 989 more like this in the last minute: lost 999 packets');
    pass(61);
    log.warn('lost 5 packets');
    expect(lines.slice(12)).toEqual(['warn lost 5 packets']);
    log.close();
  });

  it('hides the first words about one host behind those about another at no time', () => {
    const { log, lines } = folding();
    for (const host of ['10.0.0.7', '10.0.0.8', '[fd00::7]', '[fd00::8]']) {
      for (let port = 1; port <= 100; port++) log.warn(`refusing ${host}:${port}`);
    }
    expect(lines).toHaveLength(44);
    expect(lines.filter((line) => line.includes('[fd00::8]'))).toHaveLength(11);
  });

  it('keeps messages and levels apart', () => {
    const { log, lines } = folding();
    for (let i = 0; i < 11; i++) {
      log.warn('one');
      log.error('one');
      log.info('two');
    }
    expect(lines).toHaveLength(33);
    log.info('two');
    expect(lines).toHaveLength(33);
    log.close();
    expect(lines.slice(33)).toEqual(['info 1 more like this in the last minute: two']);
  });

  it('tells of more kinds than it knows apart in one line', () => {
    const { log, lines } = folding();
    const word = (i: number): string => String.fromCharCode(97 + (i % 26), 97 + Math.trunc(i / 26));
    for (let i = 0; i < 600; i++) log.info(`kind ${word(i)}`);
    expect(lines).toHaveLength(256 + 11);
    log.close();
    expect(lines.at(-1)).toBe('warn 333 more messages of many kinds in the last minute');
  });
});
