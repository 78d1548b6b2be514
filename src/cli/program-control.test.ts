import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seconds } from '../base/time.ts';
import type { TcpcopyConfig } from './config.ts';
import type { ProcessLog } from './log.ts';
import { TCPCOPY } from './options-tcpcopy.ts';
import { ProgramControl } from './program-control.ts';
import { Settings } from './settings.ts';
import { readTcpcopyConfig } from './tcpcopy-config.ts';

const BASE = ['-x', '80-10.0.0.2:80', '-s', '10.0.0.3'];
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tcpcopy-control-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A program that was started with `argv`, and what it was told. */
function started(argv: readonly string[] = []) {
  const told: TcpcopyConfig[] = [];
  const logged: string[] = [];
  const levels: string[] = [];
  const ends: number[] = [];
  const write = (message: string): void => {
    logged.push(message);
  };
  const settings = new Settings(TCPCOPY, [...BASE, ...argv]);
  const values = settings.read();
  if (values === undefined) throw new Error('asked for help');
  const readConfig = (v: typeof values): TcpcopyConfig => readTcpcopyConfig(v, []);
  const log: ProcessLog = {
    debug: write,
    info: write,
    warn: write,
    error: write,
    statistics: () => undefined,
    setLevel: (level) => levels.push(level),
    reopen: () => undefined,
    close: () => undefined,
    failures: { writes: 0, lines: 0 },
  };
  const control = new ProgramControl<TcpcopyConfig>({
    shell: { spec: TCPCOPY, readConfig, start: () => Promise.reject(new Error('started again')) },
    settings,
    values,
    config: readConfig(values),
    running: {
      account: () => ['packets captured 7', '  data 7'],
      statistics: () => [{ active: 3, rel: 4 }],
      reconfigure: (config) => told.push(config),
      stop: () => [],
    },
    log,
    end: (status) => ends.push(status),
  });
  const ask = (line: string) => {
    const [command = '', ...words] = line.split(' ');
    return control.answer({ command, words });
  };
  return { control, ask, told, logged, levels, ends };
}

