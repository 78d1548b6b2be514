import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CHILD = fileURLToPath(new URL('idle-memory-child.mjs', import.meta.url));
const COPIES = 100_000;
/** Octets that an idle copy may take, all in all. */
const LIMIT = 2048;

interface Report {
  readonly rss: number;
  readonly heap: number;
  readonly external: number;
  readonly loss: { readonly retransmitted: number; readonly octets: number };
  readonly idle: { readonly sent: number; readonly wakeUps: number };
  readonly beside: {
    readonly begun: number;
    readonly completed: number;
    readonly requests: number;
    readonly ended: number;
  };
}

/** A process of its own: nothing but the copies comes to what it holds. */
function weigh(waste: number): Report {
  const args = ['--expose-gc', CHILD, String(COPIES), String(waste)];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Report;
}

describe('one hundred thousand idle copies', () => {
  let report: Report;
  beforeAll(() => {
    execFileSync('npx', ['tsc', '-b', 'src/testing'], { cwd: ROOT });
    report = weigh(0);
  }, 60_000);

  it('take at most 2 KB each, resident', () => {
    expect(report.rss).toBeGreaterThan(100);
    expect(report.rss).toBeLessThanOrEqual(LIMIT);
    expect(report.heap + report.external).toBeLessThanOrEqual(LIMIT);
  });

  it('would be noticed if they took more', () => {
    expect(weigh(LIMIT).rss).toBeGreaterThan(LIMIT);
  });

  it('keep nothing of a loss that is over', () => {
    expect(report.loss.retransmitted).toBe(10_000);
    expect(report.loss.octets).toBeLessThan(64);
  });

  it('send nothing for ten minutes, and want to be looked at about once in that time', () => {
    expect(report.idle.sent).toBe(0);
    // They were begun 64 at a time, and those wake together.
    expect(report.idle.wakeUps).toBeLessThanOrEqual((2 * COPIES) / 64);
  });

  it('leave a thousand new connections a second beside them alone: all complete, and none of the idle ends', () => {
    const { begun, completed, requests, ended } = report.beside;
    expect({ completed, requests, ended }).toEqual({
      completed: begun,
      requests: begun,
      ended: begun,
    });
  });
});
