import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSettings } from './config-file.ts';
import { describeEffective } from './effective.ts';
import { type Environment, mergeSettings } from './option-settings.ts';
import { parseArguments, type OptionValues } from './option-values.ts';
import { INTERCEPT } from './options-intercept.ts';
import { TCPCOPY } from './options-tcpcopy.ts';

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tcpcopy-config-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function file(text: string): string {
  const path = join(directory, 'tcpcopy.toml');
  writeFileSync(path, text);
  return path;
}

function start(line: string, environment: Environment = {}, program = TCPCOPY): OptionValues {
  const parsed = parseArguments(program, line.split(' ').filter(Boolean), environment);
  if (parsed.kind !== 'start') throw new Error(`Got ${parsed.kind}`);
  return parsed.values;
}

describe('the order of sources', () => {
  it('is command line, environment, file, default', () => {
    const path = file('mtu = 1300\nmss = 1300\nport = 1300\n');
    const values = start(`-M 1100 --config ${path}`, { TCPCOPY_MTU: '1200', TCPCOPY_MSS: '1200' });
    const found = ['mtu', 'mss', 'port', 'connections'].map((name) => values.integer(name));
    expect(found).toEqual([1100, 1200, 1300, 2]);
    expect(values.source('mtu')).toBe('-M');
    expect(values.source('mss')).toBe('TCPCOPY_MSS');
    expect(values.source('port')).toBe(`port in "${path}"`);
    expect(values.source('connections')).toBeUndefined();
  });

  it('lets a variable switch off a flag of the file', () => {
    const path = file('lonely = true\ndont-wait = true\nonly-new = false\n');
    const values = start('', { TCPCOPY_CONFIG: path, TCPCOPY_LONELY: 'off' });
    expect(['lonely', 'dont-wait', 'only-new'].map((name) => values.has(name))).toEqual([
      false,
      true,
      false,
    ]);
  });

  it('does not join lists of different sources', () => {
    const path = file('intercept = ["10.0.0.1", "10.0.0.2"]\n');
    expect(start(`--config=${path}`).text('intercept')).toBe('10.0.0.1,10.0.0.2');
    expect(start(`-s 10.0.0.3 --config=${path}`).text('intercept')).toBe('10.0.0.3');
  });
});

describe('the environment', () => {
  it('is read by the names of the options, for the program whose prefix it has', () => {
    const environment = { TCPCOPY_MTU: '1200', INTERCEPT_PORT: '4000', TCPCOPY_DAEMON: 'yes' };
    expect(start('', environment).integer('mtu')).toBe(1200);
    expect(start('', environment).has('daemon')).toBe(true);
    expect(start('', environment, INTERCEPT).integer('port')).toBe(4000);
    expect(start('', environment, INTERCEPT).warnings).toEqual([]);
  });

  it('is checked as the command line is, and its variable is named', () => {
    expect(() => start('', { TCPCOPY_PERCENTAGE: '150' })).toThrow('TCPCOPY_PERCENTAGE "150"');
    expect(() => start('', { TCPCOPY_LONELY: 'maybe' })).toThrow('expected true or false');
    expect(() => start('', { TCPCOPY_SNAP_LENGTH: '2' })).toThrow(
      'Cannot use TCPCOPY_SNAP_LENGTH 2: it is out of range',
    );
  });

  it('may have empty variables and those of a Kubernetes service', () => {
    const links = {
      INTERCEPT_PORT: 'tcp://10.96.0.7:36524',
      INTERCEPT_PORT_36524_TCP: 'tcp://10.96.0.7:36524',
      INTERCEPT_SERVICE_HOST: '10.96.0.7',
      INTERCEPT_SERVICE_PORT: '36524',
      INTERCEPT_BIND: '',
    };
    const values = start('', links, INTERCEPT);
    expect(values.integer('port')).toBe(36524);
    expect(values.has('bind')).toBe(false);
    expect(values.warnings).toEqual([]);
  });

  it('is warned of when no option has the name', () => {
    expect(start('', { TCPCOPY_LOGLEVEL: 'debug', TCPCOPY_CHECK: '1' }).warnings).toEqual([
      'The environment has TCPCOPY_LOGLEVEL, which names no option: is TCPCOPY_LOG_LEVEL meant?',
      'The environment has TCPCOPY_CHECK, which is left out: --check belongs on the command line',
    ]);
  });
});

