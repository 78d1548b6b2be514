import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Histogram } from './histogram.ts';

it('quantiles are those of the values, to a quarter of an octave', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 1, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 200 }),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      (values, part) => {
        const histogram = new Histogram();
        for (const value of values) histogram.add(value);
        const sorted = values.toSorted((a, b) => a - b);
        const exact = sorted[Math.ceil(part * values.length - 1e-9) - 1] as number;
        const found = histogram.quantile(part);
        expect(found).toBeGreaterThanOrEqual(exact * 0.999_999);
        expect(found).toBeLessThanOrEqual(exact * 2 ** 0.25 * 1.000_001);
      },
    ),
  );
});

it('is 0 when empty, and takes what is out of range into its ends', () => {
  const histogram = new Histogram();
  expect(histogram.quantile(0.5)).toBe(0);
  histogram.add(-5);
  expect(histogram.quantile(1)).toBeLessThan(2);
  histogram.add(Number.MAX_VALUE);
  expect(histogram.quantile(1)).toBe(2 ** 40);
  expect(histogram.total).toBe(2);
});
