import { expect, it } from 'vitest';
import { Fault, frameFailure } from './failure.ts';
import { FrameError } from './frame.ts';
import type { InterceptEnd, InterceptEndHandler, InterceptEndOptions } from './intercept-end.ts';
import type { TcpcopyEnd, TcpcopyEndHandler, TcpcopyEndOptions } from './tcpcopy-end.ts';
import { Stage, TellResult } from './tcpcopy-end.ts';

/** What an owner of both ends keeps. */
interface Pair {
  readonly near: readonly [TcpcopyEnd, TcpcopyEndHandler, TcpcopyEndOptions];
  readonly far: readonly [InterceptEnd, InterceptEndHandler, InterceptEndOptions];
}

it('names a frame that cannot be read by its own words', () => {
  const pairs: Pair[] = [];
  expect(pairs).toHaveLength(0);
  expect([Stage.offered, TellResult.ok]).toEqual([0, 0]);
  const failure = frameFailure(FrameError.uncombined);
  expect(failure.fault).toBe(Fault.badFrame);
  expect(failure.reason).toContain('--disable-combined');
});
