import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UsageError } from './exit-codes.ts';
import { optionLabel, type OptionSpec } from './option-spec.ts';
import { parseArguments, type OptionValues } from './option-values.ts';
import { INTERCEPT } from './options-intercept.ts';
import { TCPCOPY } from './options-tcpcopy.ts';

/** A value that the option's kind accepts. */
function sample({ value }: OptionSpec): string[] {
  switch (value.kind) {
    case 'flag':
      return [];
    case 'integer':
      return [String(value.min)];
    case 'decimal':
      return ['1.5'];
    case 'percentage':
      return ['20'];
    case 'choice':
      return [value.choices[0] as string];
    case 'path':
      return ['/dev/null'];
    default:
      return ['some'];
  }
}

function start(line: string, program = TCPCOPY): OptionValues {
  const parsed = parseArguments(program, line.split(' ').filter(Boolean));
  if (parsed.kind !== 'start') throw new Error(`Got ${parsed.kind}`);
  return parsed.values;
}

const refusal = (line: string, program = TCPCOPY): UsageError => {
  try {
    start(line, program);
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
  throw new Error(`"${line}" was accepted`);
};

describe('the option tables', () => {
  it('know every letter of the original', () => {
    const letters = (options: readonly OptionSpec[]): string =>
      options
        .map((spec) => spec.letter ?? '')
        .sort()
        .join('');
    expect(letters(TCPCOPY.options)).toBe('BCDFHILMOPRSTUWacdfghiklmnoprstvx');
    expect(letters(INTERCEPT.options)).toBe('DFPbcdhilnpqstvx');
  });

  it.each([TCPCOPY, INTERCEPT])('$name: names, letters and groups are sound', (program) => {
    const names = program.options.map((spec) => spec.name);
    expect(new Set(names).size).toBe(names.length);
    for (const spec of program.options) {
      expect(program.groups).toContain(spec.group);
      expect(spec.name).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(spec.doc).not.toMatch(/\.$/);
    }
  });

  it.each([TCPCOPY, INTERCEPT])(
    '$name: each option works, or says that it has no effect or is refused, and why',
    (program) => {
      for (const spec of program.options) {
        if (spec.name === 'help' || spec.name === 'version') continue;
        for (const form of [optionLabel(spec), `--${spec.name}`]) {
          const argv = [form, ...sample(spec)];
          if (spec.refused !== undefined) {
            expect(() => parseArguments(program, argv), form).toThrow(spec.refused);
            continue;
          }
          const parsed = parseArguments(program, argv);
          if (parsed.kind !== 'start') throw new Error(`${form} does not start`);
          expect(parsed.values.has(spec.name), form).toBe(true);
          const why = spec.noEffect === undefined ? [] : [expect.stringContaining(spec.noEffect)];
          expect(parsed.values.warnings, form).toEqual(why);
        }
      }
    },
  );

  it.each([TCPCOPY, INTERCEPT])('$name: every default passes its own check', (program) => {
    for (const spec of program.options) {
      if (spec.default === undefined) continue;
      const parsed = parseArguments(program, [`--${spec.name}`, spec.default]);
      expect(parsed.kind === 'start' && parsed.values.warnings).toEqual([]);
    }
  });
});

describe('parseArguments', () => {
  it('takes what has no effect, checks its range, and says once why it has none', () => {
    expect(start('-U 64 -U 2').warnings).toEqual([
      '-U (--session-block) has no effect: memory is not taken in blocks here',
    ]);
    expect(start('-n 16 -s 65536', INTERCEPT).warnings).toEqual([
      '-n (--batch) has no effect: the size of a batch follows from the load here',
      '-s (--delay-table) has no effect: that table grows by itself here',
    ]);
    expect(refusal('-U 65536').message).toContain('expected an integer from 0 to 65535');
    expect(refusal('-s 0', INTERCEPT).message).toContain('expected an integer from 1 to 16777216');
  });

  it('refuses what the original refuses in every build', () => {
    expect(refusal('-t 5', INTERCEPT).message).toBe(
      'Cannot use -t (--timeout): the original refuses it too, in every build',
    );
  });

  it('reads attached values, groups and long forms as getopt does', () => {
    for (const line of ['-p 99 -d -W -O', '-p99 -dWO', '-dWOp99', '--port=99 --daemon -WO']) {
      const values = start(line);
      expect([values.integer('port'), values.has('daemon')], line).toEqual([99, true]);
      expect([values.has('dont-wait'), values.has('only-new')], line).toEqual([true, true]);
    }
  });

  it('joins lists that are given several times; of other options the last one holds', () => {
    expect(start('-x 80-10.0.0.1:80 -x 81-10.0.0.1:81').text('transfer')).toBe(
      '80-10.0.0.1:80,81-10.0.0.1:81',
    );
    expect(start('-p 1 -p 2').integer('port')).toBe(2);
  });

  it('checks every value given, not only the last', () => {
    expect(refusal('-r 150 -r 20').message).toContain('-r "150"');
  });

  it('gives defaults of the table', () => {
    const values = start('');
    expect([values.integer('port'), values.integer('mtu'), values.text('filter')]).toEqual([
      36524,
      1500,
      undefined,
    ]);
    expect([values.has('port'), values.percentage('percentage')]).toEqual([false, 100]);
  });

  it('row 6: -C is brought into 1 to 11, with a warning', () => {
    for (const [text, used] of [
      ['0', 1],
      ['-1', 1],
      ['20', 11],
      ['11', 11],
    ] as const) {
      const values = start(`-C ${text}`);
      expect(values.integer('connections')).toBe(used);
      expect(values.warnings.length).toBe(text === '11' ? 0 : 1);
    }
  });

  it('row 9: values out of range are refused', () => {
    expect(refusal('-r 150').message).toBe(
      'Cannot use -r "150": expected a percentage from 0 to 100, where 0 and 100 copy all',
    );
    for (const n of ['2000', '1.234', '-1', 'abc']) {
      expect(refusal(`-n ${n}`).message).toContain(
        `Cannot use -n "${n}": expected a number from 0 to 1023, with two decimals at the most`,
      );
    }
    expect(refusal('-f 300').message).toContain('out of range, expected an integer from 0 to 31');
  });

  it('row 10: -r 0 and -r 100 mean all; fractions are taken as they are', () => {
    expect(start('-r 0').percentage('percentage')).toBe(100);
    expect(start('-r 100').percentage('percentage')).toBe(100);
    expect(start('-r 20').warnings).toEqual([]);
    const values = start('-r 20.25');
    expect([values.percentage('percentage'), values.warnings.length]).toEqual([20.25, 0]);
    expect(start('-r 0.01').percentage('percentage')).toBe(0.01);
  });

  it.each([
    '-r -1',
    '-r 1.234',
    '-r 100.01',
    '-r abc',
    '-r 1e1',
    '-n abc',
    '-p 80x',
    '-p 0',
    '-p 70000',
  ])('refuses %s', (line) => {
    expect(refusal(line).message).toMatch(/^Cannot use -[rnp] .*expected/);
  });

  it('names the option that was probably meant', () => {
    expect(refusal('--daemn').hint).toContain('Is --daemon meant?');
    expect(refusal('--client=1').hint).toContain('Is --client-address meant?');
    expect(refusal('-X').hint).toContain('Is -x meant?');
    expect(refusal('-Z').hint).not.toContain('meant?');
    expect(refusal('--entirely-else').hint).not.toContain('meant?');
    expect(refusal('--daemn').exitCode).toBe(2);
  });

  it('refuses a missing value, an empty one, and stray words', () => {
    expect(refusal('-d -x').message).toContain('without a value: expected "-x, --transfer <list>"');
    expect(() => parseArguments(TCPCOPY, ['-x', ''])).toThrow('with an empty value');
    expect(refusal('-F tcp and', INTERCEPT).message).toContain('"and": it belongs to no option');
    expect(refusal('--log-level loud').message).toContain(
      'expected one of debug, info, warn, error',
    );
  });

  it('asks for help or version before anything is missing', () => {
    expect(parseArguments(TCPCOPY, ['-h'])).toEqual({ kind: 'help' });
    expect(parseArguments(TCPCOPY, ['-dv', '-n5'])).toEqual({ kind: 'version' });
    expect(parseArguments(INTERCEPT, ['--help', '-v'])).toEqual({ kind: 'help' });
  });

  it('throws nothing but UsageError, whatever the arguments', () => {
    const word = fc.oneof(
      fc.constantFrom(
        '-x',
        '-n',
        '-dWO',
        '-',
        '--',
        '-h',
        '--port',
        '--port=',
        '-r',
        '-1',
        '',
        '=',
        ',',
      ),
      fc.constantFrom('--__proto__', '--constructor=1', '-dd', '-n1n', '80-10.0.0.1:80', '-C-1'),
      fc.string({ maxLength: 6 }),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(TCPCOPY, INTERCEPT),
        fc.array(word, { maxLength: 5 }),
        (program, argv) => {
          try {
            expect(['help', 'version', 'start']).toContain(parseArguments(program, argv).kind);
          } catch (error) {
            expect(error).toBeInstanceOf(UsageError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('treats a name that is not in the table as an error of ours', () => {
    expect(() => start('').text('nothing')).toThrow(TypeError);
    expect(() => start('').integer('filter')).toThrow(TypeError);
  });
});
