import { describe, expect, it } from 'vitest';
import { renderOptionDocs } from './option-docs.ts';

describe('docs/options.md', () => {
  it('is what the option tables say', async () => {
    await expect(renderOptionDocs()).toMatchFileSnapshot('../docs/options.md');
  });
});
