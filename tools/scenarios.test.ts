import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/*
 * The original's behaviour was written down as numbered rows and its weaknesses as findings; each is a test by name. Rows 1 to 15 are
 * the command line, 47 to 61 capture, sampling and rewriting, 116 to 119 statistics and the life of the programs, 16 to
 * 33 are the control connection, 34 to 46 response frames, 62 to 75 sessions in normal flow, 76 to 95 in abnormal flow, 96 to 107
 * intercept, 108 to 115 capture files, 126 and 127 datagrams, 128 pairs of old and new; findings E1 to E27 are those of the session engine, O1 to O6 of files.
 */
const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);
const ROWS = [...range(1, 119), ...range(126, 128)];
const FINDINGS = [...range(1, 27).map((n) => `E${n}`), ...range(1, 6).map((n) => `O${n}`)];

const ROOT = join(import.meta.dirname, '..');
const FOLDERS = [
  'src/cli',
  'src/control',
  'src/intercept',
  'src/linux',
  'src/replay',
  'src/runtime',
  'src/session',
  'src/wire',
  'test/lab',
  'test/sim',
];

/** The names of the tests in a file: what stands first in the parentheses of `it`, `test` and `dialogue`. */
function namesIn(text: string): string[] {
  const calls = text.matchAll(
    /\b(?:it|test|dialogue)(?:\.each\([^)]*\))?\(\s*(['"`])((?:\\.|(?!\1).)*)\1/g,
  );
  return [...calls].map((match) => match[2] as string);
}

const names = FOLDERS.flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((file) => file.endsWith('.test.ts'))
    .flatMap((file) => namesIn(readFileSync(join(ROOT, folder, file), 'utf8'))),
);

/** Row numbers in a name: "row 63: …", "rows 63 and 64: …", "rows 89 and E8: …". */
const rowsIn = (name: string): number[] =>
  [...(/^rows? ([^:]*):/.exec(name)?.[1] ?? '').matchAll(/(?<!E)\b\d+/g)].map(([n]) => Number(n));

const findingsIn = (name: string): string[] => name.match(/\b[EO]\d+\b/g) ?? [];

describe('scenarios of the original that are tests by name', () => {
  it('names are found', () => {
    expect(namesIn("it('a b', f); dialogue(\n  `E2: it's`, f); it.each([1])(\"c\", f)")).toEqual([
      'a b',
      "E2: it's",
      'c',
    ]);
    expect(rowsIn('rows 84 and E5: after 200 ms')).toEqual([84]);
    expect(findingsIn('rows 84 and E5: after 200 ms')).toEqual(['E5']);
    expect(names.length).toBeGreaterThan(150);
  });

  it('every row', () => {
    const tested = new Set(names.flatMap(rowsIn));
    expect(ROWS.filter((row) => !tested.has(row))).toEqual([]);
  });

  it('every finding on the session engine and on files', () => {
    const tested = new Set(names.flatMap(findingsIn));
    expect(FINDINGS.filter((finding) => !tested.has(finding))).toEqual([]);
  });
});
