import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const child = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const CONNECTIONS = child('steady-state-child.mjs');
const DATAGRAMS = child('datagrams-child.mjs');

interface Report {
  readonly handed: number;
  readonly sent: number;
  readonly collections: number;
  readonly heapGrowth: number;
}

/** A process of its own: neither the test runner's garbage nor its instruments take part. */
function observe(packets: number, wasteOctets: number, program = CONNECTIONS): Report {
  const args = ['--expose-gc', program, String(packets), String(wasteOctets)];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Report;
}

describe('a steady state', () => {
  beforeAll(() => {
    execFileSync('npx', ['tsc', '-b', 'src/testing'], { cwd: ROOT });
  });

  it('one million packets through capture, session and sending: not one garbage collection', () => {
    const { handed, sent, collections, heapGrowth } = observe(1_000_000, 0);
    expect(handed).toBe(1_000_000);
    expect(sent).toBe(500_000);
    expect(collections).toBe(0);
    // Less than an octet a packet: what is left are the compiler's own notes.
    expect(heapGrowth).toBeLessThan(1_000_000);
  });

  it('one million datagrams and fragments, copied two or three times: not one garbage collection', () => {
    const { handed, sent, collections, heapGrowth } = observe(1_000_000, 0, DATAGRAMS);
    expect(handed).toBe(1_000_000);
    expect(sent).toBeGreaterThan(2_000_000);
    expect(collections).toBe(0);
    expect(heapGrowth).toBeLessThan(1_000_000);
  });

  it('a single small object for each packet would be noticed', () => {
    expect(observe(1_000_000, 16).collections).toBeGreaterThan(5);
    expect(observe(1_000_000, 16, DATAGRAMS).collections).toBeGreaterThan(5);
  });
});
