import { describe, expect, it } from 'vitest';
import type { Instant } from '../base/time.ts';
import { addOf, Bench, VERSION } from '../../test/property/intercept-bench.ts';

const NOW = 0 as Instant;

/** What every test of this file ends with: another tcpcopy, from another address, is served as ever. */
function expectOthersServed(bench: Bench, now: number): void {
  const other = 1_000_000;
  expect(bench.accept(other, now, '10.0.0.200')).toBe(true);
  bench.tellAt(now, other, [...VERSION], addOf(50_000));
  bench.capture({ seq: 9, destinationPort: 50_000 }, now);
  expect(bench.poll(now)).toEqual([[other, [9]]]);
}

describe('hostile peers harm only themselves', () => {
  it('10,000 connections from one address: 64 are taken, two lines a minute', () => {
    const bench = new Bench();
    let taken = 0;
    for (let n = 0; n < 10_000; n++) if (bench.accept(n, n / 1000)) taken++;
    expect([taken, bench.core.connectionCount, bench.core.connectionsRefused]).toEqual([
      64, 64, 9936,
    ]);
    expectOthersServed(bench, 9.9);
    const said = bench.lines.length;
    expect(said).toBeLessThanOrEqual(12);
    bench.passTo(61);
    expect(bench.lines.slice(said)).toEqual(
      expect.arrayContaining([
        'warn: connections refused: 9925 more from 10.0.0.1 in the last minute',
      ]),
    );
    // The 64 said nothing, so they were closed, and the address may come again.
    expect(bench.closed.length).toBe(64);
    expect(bench.accept(20_000, 62)).toBe(true);
  });

  it('connections from everywhere: no more than there may be in all', () => {
    const bench = new Bench({ maxConnections: 100 });
    let taken = 0;
    for (let n = 0; n < 5000; n++) {
      if (bench.accept(n, 0, `10.1.${n >>> 8}.${n & 255}`)) taken++;
    }
    expect([taken, bench.core.connectionCount]).toEqual([100, 100]);
    // One line for each address told apart, and the others in one sum.
    expect(bench.lines.length).toBeLessThanOrEqual(256 + 11);
    bench.passTo(61);
    expect(bench.lines.filter((line) => line.includes('more addresses than'))).toHaveLength(1);
    expectOthersServed(bench, 61);
  });

  it('a scan of the port: connections that say nothing, or close at once, are told in a few lines', () => {
    const bench = new Bench();
    for (let n = 0; n < 1000; n++) {
      bench.accept(n);
      bench.hangUp(n);
    }
    expect(bench.lines).toHaveLength(11);
    expect(bench.lines[0]).toContain('10.0.0.1:0 connected and did not say what tcpcopy says');
    bench.passTo(60);
    expect(bench.lines.slice(11)).toEqual([
      'info: connections that were no tcpcopy: 989 more from 10.0.0.1 in the last minute',
    ]);
    expectOthersServed(bench, 60);
  });

  it('one that says nothing is closed after ten seconds', () => {
    const bench = new Bench();
    bench.accept(1);
    bench.passTo(9.9);
    expect(bench.closed).toEqual([]);
    bench.passTo(10);
    expect(bench.closed).toEqual([1]);
    expect(bench.warnings).toEqual([expect.stringContaining('10.0.0.1:1: it said nothing')]);
    expectOthersServed(bench, 10);
  });

  it('one octet a second: closed, because no message is ever complete in time', () => {
    const bench = new Bench();
    bench.accept(1);
    bench.accept(2);
    bench.tell(2, [...VERSION]);
    for (let s = 0; s < 14 && bench.closed.length < 2; s++) {
      bench.passTo(s);
      bench.tellAt(s, 1, [VERSION[s]!]);
      bench.tellAt(s, 2, [addOf(40_000)[s]!]);
    }
    expect(new Set(bench.closed)).toEqual(new Set([1, 2]));
    expect([bench.core.routes.size, bench.core.connectionCount]).toEqual([0, 0]);
    expect(bench.warnings.join()).toContain(
      '10.0.0.1:2: a message that it began was not complete after 10 s',
    );
    expectOthersServed(bench, 14);
  });

  it('row 25: one that stalls within a message delays nobody', () => {
    const bench = new Bench();
    bench.connect(1);
    bench.tell(1, addOf(40_000).slice(0, 5));
    expectOthersServed(bench, 0);
    bench.tell(1, addOf(40_000).slice(5));
    bench.capture({ seq: 1 });
    expect(bench.poll()).toEqual([[1, [1]]]);
  });

  it('one that never reads loses its own responses, and is closed after half a minute', () => {
    const bench = new Bench();
    bench.connect(1, addOf(40_000));
    bench.stalled.add(1);
    for (let s = 0; s < 40; s++) {
      bench.passTo(s);
      bench.capture({ seq: s }, s);
      bench.poll(s);
    }
    expect(bench.closed).toEqual([1]);
    expect(bench.core.counters().slowPeer).toBe(30);
    expect(bench.core.routes.size).toBe(0);
    const [slow, closing] = bench.warnings;
    expect(slow).toContain('does not read its responses fast enough');
    expect(closing).toContain('has not read what it is sent for 30 s');
    expect(bench.warnings).toHaveLength(2);
    expectOthersServed(bench, 40);
  });

  it('one that floods with registrations is refused what goes beyond its part', () => {
    const bench = new Bench({ maxRoutes: 20_000, maxRoutesPerPeer: 10_000 });
    bench.connect(1);
    // An end makes it one of ours, whose routes are never given up.
    bench.tell(1, addOf(1), addOf(1, 2));
    for (let port = 1; port < 30_000; port++) bench.tell(1, addOf(port));
    expect([bench.core.routes.size, bench.core.routes.refused]).toEqual([10_000, 19_999]);
    expect(bench.warnings.length).toBeLessThanOrEqual(11);
    expect(bench.warnings[0]).toContain('as many as --max-routes-per-peer allows');
    bench.passTo(60);
    expect(bench.warnings.at(-1)).toBe(
      'warn: registrations refused: 19988 more from 10.0.0.1 in the last minute',
    );
    expectOthersServed(bench, 60);
  });

  it('junk after a good beginning leaves no route and no other trace', () => {
    const bench = new Bench();
    bench.connect(1);
    const junk = Array.from({ length: 14 * 1000 }, (_, i) => (i * 7919) & 255);
    bench.tell(1, junk);
    expect(bench.core.routes.size).toBeLessThan(2);
    expectOthersServed(bench, 0);
  });
});

