import { describe, expect, it } from 'vitest';
import { INTERCEPT } from '../src/cli/options-intercept.ts';
import { TCPCOPY } from '../src/cli/options-tcpcopy.ts';
import { renderBash, renderFish, renderZsh } from './completions.ts';
import { configSchema } from './config-schema.ts';
import { renderConfigPage, renderManPage } from './man-pages.ts';
import { renderOptionDocs } from './option-docs.ts';

describe('what is made from the option tables', () => {
  const files: [string, string][] = [
    ['docs/options.md', renderOptionDocs()],
    ['man/tcpcopy.conf.5', renderConfigPage([TCPCOPY, INTERCEPT])],
  ];
  for (const program of [TCPCOPY, INTERCEPT]) {
    const { name } = program;
    files.push(
      [`man/${name}.8`, renderManPage(program)],
      [`completions/${name}.bash`, renderBash(program)],
      [`completions/_${name}`, renderZsh(program)],
      [`completions/${name}.fish`, renderFish(program)],
      [`schema/${name}.schema.json`, `${JSON.stringify(configSchema(program), undefined, 2)}\n`],
    );
  }
  it.each(files)('%s is what they say', async (path, text) => {
    await expect(text).toMatchFileSnapshot(`../${path}`);
  });
});
