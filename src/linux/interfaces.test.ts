import { describe, expect, it } from 'vitest';
import { SystemError } from './errors.ts';
import { findInterface, interfaceNames } from './interfaces.ts';

describe('interfaces', () => {
  it('include the loopback', () => {
    expect(interfaceNames()).toContain('lo');
    expect(findInterface('lo')).toMatchObject({ name: 'lo', index: 1, master: 0, mtu: 65_536 });
  });

  it.each(['nosuch0', '', 'a name far longer than the kernel takes'])(
    'name those there are when asked for %j',
    (name) => {
      expect(() => findInterface(name)).toThrow(SystemError);
      expect(() => findInterface(name)).toThrow(/ENODEV .*: the interfaces here are .*lo/);
    },
  );
});
