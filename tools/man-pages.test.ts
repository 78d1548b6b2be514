import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { INTERCEPT } from '../src/cli/options-intercept.ts';
import { TCPCOPY } from '../src/cli/options-tcpcopy.ts';
import { renderConfigPage, renderManPage } from './man-pages.ts';

const PAGES: readonly (readonly [string, string])[] = [
  ['tcpcopy.8', renderManPage(TCPCOPY)],
  ['intercept.8', renderManPage(INTERCEPT)],
  ['tcpcopy.conf.5', renderConfigPage([TCPCOPY, INTERCEPT])],
];

/** Where mandoc looks for the pages that these refer to. */
const folder = mkdtempSync(join(tmpdir(), 'tcpcopy-man-'));
afterAll(() => rmSync(folder, { recursive: true }));
for (const [name, text] of PAGES) {
  const section = join(folder, `man${name.slice(-1)}`);
  mkdirSync(section, { recursive: true });
  writeFileSync(join(section, name), text);
}

function mandoc(args: readonly string[], input: string): string {
  const { status, stdout, error } = spawnSync('mandoc', args, {
    input,
    encoding: 'utf8',
    env: { ...process.env, MANPATH: folder },
  });
  if (error) throw new Error(`mandoc does not run: ${error.message} (Debian package mandoc)`);
  expect(status).not.toBeNull();
  return stdout;
}

describe.each(PAGES)('man/%s', (name, text) => {
  it('is clean to the lint of mandoc', () => {
    expect(mandoc(['-T', 'lint', '-W', 'style'], text)).toBe('');
  });

  it('shows each option that there is', () => {
    const shown = mandoc(['-T', 'ascii', '-O', 'width=400'], text).replace(/.[\b]/g, '');
    const programs = [TCPCOPY, INTERCEPT].filter((p) => name.startsWith(p.name));
    for (const spec of programs.flatMap((program) => program.options)) {
      if (name.endsWith('.5') && (spec.commandLineOnly || spec.refused || spec.name === 'config')) {
        continue;
      }
      expect(shown).toContain(name.endsWith('.8') ? `--${spec.name}` : `\n     ${spec.name} =`);
    }
  });
});
