import type { Brand } from './brand.ts';

/** A point on a monotonic clock, in microseconds since an arbitrary origin. Never goes back. */
export type Instant = Brand<number, 'Instant'>;

/** A span of time in microseconds. */
export type Duration = Brand<number, 'Duration'>;

/** Later than every instant: the deadline of a timer that is stopped. */
export const NEVER = Number.POSITIVE_INFINITY as Instant;

export const micros = (n: number): Duration => n as Duration;
export const millis = (n: number): Duration => (n * 1e3) as Duration;
export const seconds = (n: number): Duration => (n * 1e6) as Duration;

export const addTime = (t: Instant, d: Duration): Instant => (t + d) as Instant;
export const elapsed = (from: Instant, to: Instant): Duration => (to - from) as Duration;