describe('the configuration file', () => {
  it.each([
    ['mtu = 99999', /mtu in ".*" 99999: it is out of range/],
    ['mtu = true', /found true, a boolean, expected a number/],
    ['lonely = 1', /found 1, a number, expected true or false/],
    ['intercept = []', /found an empty array, expected an array of strings/],
    ['intercept = [[1]]', /found an array, expected/],
    ['intercept = 2026-01-02', /found a date, expected/],
    ['[mtu]', /found a table, expected a number/],
    ['mtuu = 1', /Cannot use mtuu in ".*": tcpcopy has no such option/],
    ['check = true', /Cannot use check in ".*": it belongs on the command line/],
    ['config = "b"', /Cannot use config in ".*": it belongs on the command line/],
    ['a = 1\nb = = 2', /Cannot read the configuration file ".*", line 2: /],
  ])('%j is refused', (text, message) => {
    expect(() => start(`--config ${file(text)}`)).toThrow(message);
  });

  it('that is not there is named', () => {
    expect(() => start('--config /nonexistent/tcpcopy.toml')).toThrow(
      'Cannot read the configuration file "/nonexistent/tcpcopy.toml"',
    );
  });
});

it('a configuration file that never ends is refused', () => {
  expect(() => start('--config /dev/zero')).toThrow(
    /expected a file of 1048576 octets at the most/,
  );
});

describe('describeEffective', () => {
  it('shows what has no effect, and says so', () => {
    const parsed = parseArguments(TCPCOPY, ['-U', '4'], { TCPCOPY_MTU: '1200' });
    if (parsed.kind !== 'start') throw new Error(`Got ${parsed.kind}`);
    const text = describeEffective(TCPCOPY, parsed.values);
    expect(text).toMatch(/^session-block = 4 +# -U, no effect$/m);
    expect(text).toMatch(/^mtu = 1200 +# TCPCOPY_MTU$/m);
  });

  it('tells values and their sources', () => {
    const path = file('percentage = 12.5\n');
    const text = describeEffective(
      TCPCOPY,
      start(`-x 80-10.0.0.2:80,81-10.0.0.2:81 -C 20 -W --config ${path}`, { TCPCOPY_MTU: '900' }),
    );
    const lines = text.split('\n').map((line) => line.replace(/ +#/, ' #'));
    expect(lines).toContain('transfer = [ "80-10.0.0.2:80", "81-10.0.0.2:81" ] # -x');
    expect(lines).toContain(`percentage = 12.5 # percentage in "${path}"`);
    expect(lines).toContain('mtu = 900 # TCPCOPY_MTU');
    expect(lines).toContain('connections = 11 # -C');
    expect(lines).toContain('mss = 1460 # default');
    expect(lines).toContain('dont-wait = true # -W');
    expect(lines).toContain('# closing-timeout: default: -t');
    expect(text).not.toMatch(/check|session-block|^config/m);
  });

  it('gives a file that means the same', () => {
    const text = fc.string({ minLength: 1 });
    const options = fc.record(
      {
        filter: text,
        'log-file': text,
        intercept: text.map((item) => item.replaceAll(',', '').trim()).filter(Boolean),
        mtu: fc.integer({ min: 576, max: 65535 }).map(String),
        percentage: fc.integer({ min: 0, max: 10000 }).map((n) => String(n / 100)),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(options, fc.boolean(), (given, lonely) => {
        const argv = Object.entries(given).map(([name, value]) => `--${name}=${value}`);
        const parsed = parseArguments(TCPCOPY, lonely ? [...argv, '-L'] : argv);
        if (parsed.kind !== 'start') throw new Error('does not start');
        const effective = describeEffective(TCPCOPY, parsed.values);
        const again = mergeSettings([readSettings(TCPCOPY, 'again.toml', effective)]);
        for (const [name, value] of Object.entries(given)) {
          expect(again.get(name)?.texts).toEqual([value]);
        }
        expect(again.has('lonely')).toBe(lonely);
      }),
    );
  });
});
