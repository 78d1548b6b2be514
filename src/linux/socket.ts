import { Memory } from '../base/memory.ts';
import { SO_BINDTODEVICE, SOCK_CLOEXEC, SOCK_NONBLOCK, SOL_SOCKET } from './constants.ts';
import { SystemError, type SystemFailure } from './errors.ts';
import { addressOf, lastErrno, libc } from './libc.ts';

/** Values and lengths of socket options pass through here. */
const scratch = Memory.alloc(64);
const LENGTH_AT = 32;

/** A new socket that neither blocks nor is inherited. Throws `SystemError`. */
export function openSocket(
  family: number,
  type: number,
  protocol: number,
  failure: Omit<SystemFailure, 'errno'>,
  hintFor?: (errno: number) => string | undefined,
): number {
  const fd = libc.socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (fd >= 0) return fd;
  const errno = lastErrno();
  const hint = hintFor?.(errno);
  throw new SystemError(hint === undefined ? { ...failure, errno } : { ...failure, errno, hint });
}

/** Sets an option that takes an int; returns 0 or the error number. */
export function setOption(fd: number, level: number, name: number, value: number): number {
  scratch.view.setInt32(0, value, true);
  return libc.setsockopt(fd, level, name, addressOf(scratch), 4) === 0 ? 0 : lastErrno();
}

/** Sets an option that takes a struct; returns 0 or the error number. */
export function setOptionStruct(
  fd: number,
  level: number,
  name: number,
  value: Memory,
  length: number,
): number {
  return libc.setsockopt(fd, level, name, addressOf(value), length) === 0 ? 0 : lastErrno();
}

/** An option that is an int; undefined when the kernel refuses to tell. */
export function getOption(fd: number, level: number, name: number): number | undefined {
  return getOptionStruct(fd, level, name, scratch, 4) ? scratch.view.getInt32(0, true) : undefined;
}

/** Reads an option that is a struct into `value`; false when the kernel refuses. */
export function getOptionStruct(
  fd: number,
  level: number,
  name: number,
  value: Memory,
  length: number,
): boolean {
  scratch.view.setUint32(LENGTH_AT, length, true);
  const lengthAddress = addressOf(scratch) + LENGTH_AT;
  return libc.getsockopt(fd, level, name, addressOf(value), lengthAddress) === 0;
}

/** Asks for a buffer of `octets`: beyond the system's limit when privileged (CAP_NET_ADMIN), up to it otherwise. */
export function setBufferSize(fd: number, force: number, plain: number, octets: number): void {
  if (setOption(fd, SOL_SOCKET, force, octets) !== 0) {
    setOption(fd, SOL_SOCKET, plain, octets);
  }
}

/** Lets a socket send and receive on one interface only. Linux before 5.7 needs CAP_NET_RAW for that. Returns 0 or the error number. */
export function bindToDevice(fd: number, device: string): number {
  const octets = new TextEncoder().encode(device);
  const value = Memory.alloc(octets.length);
  value.bytes.set(octets);
  return setOptionStruct(fd, SOL_SOCKET, SO_BINDTODEVICE, value, octets.length);
}
