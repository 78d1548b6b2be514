import { resolve } from 'node:path';
import { millis } from '../base/time.ts';
import type { FileTime, Shard } from '../runtime/capture-sieve.ts';
import type { ReplayFiles } from './config.ts';
import { UsageError } from './exit-codes.ts';
import type { OptionValues } from './option-values.ts';
import { splitList } from './split-list.ts';

const MIN_SPEED = 0.001;
const MAX_SPEED = 1000;
/** Of --shard. */
const MAX_SHARDS = 65_536;
/** What means nothing while live traffic is copied, and the defaults, which may stand there all the same. */
const NEEDS_FILE: Readonly<Record<string, string>> = {
  speed: '1',
  'skip-gaps': '0',
  repeat: '1',
  from: '',
  to: '',
  shard: '',
};

/**
 * What is replayed from files, and how; undefined when live traffic is copied.
 * @throws UsageError
 */
export function readReplay(values: OptionValues): ReplayFiles | undefined {
  const files = readFiles(values);
  if (files === undefined) {
    const useless = Object.keys(NEEDS_FILE).find(
      (name) => values.has(name) && values.text(name) !== NEEDS_FILE[name],
    );
    if (useless === undefined) return undefined;
    throw new UsageError(
      `Cannot use ${values.source(useless)}: live traffic is copied, and it is about capture files`,
      'Name a capture file with --read.',
    );
  }
  const rounds = values.integer('repeat');
  refuseMixtures(values, files, rounds);
  const from = values.text('from');
  const to = values.text('to');
  const shard = values.text('shard');
  return {
    files: files.map((file) => (file === '-' ? file : resolve(file))),
    speed: parseSpeed(values.text('speed') ?? ''),
    skipGaps: millis(values.integer('skip-gaps')),
    rounds,
    ...(values.has('udp') && { udp: true }),
    ...(from !== undefined && { from: parseFileTime('--from', from) }),
    ...(to !== undefined && { to: parseFileTime('--to', to) }),
    ...(shard !== undefined && { shard: parseShard(shard) }),
  };
}

function readFiles(values: OptionValues): readonly string[] | undefined {
  const read = values.text('read');
  const named = values.text('interface');
  if (!values.has('offline')) {
    if (read === undefined) return undefined;
    if (named === undefined) return splitList('--read', read);
    throw new UsageError(
      `Cannot use -i "${named}" with --read: nothing is captured while files are replayed`,
      'Leave -i out.',
    );
  }
  const given = [read, named].filter((list) => list !== undefined);
  if (given.length > 0) return splitList('-i', given.join(','));
  throw new UsageError(
    'Cannot use --offline without a file: it says that -i names capture files',
    'For example: --offline -i online.pcap, or shorter: --read online.pcap.',
  );
}

function refuseMixtures(values: OptionValues, files: readonly string[], rounds: number): void {
  const twice = files.find((file, i) => files.findIndex((f) => resolve(f) === resolve(file)) < i);
  if (twice !== undefined) {
    throw new UsageError(
      `Cannot replay "${twice}" twice at once: it is named two times`,
      'To replay a file several times, one after the other, use -T.',
    );
  }
  if (values.has('filter')) {
    throw new UsageError(
      'Cannot use -F with capture files: packets are chosen by -x alone',
      'Choose before: tcpdump -r all.pcap -w chosen.pcap FILTER.',
    );
  }
  if (values.has('snap-length') || values.text('direction') === 'out') {
    const option = values.has('snap-length') ? 'snap-length' : 'direction';
    throw new UsageError(
      `Cannot use ${values.source(option)} with capture files: nothing is captured, and it is about that`,
      'Leave it out; of a capture file, both directions are read.',
    );
  }
  if (!files.includes('-')) return;
  if (rounds > 1) {
    throw new UsageError(
      `Cannot use -T ${rounds} with standard input: it can be read only once`,
      'Write it to a file first.',
    );
  }
  if (values.has('daemon')) {
    throw new UsageError(
      'Cannot use -d with standard input: a daemon has none',
      'Leave -d out, or name a file.',
    );
  }
}

/** @throws UsageError unless it is "max", for Infinity, or a number in range. */
export function parseSpeed(text: string): number {
  const trimmed = text.trim();
  if (trimmed === 'max') return Number.POSITIVE_INFINITY;
  const speed = /^\d+(\.\d+)?$/.test(trimmed) ? Number(trimmed) : Number.NaN;
  if (speed >= MIN_SPEED && speed <= MAX_SPEED) return speed;
  throw new UsageError(
    `Cannot use -a "${text}": expected a number from ${MIN_SPEED} to ${MAX_SPEED}, or max`,
    '1 is the pace of the recording, 0.5 half of it; max goes as fast as the target answers.',
  );
}

/** @throws UsageError unless it is a number of seconds or a time of day with its date. */
export function parseFileTime(label: string, text: string): FileTime {
  const trimmed = text.trim();
  if (/^\d+(\.\d+)?$/.test(trimmed)) {
    return { isRelative: true, micros: Number(trimmed) * 1e6 };
  }
  const time = /^\d{4}-\d\d-\d\d/.test(trimmed) ? Date.parse(trimmed) : Number.NaN;
  if (!Number.isNaN(time)) return { isRelative: false, micros: time * 1e3 };
  throw new UsageError(
    `Cannot use ${label} "${text}": expected seconds from the first packet, or a time`,
    'For example 90.5, or 2026-01-31T12:00:00 for local time, with a Z behind it for UTC.',
  );
}

/** @throws UsageError unless it is "i/n" with i below n. */
export function parseShard(text: string): Shard {
  const [, i, n] = /^(\d{1,6})\/(\d{1,6})$/.exec(text.trim()) ?? [];
  const shard = { index: Number(i ?? Number.NaN), count: Number(n ?? Number.NaN) };
  if (shard.count >= 1 && shard.count <= MAX_SHARDS && shard.index < shard.count) return shard;
  throw new UsageError(
    `Cannot use --shard "${text}": expected i/n with i from 0 to n - 1, n at most ${MAX_SHARDS}`,
    'Three processes share the work as 0/3, 1/3 and 2/3.',
  );
}
