import { expect, test } from 'vitest';
import { addTime, type Instant, millis, seconds } from '../base/time.ts';
import { Dialogue } from '../testing/index.ts';
import { Watchdog } from './watchdog.ts';

const capture = { received: 0, dropped: 0 };

/** A dialogue, a watchdog over it, and how to let time pass. */
function watched(): { d: Dialogue; look: () => string[] } {
  const d = new Dialogue();
  const watchdog = new Watchdog(d.replayer, () => capture, d.now);
  return { d, look: () => watchdog.look(d.now) };
}

test('connections that nobody answers are complained of once a minute, with what to check', () => {
  const { d, look } = watched();
  d.client('S', { seq: 1000 });
  d.advance(seconds(16));
  const [line, ...more] = look();
  expect(more).toEqual([]);
  expect(line).toMatch(/1 copied connections got no SYN-ACK.*none ever did.*route.*-F and -i/);
  expect(look()).toEqual([]);
  d.client('S', { seq: 900_000 });
  d.advance(seconds(16));
  expect(look()).toEqual([]);
  d.client('S', { seq: 1_900_000 });
  d.advance(seconds(61));
  expect(look()).toHaveLength(1);
});

test('a target that refuses is named', () => {
  const { d, look } = watched();
  d.client('S', { seq: 1000 });
  d.target('RA', { seq: 0, ack: 1001 });
  expect(look()).toEqual([expect.stringMatching(/refused 1 connections.*does a server listen at/)]);
});

test('lost packets are reported with the remedy', () => {
  const { d } = watched();
  let dropped = 0;
  const watchdog = new Watchdog(d.replayer, () => ({ received: 0, dropped }), d.now);
  expect(watchdog.look(d.now)).toEqual([]);
  dropped = 7;
  expect(watchdog.look(d.now)).toEqual([expect.stringMatching(/7 packets were lost.*-r/)]);
});

test('copies without a port are reported once a minute, with the remedy', () => {
  const d = new Dialogue({ replayer: { copies: 1023, portRange: 1 } });
  const watchdog = new Watchdog(d.replayer, () => capture, d.now);
  for (let i = 0; i < 3; i++)
    d.client('S', { seq: 1, from: { address: '10.1.2.3', port: 5000 + i } });
  const wanted = expect.stringMatching(/^1021 copies were not made.*with -c/) as string;
  expect(watchdog.look(d.now)).toEqual([wanted]);
  d.client('S', { seq: 1, from: { address: '10.1.2.3', port: 6000 } });
  expect(watchdog.look(addTime(d.now, seconds(30)))).toEqual([]);
});

test('copies for which -m leaves no memory are reported, with the remedy', () => {
  const d = new Dialogue();
  const watchdog = new Watchdog(d.replayer, () => capture, d.now);
  d.client('S', { seq: 1 });
  d.command((replayer, now) => replayer.shed(now, 1));
  d.command((replayer) => replayer.noteMemory(true));
  d.client('S', { seq: 1, from: { address: '10.1.2.3', port: 5000 } });
  const wanted = expect.stringMatching(/^2 copies were not begun or were let go of.*-m/) as string;
  expect(watchdog.look(d.now)).toEqual([wanted]);
});

test('a minute without any packet is said once', () => {
  const { d } = watched();
  const start: Instant = d.now;
  const watchdog = new Watchdog(d.replayer, () => capture, start);
  expect(watchdog.look(addTime(start, seconds(59)))).toEqual([]);
  expect(watchdog.look(addTime(start, seconds(60)))).toEqual([
    expect.stringMatching(/No packet has been captured for a minute/),
  ]);
  expect(watchdog.look(addTime(start, seconds(600)))).toEqual([]);
});

test('packets that could not be sent are explained by their error', () => {
  const d = new Dialogue();
  const errors = new Map([['EPERM', 1]]);
  const watchdog = new Watchdog(
    d.replayer,
    () => capture,
    d.now,
    () => errors,
  );
  expect(watchdog.look(d.now)).toEqual([]);
  errors.set('EPERM', 4);
  expect(watchdog.look(d.now)).toEqual([expect.stringMatching(/^3 packets .*\(EPERM\)/)]);
});

test('a copy that works is nothing to speak of', () => {
  const { d, look } = watched();
  d.client('S', { seq: 1000 });
  d.target('SA', { seq: 9000, ack: 1001 });
  d.advance(millis(10));
  expect(look()).toEqual([]);
});
