import { describe, expect, it } from 'vitest';
import type { SynTemplate } from '../session/state.ts';
import { SynTemplates } from './syn-templates.ts';

const linux: SynTemplate = {
  window: 64_240,
  ttl: 64,
  trafficClass: 0,
  mss: 1460,
  windowScale: 7,
  sackPermitted: true,
  timestamps: true,
  captured: true,
};

describe('SYN templates', () => {
  it('are one for clients that say the same', () => {
    const templates = new SynTemplates();
    const first = templates.share({ ...linux });
    expect(templates.share({ ...linux })).toBe(first);
  });

  it('are told apart by each of their properties', () => {
    const templates = new SynTemplates();
    const first = templates.share({ ...linux });
    for (const key of Object.keys(linux) as (keyof SynTemplate)[]) {
      const value = linux[key];
      const other = { ...linux, [key]: typeof value === 'number' ? value - 1 : !value };
      expect(templates.share(other), key).toBe(other);
    }
    expect(templates.share({ ...linux })).toBe(first);
  });

  it('of ever new kinds are let through, and the oldest is forgotten', () => {
    const templates = new SynTemplates();
    const first = templates.share({ ...linux });
    for (let window = 1; window < 1000; window++) {
      expect(templates.share({ ...linux, window }).window).toBe(window);
    }
    expect(templates.share({ ...linux })).not.toBe(first);
  });
});