describe('what a running program can be told', () => {
  it('tells how it goes', async () => {
    const { ask, ends } = started();
    expect(await ask('status')).toEqual({ ok: true, text: 'packets captured 7\n  data 7\n' });
    expect(await ask('statistics')).toEqual({ ok: true, text: 'active:3,rel:4\n' });
    expect(ends).toEqual([]);
    expect((await ask('stop')).ok).toBe(true);
    expect(ends).toEqual([0]);
  });

  it('takes other values, says where they stand, and goes back', async () => {
    const { ask, told, logged } = started(['-r', '20']);
    const said = await ask('set percentage=12.5 gradual-time=30 max-packets-per-second=500');
    expect(said.ok, said.text).toBe(true);
    expect(said.text).toMatch(/percentage is 12.5 now; gradual-time is 30 now; max-packets/);
    expect(logged.join('\n')).toMatch(/By "ctl": percentage is 12.5 now/);
    expect(told.at(-1)).toMatchObject({
      percentage: 12.5,
      ramp: { time: seconds(30), shape: 'linear' },
      limits: { rates: { packets: 500, connections: 0 } },
    });
    expect((await ask('get')).text).toMatch(/percentage = 12.5\s+# ctl set percentage/);
    expect((await ask('unset percentage gradual-time')).ok).toBe(true);
    expect(told.at(-1)?.percentage).toBe(20);
    expect(told.at(-1)).not.toHaveProperty('ramp');
    expect((await ask('set percentage=20')).text).toBe('Nothing has changed.\n');
  });

  it.each([
    ['set', /expected the names of options/],
    ['unset', /expected the names of options/],
    ['status more', /"more" with status: it takes nothing more/],
    ['get bogus', /no such option/],
    ['set percentage', /expected NAME=VALUE, as in percentage=12.5/],
    ['set percentage=150', /ctl set percentage.*expected/],
    ['set percentag=15', /no such option\n  Is percentage meant\?/],
    ['set mtu=1400', /Cannot change mtu while tcpcopy runs\n  These can be changed: .*percentage/],
    ['set gradual=maybe', /expected true or false/],
    ['set percentage=10 max-packets-per-second=-1', /max-packets-per-second/],
    ['dance', /Cannot do "dance"/],
  ])('refuses "%s", and changes nothing', async (line, wanted) => {
    const { ask, told } = started();
    const { ok, text } = await ask(line);
    expect(ok).toBe(false);
    expect(text).toMatch(wanted);
    expect(told).toEqual([]);
    expect((await ask('get')).text).toMatch(/percentage = 100\s+# default/);
  });

  it('tells of some options, and ends a ramp that is said to be off', async () => {
    const { ask, told } = started(['-r', '20', '-g']);
    expect((await ask('get percentage gradual-time')).text.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^percentage = 20 +# -r$/),
      expect.stringMatching(/^gradual-time = 100 +# default$/),
    ]);
    await ask('set percentage=50 gradual-time=600');
    const said = await ask('set percentage=100 gradual=false');
    expect(said.text).toBe('percentage is 100 now; gradual is false now\n');
    expect(told.at(-1)).not.toHaveProperty('ramp');
    expect((await ask('get gradual')).text).toMatch(/^gradual = false +# ctl set gradual/);
    await ask('unset gradual');
    expect(told.at(-1)).toHaveProperty('ramp');
  });

  it('reads the file again: what can change does, what cannot is said, and what ctl has set stays', async () => {
    const file = join(folder, 'tcpcopy.toml');
    writeFileSync(file, 'percentage = 5\nmtu = 1400\n');
    const { control, ask, told, logged, levels } = started(['--config', file]);
    await control.reload();
    expect(logged).toEqual([]);
    writeFileSync(file, 'percentage = 50\nmtu = 1300\nlog-level = "warn"\n');
    await control.reload();
    expect(told.at(-1)?.percentage).toBe(50);
    expect(levels.at(-1)).toBe('warn');
    expect(logged.splice(0)).toEqual([
      'percentage is 50 now; log-level is warn now; mtu has changed, which takes effect at the next start',
    ]);
    expect((await ask('get')).text).toMatch(
      /# mtu takes effect at the next start: until then it is 1400/,
    );
    await ask('set percentage=7');
    writeFileSync(file, 'percentage = 80\nmtu = 1400\n');
    await control.reload();
    expect(logged.at(-1)).toMatch(/mtu is again as the program has it/);
    expect(told.at(-1)?.percentage).toBe(7);
    expect((await ask('get')).text).not.toMatch(/next start/);
    await ask('unset percentage');
    expect(told.at(-1)?.percentage).toBe(80);
  });

  it.each([
    ['percentage = 500\n', /Nothing is changed: .*expected/],
    ['percentage = \n', /Nothing is changed/],
    ['no-such = 1\n', /Nothing is changed: .*no-such/],
  ])('says what is wrong with a file that has become %j, and goes on', async (text, wanted) => {
    const file = join(folder, 'tcpcopy.toml');
    writeFileSync(file, 'percentage = 5\n');
    const { control, told, logged } = started(['--config', file]);
    writeFileSync(file, text);
    await control.reload();
    expect(logged.join('\n')).toMatch(wanted);
    expect(told).toEqual([]);
    rmSync(file);
    await control.reload();
    expect(logged.at(-1)).toMatch(
      /Nothing is changed: .*ENOENT|Nothing is changed: .*no such file/,
    );
    writeFileSync(file, 'percentage = 6\n');
    await control.reload();
    expect(told.at(-1)?.percentage).toBe(6);
  });

  it('makes changes that come at once one after the other', async () => {
    const { ask, told } = started();
    const said = await Promise.all([1, 2, 3, 4].map((n) => ask(`set percentage=${n}`)));
    expect(said.map(({ ok }) => ok)).toEqual([true, true, true, true]);
    expect(told.map(({ percentage }) => percentage)).toEqual([1, 2, 3, 4]);
  });
});
