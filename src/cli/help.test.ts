import { describe, expect, it, vi } from 'vitest';
import { readCommandLine } from './command-line.ts';
import { helpText, remarkText, wrap } from './help.ts';
import { optionSyntax } from './option-spec.ts';
import { INTERCEPT } from './options-intercept.ts';
import { TCPCOPY } from './options-tcpcopy.ts';
import { parseArguments } from './option-values.ts';
import { versionLine } from './version.ts';

describe.each([TCPCOPY, INTERCEPT])('helpText of $name', (program) => {
  const help = helpText(program);

  it('is at most 100 columns wide and ends with one newline', () => {
    expect(help.split('\n').filter((line) => line.length > 100)).toEqual([]);
    expect(help).toMatch(/[^\n]\n$/);
  });

  it('shows each option once, with its default, and marks those that do nothing or are refused', () => {
    const flat = help.replace(/\s+/g, ' ');
    for (const spec of program.options) {
      const entry = `${optionSyntax(spec).trim()} ${spec.doc}`;
      expect(flat.split(entry)).toHaveLength(2);
      const rest = flat.slice(flat.indexOf(entry) + entry.length);
      if (spec.default !== undefined)
        expect(rest).toMatch(new RegExp(`^ \\(default: ${spec.default}`));
      const remark = /^ \((?:default[^)]*; )?((?:no effect|refused): [^)]*)\)/.exec(rest)?.[1];
      expect(remark ?? '', spec.name).toBe(remarkText(spec));
    }
  });

  it('gives three commands as examples, of which its own can be parsed', () => {
    const line = help
      .split('\n')
      .find((text) => / server {2}/.test(text) && text.includes(` ${program.name} -`));
    const argv = [...(line ?? '').matchAll(/'([^']*)'|\S+/g)].map((m) => m[1] ?? m[0]);
    expect(parseArguments(program, argv.slice(3)).kind).toBe('start');
  });
});

describe('wrap', () => {
  it('breaks at blanks and leaves a longer word whole', () => {
    expect(wrap('a bb ccc dddddd e', 5)).toEqual(['a bb', 'ccc', 'dddddd', 'e']);
  });
});

describe('readCommandLine', () => {
  it('prints help or version on stdout, and nothing else', () => {
    const written: unknown[] = [];
    const spy = vi
      .spyOn(process.stdout, 'write')
      .mockImplementation((text) => written.push(text) > 0);
    try {
      expect(readCommandLine(TCPCOPY, ['-h'])).toBeUndefined();
      expect(readCommandLine(INTERCEPT, ['-v'])).toBeUndefined();
      expect(readCommandLine(INTERCEPT, ['-F', 'tcp'])?.text('filter')).toBe('tcp');
    } finally {
      spy.mockRestore();
    }
    expect(written).toEqual([helpText(TCPCOPY), `${versionLine('intercept')}\n`]);
    expect(versionLine('intercept')).toMatch(/^intercept \d+\.\d+\.\d+ \(Node \d+\./);
  });
});
