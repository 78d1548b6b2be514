import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseArguments } from '../src/cli/option-values.ts';
import { TCPCOPY } from '../src/cli/options-tcpcopy.ts';
import { readTcpcopyConfig } from '../src/cli/tcpcopy-config.ts';

const text = readFileSync(
  join(import.meta.dirname, '../deploy/kubernetes/replay-job.yaml'),
  'utf8',
);
const numberOf = (key: string): number =>
  Number(new RegExp(`^ +${key}: (\\d+)$`, 'm').exec(text)?.[1]);
const args = [...text.matchAll(/^ +- (--\S+)$/gm)].map((match) => match[1] as string);

describe('the manifest of a replay in shards', () => {
  it('starts one process for each shard, with options that exist', () => {
    const count = numberOf('completions');
    expect(numberOf('parallelism')).toBe(count);
    expect(numberOf('backoffLimit')).toBe(0);
    for (let index = 0; index < count; index++) {
      const typed = args.map((arg) => arg.replace('$(JOB_COMPLETION_INDEX)', String(index)));
      const parsed = parseArguments(TCPCOPY, typed);
      if (parsed.kind !== 'start') throw new Error('no start');
      const { replay, warnings } = readTcpcopyConfig(parsed.values, []);
      expect(replay).toMatchObject({ shard: { index, count }, speed: Number.POSITIVE_INFINITY });
      expect(warnings).toEqual([]);
    }
  });
});
