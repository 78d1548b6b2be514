import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ProgramSpec } from '../src/cli/option-spec.ts';
import { INTERCEPT } from '../src/cli/options-intercept.ts';
import { TCPCOPY } from '../src/cli/options-tcpcopy.ts';
import { renderBash, renderFish, renderZsh } from './completions.ts';

const folder = mkdtempSync(join(tmpdir(), 'tcpcopy-completions-'));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** What the shell prints. */
function run(shell: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(shell, args, {
    encoding: 'utf8',
    cwd: folder,
    env: { ...process.env, HOME: folder, ZDOTDIR: folder, TERM: 'dumb' },
    timeout: 60_000,
  });
  if (error) throw new Error(`${shell} does not run: ${error.message} (Debian package ${shell})`);
  if (status !== 0) throw new Error(`${shell} ended with ${status}: ${stderr}`);
  return stdout;
}

const workingNames = (program: ProgramSpec): string[] =>
  program.options.filter((s) => s.refused === undefined).map((s) => `--${s.name}`);
const workingLetters = (program: ProgramSpec): string[] =>
  program.options
    .filter((s) => s.refused === undefined && s.letter !== undefined)
    .map((s) => `-${s.letter}`);

/** What bash offers for the last of the words. */
function completeBash(program: ProgramSpec, words: readonly string[]): string[] {
  const script = write(`${program.name}.bash`, renderBash(program));
  run('bash', ['-n', script]);
  const list = [program.name, ...words].map((word) => `'${word}'`).join(' ');
  const call = `. '${script}'; COMP_WORDS=(${list}); COMP_CWORD=${words.length}; _${program.name}`;
  return run('bash', ['-c', `${call}; printf '%s\\n' "\${COMPREPLY[@]}"`])
    .split('\n')
    .filter(Boolean);
}

/** What fish offers for the line. */
function completeFish(program: ProgramSpec, line: string): string[] {
  const script = write(`${program.name}.fish`, renderFish(program));
  run('fish', ['-n', script]);
  const output = run('fish', ['-c', `source '${script}'; complete -C '${line}'`]);
  return output
    .split('\n')
    .map((row) => row.split('\t')[0] as string)
    .filter(Boolean);
}

/** The line as an interactive zsh completes it at its end. It needs a terminal, which another zsh gives it. */
function completeZsh(program: ProgramSpec, line: string): string {
  const script = write(`_${program.name}`, renderZsh(program));
  run('zsh', ['-n', script]);
  const result = write('result', '');
  const startup = `fpath=('${folder}' $fpath)
autoload -U compinit && compinit -u -D
zle-line-init() {
  BUFFER='${line}' CURSOR=\${#:-'${line}'}
  zle complete-word
  print -r -- "$BUFFER" >'${result}'
  BUFFER=exit
  zle accept-line
}
zle -N zle-line-init
`;
  write('.zshrc', startup);
  run('zsh', ['-f', '-c', 'zmodload zsh/zpty; zpty shell zsh -i; while zpty -r shell; do :; done']);
  return readFileSync(result, 'utf8').trimEnd();
}

describe.each([TCPCOPY, INTERCEPT])('completions of $name', (program) => {
  it('in bash are all options that work, words of a choice, and files', () => {
    expect(completeBash(program, ['']).toSorted()).toEqual(
      ['ctl', ...workingNames(program), ...workingLetters(program)].toSorted(),
    );
    expect(completeBash(program, ['-d', '--log-l'])).toEqual(['--log-level']);
    expect(completeBash(program, ['--log-level', ''])).toContain('warn');
    expect(completeBash(program, ['--log-level', '=', 'wa'])).toEqual(['warn']);
    expect(completeBash(program, ['--log-level', '='])).toContain('warn');
    expect(completeBash(program, ['-i', 'l'])).toContain('lo');
    expect(completeBash(program, ['-p', ''])).toEqual([]);
    expect(completeBash(program, ['ctl', 'st'])).toEqual(['status', 'statistics', 'stop']);
    write('some.toml', '');
    expect(completeBash(program, ['--config', 'some'])).toEqual(['some.toml']);
  });

  it('in fish are all options that work, words of a choice, and files', () => {
    expect(completeFish(program, `${program.name} --`).toSorted()).toEqual(
      workingNames(program).toSorted(),
    );
    expect(completeFish(program, `${program.name} --log-level wa`)).toEqual(['warn']);
    expect(completeFish(program, `${program.name} -i l`)).toContain('lo');
    expect(completeFish(program, `${program.name} c`)).toEqual(['ctl']);
    expect(completeFish(program, `${program.name} ctl re`)).toEqual(['reload']);
    write('some.toml', '');
    expect(completeFish(program, `${program.name} --config some`)).toEqual(['some.toml']);
  });

  it('in zsh complete options and the words of a choice', () => {
    expect(completeZsh(program, `${program.name} --pid-f`)).toBe(`${program.name} --pid-file=`);
    expect(completeZsh(program, `${program.name} --log-level=wa`)).toBe(
      `${program.name} --log-level=warn`,
    );
    expect(completeZsh(program, `${program.name} -i l`)).toBe(`${program.name} -i lo`);
    expect(completeZsh(program, `${program.name} c`)).toBe(`${program.name} ctl`);
    expect(completeZsh(program, `${program.name} ctl rel`)).toBe(`${program.name} ctl reload`);
  });
});
