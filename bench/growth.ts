/** What may be added to a level without being called growth: noise of the collector, of tables that double, of a burst. */
export interface Tolerance {
  readonly share: number;
  readonly octets: number;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/**
 * Whether a level still grows: the median of the last third of the samples against that of the middle third. A leak adds as
 * much in each third; what only had to find its size does not grow after the first.
 */
export function grows(samples: readonly number[], { share, octets }: Tolerance): boolean {
  const third = Math.floor(samples.length / 3);
  if (third < 3) throw new Error(`${samples.length} samples are too few to say; 9 are needed`);
  const middle = median(samples.slice(-2 * third, -third));
  return median(samples.slice(-third)) > middle * (1 + share) + octets;
}
