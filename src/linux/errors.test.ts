import { describe, expect, it } from 'vitest';
import { EPERM, errnoName, errnoText, NEED_NET_RAW, SystemError } from './errors.ts';

describe('SystemError', () => {
  it('names what failed, the call, the error in words and the next step', () => {
    const error = new SystemError({
      call: 'socket(AF_PACKET)',
      errno: EPERM,
      doing: 'capture packets',
      hint: NEED_NET_RAW,
    });
    expect(error.message).toMatch(
      /^Cannot capture packets: socket\(AF_PACKET\) failed with EPERM \(operation not permitted\): the capability CAP_NET_RAW is missing; run as root, .*setcap/,
    );
    expect([error.call, error.errno, error.code]).toEqual(['socket(AF_PACKET)', 1, 'EPERM']);
  });

  it('has a usual hint for what is the same everywhere', () => {
    const error = new SystemError({ call: 'connect', errno: 101, doing: 'connect' });
    expect(error.message).toContain('this host has no route to it; see ip route');
  });

  it('knows numbers without a name', () => {
    expect([errnoName(999), errnoText(999)]).toEqual(['E999', 'error number 999']);
  });
});
