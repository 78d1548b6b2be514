import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readInterceptConfig } from '../src/cli/intercept-config.ts';
import { optionLabel, type OptionSpec, type ProgramSpec } from '../src/cli/option-spec.ts';
import { parseArguments } from '../src/cli/option-values.ts';
import { INTERCEPT } from '../src/cli/options-intercept.ts';
import { TCPCOPY } from '../src/cli/options-tcpcopy.ts';
import { readTcpcopyConfig } from '../src/cli/tcpcopy-config.ts';

const ROOT = join(import.meta.dirname, '..');
const DOCUMENTS = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const read = (document: string): string => readFileSync(join(ROOT, document), 'utf8');

/** The example of a configuration file, under the name that the examples of commands call it. */
const CONFIG_NAME = '/etc/tcpcopy.toml';
const folder = mkdtempSync(join(tmpdir(), 'tcpcopy-docs-'));
afterAll(() => rmSync(folder, { recursive: true }));
const CONFIG = join(folder, 'tcpcopy.toml');
const example = /^```toml\n(.*?)^```/ms.exec(read('docs/operating.md'))?.[1] ?? '';
writeFileSync(CONFIG, example);

/** The arguments of a line of shell without variables. */
const words = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|[^\s']+/g)].map((match) =>
    (match[1] ?? match[0]).replace(CONFIG_NAME, CONFIG),
  );

/** Lines of the code blocks that start with the program. */
function commandLines(text: string, program: string): string[] {
  const blocks = [...text.matchAll(/^```\w*\n(.*?)^```/gms)].map((match) => match[1] as string);
  return blocks
    .flatMap((block) => block.split('\n'))
    .map((line) => line.replace(/^ExecStart=\S*\//, '').trim())
    .filter((line) => line.startsWith(`${program} -`));
}

describe('the documents', () => {
  const commands = DOCUMENTS.flatMap((document) =>
    ['tcpcopy', 'intercept'].flatMap((program) =>
      commandLines(read(document), program).map((line) => ({ document, program, line })),
    ),
  );

  it('have examples to check', () => {
    expect(commands.length).toBeGreaterThanOrEqual(7);
  });

  it.each(commands)('$document: $line starts without a warning', ({ program, line }) => {
    const spec = program === 'tcpcopy' ? TCPCOPY : INTERCEPT;
    const parsed = parseArguments(spec, words(line).slice(1));
    if (parsed.kind !== 'start') throw new Error(`"${line}" does not start the program`);
    const config =
      program === 'tcpcopy'
        ? readTcpcopyConfig(parsed.values, [])
        : readInterceptConfig(parsed.values);
    expect(config.warnings).toEqual([]);
  });

  it('have a configuration file that says what it seems to', () => {
    const parsed = parseArguments(TCPCOPY, ['--config', CONFIG]);
    if (parsed.kind !== 'start') throw new Error('the example does not start the program');
    const { transfers, warnings, onlyNewConnections } = readTcpcopyConfig(parsed.values, []);
    expect(example).toContain(`# ${CONFIG_NAME}`);
    expect([transfers.length, warnings, onlyNewConnections]).toEqual([2, [], true]);
  });

  it.each(DOCUMENTS)('%s: links lead to files that are there', (document) => {
    const targets = [...read(document).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(
      (m) => m[1] as string,
    );
    const missing = targets
      .map((target) => join(dirname(document), target))
      .filter((target) => !existsSync(join(ROOT, target)));
    expect(missing).toEqual([]);
  });

  it('compatibility.md says of exactly those options that they are refused or have no effect', () => {
    const text = read('docs/compatibility.md');
    const [tcpcopy, intercept] = text.split('## Options of intercept') as [string, string];
    for (const [program, part] of [
      [TCPCOPY, tcpcopy.slice(tcpcopy.indexOf('## Options of tcpcopy'))],
      [INTERCEPT, intercept.slice(0, intercept.indexOf('\n## '))],
    ] as const) {
      expect(lettersOf(part, (state) => state === 'not yet' || state === 'refused')).toEqual(
        labels(program, (spec) => spec.refused !== undefined),
      );
      expect(lettersOf(part, (state) => state === 'no effect')).toEqual(
        labels(program, (spec) => spec.noEffect !== undefined),
      );
    }
  });
});

/** Letters in the first column of the rows whose second column says so, those of files and of -n aside. */
function lettersOf(part: string, isWanted: (state: string) => boolean): string[] {
  return part
    .split('\n')
    .map((row) => row.split('|').map((cell) => cell.trim()))
    .filter((cells) => cells.length > 3 && isWanted(cells[2] as string))
    .filter((cells) => cells[1] !== '`-i file`')
    .flatMap((cells) => [...(cells[1] as string).matchAll(/-(\w)/g)].map((match) => `-${match[1]}`))
    .sort();
}

const labels = (program: ProgramSpec, isMeant: (spec: OptionSpec) => boolean): string[] =>
  program.options
    .filter((spec) => spec.letter !== undefined && isMeant(spec))
    .map(optionLabel)
    .sort();
