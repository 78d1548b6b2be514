import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ExitCode } from '../src/cli/exit-codes.ts';

const ROOT = join(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'tcpcopy-units-'));
afterAll(() => rmSync(folder, { recursive: true }));

function analyze(...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync('systemd-analyze', args, {
    encoding: 'utf8',
    env: { ...process.env, SYSTEMD_LOG_LEVEL: 'warning' },
  });
  if (error) throw new Error(`systemd-analyze does not run: ${error.message} (Debian: systemd)`);
  return `${stdout}${stderr}${status === 0 ? '' : `\nstatus ${status}`}`;
}

/** The unit with the program of this checkout, since systemd-analyze looks whether it is there. */
function unitOf(name: string): string {
  const text = readFileSync(join(ROOT, 'deploy/systemd', `${name}.service`), 'utf8');
  const path = join(folder, `${name}.service`);
  expect(text).toContain(`ExecStart=/usr/bin/${name} `);
  // node stands for the program: it is there and may be run, however the checkout was made.
  writeFileSync(path, text.replace(`/usr/bin/${name} `, `${process.execPath} `));
  return path;
}

describe.each(['tcpcopy', 'intercept'])('deploy/systemd/%s.service', (name) => {
  it('is accepted by systemd without a word', () => {
    expect(analyze('verify', '--man=no', unitOf(name))).toBe('');
  });

  it('leaves little to attack', () => {
    const report = analyze(
      'security',
      '--offline=true',
      '--threshold=25',
      '--no-pager',
      unitOf(name),
    );
    expect(report).toMatch(/Overall exposure level for \w+\.service: \d\.\d OK/);
    expect(report).not.toContain('status');
  });

  it('starts the program again after failures that may pass, and only then', () => {
    const text = readFileSync(join(ROOT, 'deploy/systemd', `${name}.service`), 'utf8');
    const { usage, noPermission, config } = ExitCode;
    expect(text).toContain(`RestartPreventExitStatus=${usage} ${noPermission} ${config}\n`);
  });
});