describe('responses without a route', () => {
  it('are counted by cause, and each cause is said once a minute with an example', () => {
    const bench = new Bench();
    bench.connect(1, addOf(40_000), addOf(40_001));
    bench.connect(2, addOf(40_002));
    bench.tell(1, addOf(40_001, 2));
    bench.hangUp(2);
    for (let n = 0; n < 5; n++) bench.capture({ destinationPort: 50_000 });
    bench.capture({ sourcePort: 9, destinationPort: 60_000 });
    bench.capture({ destinationPort: 40_001 });
    bench.capture({ destinationPort: 40_002 });
    bench.passTo(31);
    expect(Array.from(bench.core.counters().unrouted)).toEqual([5, 1, 1, 1, 0]);
    const said = (): string[] => bench.warnings.filter((line) => line.includes('dropped'));
    expect(said()).toEqual([
      expect.stringMatching(
        /^warn: 5 responses dropped: no tcpcopy has registered their session, as of one from 192.168.0.2:8080 to 10.1.2.3:50000;/,
      ),
      expect.stringMatching(
        /^warn: 1 response dropped: they come from no target .* from 192.168.0.2:9 to 10.1.2.3:60000;/,
      ),
      expect.stringMatching(/^warn: 1 response dropped: the tcpcopy that had registered/),
    ]);
    for (let n = 0; n < 100; n++) bench.capture({ destinationPort: 50_000 }, 31);
    bench.passTo(89);
    expect(said()).toHaveLength(3);
    bench.passTo(90);
    expect(said()[3]).toMatch(/^warn: 100 responses dropped/);
    // The rest of a session that has ended is no news.
    bench.capture({ destinationPort: 40_000 }, 91);
    expect(bench.poll(91)).toEqual([[1, [0x44]]]);
  });

  it('wait for their session when its port is used again', () => {
    const bench = new Bench();
    bench.connect(1, addOf(40_000));
    bench.tell(1, addOf(40_000, 2));
    bench.capture({ seq: 1, flags: 0x11 });
    bench.capture({ seq: 2, flags: 0x12 });
    bench.capture({ seq: 3 });
    expect(bench.core.counters().waiting).toBe(2);
    bench.tell(1, addOf(40_000));
    expect(bench.poll()).toEqual([[1, [2, 3]]]);
  });

  it('wait when their tcpcopy has gone, for another of its connections to register them again', () => {
    const bench = new Bench();
    bench.connect(1, addOf(40_000));
    bench.connect(2);
    bench.hangUp(1);
    bench.capture({ seq: 1 });
    bench.tell(2, addOf(40_000));
    bench.capture({ seq: 2 });
    expect(bench.poll()).toEqual([[2, [1, 2]]]);
    expect(bench.warnings).toEqual([]);
  });
});

describe('two tcpcopy with the same session', () => {
  it('the newest gets the responses, and the log says so', () => {
    const bench = new Bench();
    bench.connect(1, addOf(40_000));
    bench.accept(2, 0, '10.0.0.2');
    bench.tell(2, [...VERSION], addOf(40_000));
    expect(bench.core.routes.moved).toBe(1);
    expect(bench.warnings).toEqual([expect.stringContaining('10.0.0.1:1 had registered')]);
    bench.capture({ seq: 1 });
    expect(bench.poll()).toEqual([[2, [1]]]);
  });

  it('one that names ever new targets: a few lines, and none is long', () => {
    const bench = new Bench();
    bench.connect(1);
    for (let n = 0; n < 500; n++) {
      bench.tell(1, [...addOf(40_000).slice(0, 10), n >>> 8, n & 255, 0x1f, 0x90]);
      bench.core.noteCapture(NOW);
      bench.core.noteCapture(NOW);
    }
    const said = bench.lines.filter((line) => line.includes('aptur'));
    expect(said.length).toBeGreaterThan(11);
    expect(said.length).toBeLessThanOrEqual(22);
    expect(new Set(said.filter((line) => line.includes('Capturing'))).size).toBe(11);
    expect(Math.max(...said.map((line) => line.length))).toBeLessThan(300);
    bench.passTo(60);
    expect(bench.lines.at(-1)).toMatch(/changes of what is captured.*: \d+ more from all tcpcopy/);
  });
});
