import { describe, expect, it } from 'vitest';
import { FilterError } from '../linux/pcap-filter.ts';
import { PidFileError } from '../linux/pid-file.ts';
import { describeError, exitCodeOf, StartError, UsageError } from './exit-codes.ts';

const systemError = (code: string): Error => Object.assign(new Error(`failed: ${code}`), { code });

describe('exitCodeOf', () => {
  it.each([
    ['EPERM', 77],
    ['EACCES', 77],
    ['ECONNREFUSED', 69],
    ['ETIMEDOUT', 69],
    ['ENOTFOUND', 69],
    ['ENODEV', 78],
    ['EADDRNOTAVAIL', 78],
    ['EADDRINUSE', 71],
    ['ENOMEM', 71],
  ])('gives %s status %d', (code, status) => {
    expect(exitCodeOf(systemError(code))).toBe(status);
  });

  it('lets an error that knows its status keep it, and calls the rest failures', () => {
    expect(exitCodeOf(new UsageError('x'))).toBe(2);
    expect(exitCodeOf(new StartError(78, 'x'))).toBe(78);
    expect(exitCodeOf(new FilterError('x'))).toBe(78);
    expect(exitCodeOf(new PidFileError('x'))).toBe(78);
    expect(exitCodeOf(new TypeError('x'))).toBe(1);
    expect(exitCodeOf(systemError('ERR_INVALID_ARG_TYPE'))).toBe(1);
    expect(exitCodeOf('x')).toBe(1);
  });
});

describe('describeError', () => {
  it('puts the next step below the message', () => {
    expect(describeError('tcpcopy', new UsageError('Cannot', 'Do this.\nOr that.'))).toBe(
      'tcpcopy: Cannot\n  Do this.\n  Or that.\n',
    );
    expect(describeError('intercept', new Error('Broken'))).toBe('intercept: Broken\n');
  });
});
