import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { becomeUser, findUser } from './user.ts';

describe('findUser', () => {
  it('knows the numbers that id tells', () => {
    for (const name of ['root', 'nobody', 'daemon']) {
      const [uid, gid] = ['-u', '-g'].map((o) =>
        Number(execFileSync('id', [o, name], { encoding: 'utf8' })),
      );
      expect(findUser(name)).toEqual({ name, uid, gid });
    }
  });

  it('refuses a name that no user has', () => {
    expect(() => findUser('nobody-of-that-name')).toThrow(
      "Cannot become the user 'nobody-of-that-name'",
    );
  });
});

describe('becomeUser', () => {
  it('does nothing for the user that the process has', () => {
    const uid = process.getuid?.() as number;
    becomeUser({ name: 'whoever', uid, gid: 12_345 }, '/nonexistent');
    expect(process.getgid?.()).not.toBe(12_345);
  });
});
