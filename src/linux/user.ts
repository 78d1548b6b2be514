import { chownSync, statSync } from 'node:fs';
import { Memory } from '../base/memory.ts';
import { ENOENT, EPERM, SystemError } from './errors.ts';
import { addressOf, libc } from './libc.ts';

/** Of the system's user database. */
export interface User {
  readonly name: string;
  readonly uid: number;
  /** Of its primary group. */
  readonly gid: number;
}

interface Groups {
  initgroups(user: string, extraGroup: number): void;
}

/** Where getpwnam(3) has uid and gid in its struct: behind two pointers. */
const UID_AT = 16;
const GID_AT = 20;

/** The user called `name`. Throws `SystemError` when there is none. */
export function findUser(name: string): User {
  const entry = libc.getpwnam(name);
  if (entry === 0) {
    throw new SystemError({
      call: 'getpwnam',
      errno: ENOENT,
      doing: `become the user '${name}'`,
      hint: 'there is no user of that name; "getent passwd" lists those that there are',
    });
  }
  const copy = Memory.alloc(GID_AT + 4);
  libc.memcpy(addressOf(copy), entry, GID_AT + 4);
  return { name, uid: copy.view.getUint32(UID_AT, true), gid: copy.view.getUint32(GID_AT, true) };
}

/**
 * Makes this process, with all its threads, one of `user`: with its groups and, for any user but root, without any capability.
 * What is open stays open. The log file is given to the user, so that it can be opened anew. Throws `SystemError`.
 */
export function becomeUser(user: User, logFile: string | undefined): void {
  if (process.getuid?.() === user.uid) return;
  if (process.getuid?.() !== 0) {
    throw new SystemError({
      call: 'setuid',
      errno: EPERM,
      doing: `become the user '${user.name}'`,
      hint: 'only root can: start it as root, or leave --user out',
    });
  }
  if (logFile !== undefined && statSync(logFile).isFile()) chownSync(logFile, user.uid, user.gid);
  try {
    // The types of Node 20 leave it out.
    (process as Partial<Groups>).initgroups?.(user.name, user.gid);
    process.setgid?.(user.gid);
    process.setuid?.(user.uid);
  } catch (error) {
    // As in a user namespace that has no other user.
    const { errno = 0 } = error as NodeJS.ErrnoException;
    throw new SystemError({
      call: 'setuid',
      errno: Math.abs(errno),
      doing: `become the user '${user.name}'`,
      hint: 'this root may not: leave --user out, or give the container or namespace other users',
    });
  }
}
