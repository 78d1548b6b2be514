import { describe, expect, it } from 'vitest';
import { IpAddress } from '../wire/address.ts';
import type { ReplayFiles } from './config.ts';
import { UsageError } from './exit-codes.ts';
import { parseArguments } from './option-values.ts';
import { TCPCOPY } from './options-tcpcopy.ts';
import { parseFileTime, parseShard, parseSpeed, readReplay } from './parse-replay.ts';
import { describeProgress } from './progress.ts';
import { readTcpcopyConfig } from './tcpcopy-config.ts';

function read(...argv: string[]): ReplayFiles | undefined {
  const parsed = parseArguments(TCPCOPY, argv);
  if (parsed.kind !== 'start') throw new Error('no start');
  return readReplay(parsed.values);
}

describe('which files are replayed', () => {
  it.each([
    [['--read', '/a.pcap,/b.gz']],
    [['--read', '/a.pcap', '--read', '/b.gz']],
    [['--offline', '-i', '/a.pcap,/b.gz']],
  ])('%j names two', (argv) => {
    expect(read(...argv)).toEqual({
      files: ['/a.pcap', '/b.gz'],
      speed: 1,
      skipGaps: 0,
      rounds: 1,
    });
  });

  it('live traffic is copied without any', () => {
    expect(read('-i', 'eth0')).toBeUndefined();
    expect(read('-a', '1', '-I', '0', '-T', '1')).toBeUndefined();
  });

  it('O5: takes several files, fractions, and which part', () => {
    const argv = ['-a', '2.5', '-I', '1000', '-T', '0', '--from', '5', '--to', '9.5'];
    expect(read('--read', '-', '--shard', '2/3', ...argv)).toEqual({
      files: ['-'],
      speed: 2.5,
      skipGaps: 1e6,
      rounds: 1,
      from: { isRelative: true, micros: 5e6 },
      to: { isRelative: true, micros: 9.5e6 },
      shard: { index: 2, count: 3 },
    });
  });

  it.each([
    [['--read', 'a.pcap,b.pcap,./a.pcap'], /"\.\/a\.pcap" twice at once/],
    [['-a', '2'], /-a: live traffic is copied/],
    [['--shard', '0/2'], /--shard: live traffic is copied/],
    [['--offline'], /--offline without a file/],
    [['--read', '/a', '-i', 'eth0'], /-i "eth0" with --read/],
    [['--read', '/a', '-F', 'tcp'], /-F with capture files/],
    [['--read', '-', '-T', '2'], /only once/],
    [['--read', '-', '-d'], /a daemon has none/],
    [['--read', '/a,'], /item 2 is empty/],
  ])('%j is refused', (argv, reason) => {
    expect(() => read(...argv)).toThrow(UsageError);
    expect(() => read(...argv)).toThrow(reason);
  });

  it('a copy of what was recorded is not captured again', () => {
    const argv = ['-x', '80-10.0.0.1:80', '-s', '10.0.0.9'];
    const start = (more: string[]) => {
      const parsed = parseArguments(TCPCOPY, [...argv, ...more]);
      if (parsed.kind !== 'start') throw new Error('no start');
      return readTcpcopyConfig(parsed.values, [IpAddress.v4(0x0a00_0001)]);
    };
    expect(() => start([])).toThrow(/copied again/);
    expect(start(['--read', '/a.pcap']).replay?.files).toEqual(['/a.pcap']);
  });
});

describe('values', () => {
  it.each([
    ['1', 1],
    ['0.001', 0.001],
    ['2.5', 2.5],
    [' 1000 ', 1000],
    ['max', Number.POSITIVE_INFINITY],
  ])('-a %s', (text, speed) => expect(parseSpeed(text)).toBe(speed));
  it.each(['0', '-1', '1001', '0.0001', 'fast', '1e3', '', 'NaN'])('-a %s is refused', (text) => {
    expect(() => parseSpeed(text)).toThrow(/expected a number from 0.001 to 1000, or max/);
  });

  it('times are relative or of a day', () => {
    expect(parseFileTime('--to', '2026-01-31T12:00:00Z')).toEqual({
      isRelative: false,
      micros: Date.UTC(2026, 0, 31, 12) * 1000,
    });
    for (const text of ['-5', 'noon', '2026-99-31', '']) {
      expect(() => parseFileTime('--to', text), text).toThrow(/Cannot use --to/);
    }
  });

  it('shards', () => {
    expect(parseShard('0/1')).toEqual({ index: 0, count: 1 });
    for (const text of ['3/3', '1', '-1/2', '0/0', '0/65537', 'a/b']) {
      expect(() => parseShard(text), text).toThrow(/from 0 to n - 1/);
    }
  });
});

describe('the progress line', () => {
  const state = { packets: 5000, seconds: 10, rounds: 2, round: 1, part: 0.5 };
  it('shows part, rate and time left', () => {
    expect(describeProgress(state)).toBe(
      '[==================      ] 75 %  5000 packets, 500/s, 3 s left',
    );
    expect(describeProgress({ ...state, part: undefined })).toBe('5000 packets, 500/s');
    expect(describeProgress({ ...state, round: 0, part: 0, packets: 0 })).toMatch(/ 0 % {2}0 pack/);
  });
  it('fits a line', () => {
    const long = { ...state, packets: 1e10, seconds: 1e6, part: 0.1 };
    expect(describeProgress(long).length).toBeLessThanOrEqual(79);
  });
});
