import { UsageError } from './exit-codes.ts';

/** A value that can be used, and what the user should know about it. */
export interface Parsed<T> {
  readonly value: T;
  readonly warning?: string;
}

export interface IntegerRange {
  readonly min: number;
  readonly max: number;
  readonly clamped?: true;
}

/**
 * A decimal integer within `range`; `label` is the option it belongs to.
 * @throws UsageError for anything else, unless the range is `clamped`: then out of range only warns.
 */
export function parseInteger(label: string, text: string, range: IntegerRange): Parsed<number> {
  const expected = `an integer from ${range.min} to ${range.max}`;
  const trimmed = text.trim();
  if (!/^-?\d{1,15}$/.test(trimmed)) {
    throw new UsageError(`Cannot use ${label} "${text}": expected ${expected}`);
  }
  const number = Number(trimmed);
  if (number >= range.min && number <= range.max) return { value: number };
  if (!range.clamped) {
    throw new UsageError(
      `Cannot use ${label} ${trimmed}: it is out of range, expected ${expected}`,
    );
  }
  const value = Math.min(Math.max(number, range.min), range.max);
  return { value, warning: `${label} ${trimmed} is out of range: ${value} is used` };
}

/**
 * A number within `range` with at most two decimals; `label` is the option it belongs to.
 * @throws UsageError for anything else.
 */
export function parseDecimal(
  label: string,
  text: string,
  { min, max }: Pick<IntegerRange, 'min' | 'max'>,
): number {
  const trimmed = text.trim();
  const number = /^\d{1,15}(\.\d{1,2})?$/.test(trimmed) ? Number(trimmed) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new UsageError(
    `Cannot use ${label} "${text}": expected a number from ${min} to ${max}, with two decimals at the most`,
  );
}

/**
 * A share of 100 with at most two decimals, above 0; 0 means 100, as in the original.
 * @throws UsageError for anything else, 150 among it.
 */
export function parsePercentage(label: string, text: string): number {
  const trimmed = text.trim();
  if (!/^\d{1,3}(\.\d{1,2})?$/.test(trimmed) || Number(trimmed) > 100) {
    throw new UsageError(
      `Cannot use ${label} "${text}": expected a percentage from 0 to 100, where 0 and 100 copy all`,
    );
  }
  return Number(trimmed) || 100;
}

/**
 * A TCP port; `what` says where it stands, as in `the target port of -x "80-10.0.0.1:0"`.
 * @throws UsageError unless it is a decimal integer from 1 to 65535.
 */
export function parsePort(what: string, text: string): number {
  const port = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (port >= 1 && port <= 65535) return port;
  const found = text === '' ? 'there is none' : `found "${text}"`;
  throw new UsageError(`Cannot use ${what}: ${found}, expected a port from 1 to 65535`);
}
