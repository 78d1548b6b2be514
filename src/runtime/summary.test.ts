import { expect, test } from 'vitest';
import { seconds } from '../base/time.ts';
import { establish } from '../../test/sim/dialogue.ts';
import { address, Dialogue } from '../testing/index.ts';
import { describeReplay } from './summary.ts';
import { Watchdog } from './watchdog.ts';

const from = (address: string, port = 40_000) => ({ from: { address, port } });

/** The number in the line with this label, indented or not. */
const numberOf = (lines: readonly string[], label: string): number => {
  const line = lines.find((text) => text.trim().replace(/ +\d+$/, '') === label);
  return Number(line?.match(/(\d+)$/)?.[1] ?? Number.NaN);
};

/** The sum of the indented lines below a headline. */
function sumBelow(lines: readonly string[], headline: string): number {
  const start = lines.findIndex((text) => text.startsWith(headline));
  let sum = 0;
  for (let i = start + 1; lines[i]?.startsWith('  '); i++) {
    if (!lines[i]?.includes('of these')) sum += Number(lines[i]?.match(/(\d+)$/)?.[1]);
  }
  return sum;
}

const account = (d: Dialogue): string[] =>
  describeReplay(
    d.replayer,
    { received: 0, dropped: 0 },
    { packets: 0, octets: 0, errors: new Map() },
  );

test('connections that were not begun are told apart by cause, and all sums hold', () => {
  const d = new Dialogue({ replayer: { maxCopies: 2, onlyFromSyn: true } });
  d.client('S', { seq: 1, ...from('127.0.0.1') });
  d.client('S', { seq: 1, ...from('10.1.2.3') });
  d.client('S', { seq: 1, ...from('10.1.2.4') });
  d.client('S', { seq: 1, ...from('10.1.2.5') });
  d.client('PA', { seq: 1, data: 1, ...from('10.1.2.6') });
  d.advance(seconds(15));
  d.client('S', { seq: 1, ...from('10.1.2.7') });
  d.advance(seconds(7));
  d.client('S', { seq: 1, ...from('10.1.2.8') });
  const lines = account(d);
  expect(numberOf(lines, 'not begun: loopback rule')).toBe(1);
  expect(numberOf(lines, 'not begun: --max-connections')).toBe(2);
  expect(numberOf(lines, 'open before the start (-O)')).toBe(1);
  expect(numberOf(lines, 'timed out: no SYN-ACK')).toBe(2);
  expect(numberOf(lines, 'open')).toBe(1);
  expect(sumBelow(lines, 'connections seen')).toBe(numberOf(lines, 'connections seen'));
  expect(sumBelow(lines, 'packets captured')).toBe(numberOf(lines, 'packets captured'));
});

test('with several copies of a connection, connections and copies add up each for themselves', () => {
  const d = new Dialogue({ replayer: { copies: 3, maxCopies: 4, percentage: 32 } });
  d.client('S', { seq: 1, ...from('10.1.2.3') });
  d.client('S', { seq: 1, ...from('192.168.1.7', 51_000) });
  d.client('S', { seq: 1, ...from('62.135.200.9', 1025) });
  const lines = account(d);
  expect(numberOf(lines, 'to be copied')).toBe(2);
  expect(numberOf(lines, 'copies of these (-n)')).toBe(6);
  expect(numberOf(lines, 'not begun: --max-connections')).toBe(2);
  expect(sumBelow(lines, 'connections seen')).toBe(3);
  expect(sumBelow(lines, 'copies of these (-n)')).toBe(6);
});

test('copies that moved, that found no place, and refusals that came too late are told', () => {
  const d = new Dialogue({ replayer: { portRange: 30 } });
  const refuse = (sourcePort: number): void => {
    const [source, target] = [address('10.1.2.3'), address('10.9.0.1')];
    d.refuse({ source, sourcePort, target, targetPort: 8080 });
  };
  d.client('S', { seq: 1 });
  for (let n = 0; n < 17; n++) refuse(d.expect('S').from.port);
  refuse(1);
  const lines = account(d);
  expect(numberOf(lines, 'no free port (-c)')).toBe(1);
  expect(numberOf(lines, 'of these, moved to another port')).toBe(1);
  expect(numberOf(lines, 'refusals that came too late')).toBe(1);
  expect(sumBelow(lines, 'connections seen')).toBe(1);
  const watchdog = new Watchdog(d.replayer, () => ({ received: 0, dropped: 0 }), d.now);
  d.client('S', { seq: 1, ...from('10.1.2.3', 50_000) });
  for (let n = 0; n < 17; n++) refuse(d.expect('S').from.port);
  expect(watchdog.look(d.now)).toEqual([expect.stringMatching(/^1 copies were not made.*-c/)]);
});

test('every request is in one line', () => {
  const d = new Dialogue();
  establish(d);
  for (let n = 0; n < 4; n++) d.client('PA', { seq: 1001 + n * 10, ack: 5001 + n * 10, data: 10 });
  d.target('PA', { seq: 9001, ack: 1011, data: 10 });
  const running = account(d);
  expect(numberOf(running, 'answered')).toBe(1);
  expect(sumBelow(running, 'requests captured')).toBe(4);
  d.target('R', { seq: 9011 });
  d.stop();
  const lines = account(d);
  expect(numberOf(lines, 'sent, then: reset by target')).toBe(1);
  expect(numberOf(lines, 'never sent: stopped with the program')).toBe(2);
  expect(sumBelow(lines, 'requests captured')).toBe(4);
});

test('what is held for the target is told, until it has been acknowledged', () => {
  const d = new Dialogue();
  d.client('S', { seq: 1000 });
  d.client('A', { seq: 1001, ack: 5001 });
  d.client('PA', { seq: 1001, ack: 5001, data: 100 });
  d.client('PA', { seq: 1101, ack: 5001, data: 1000 });
  expect(numberOf(account(d), 'pieces held for targets')).toBe(2);
  expect(numberOf(account(d), 'octets of memory')).toBe(256 + 1024);
  d.target('SA', { seq: 9000, ack: 1001 });
  d.target('A', { seq: 9001, ack: 2101 });
  expect(numberOf(account(d), 'pieces held for targets')).toBe(0);
  expect(numberOf(account(d), 'octets of memory')).toBeNaN();
});
