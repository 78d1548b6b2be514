import { endianness } from 'node:os';
import koffi from 'koffi';
import type { Memory } from '../base/memory.ts';
import { SystemError } from './errors.ts';

/**
 * The one place that declares system calls. Buffers are passed as plain addresses (`addressOf`), so that a call allocates
 * nothing; no type of the FFI library leaves this folder, and another (node:ffi, an addon) could take its place.
 */

/** An address in this process; below 2⁵³, so a plain number holds it. */
export type Address = number;

if (endianness() !== 'LE' || koffi.sizeof('void *') !== 8) {
  throw new SystemError({
    call: 'load',
    errno: 0,
    doing: 'start on this machine',
    hint: `a 64-bit little-endian processor is needed, this is ${process.arch}`,
  });
}

/** The running program itself: its C library is glibc or musl, whichever Node was built for. */
const self = koffi.load(null);

const declare = <F>(prototype: string): F => self.func(prototype) as unknown as F;

type Fn<Args extends number[]> = (...args: Args) => number;

export const libc: {
  readonly socket: Fn<[family: number, type: number, protocol: number]>;
  readonly bind: Fn<[fd: number, address: Address, length: number]>;
  readonly connect: Fn<[fd: number, address: Address, length: number]>;
  readonly listen: Fn<[fd: number, backlog: number]>;
  readonly accept4: Fn<[fd: number, address: Address, length: Address, flags: number]>;
  readonly getsockname: Fn<[fd: number, address: Address, length: Address]>;
  readonly setsockopt: Fn<
    [fd: number, level: number, name: number, value: Address, length: number]
  >;
  readonly getsockopt: Fn<
    [fd: number, level: number, name: number, value: Address, length: Address]
  >;
  readonly recvmmsg: Fn<
    [fd: number, messages: Address, count: number, flags: number, timeout: Address]
  >;
  readonly sendmmsg: Fn<[fd: number, messages: Address, count: number, flags: number]>;
  readonly recv: Fn<[fd: number, buffer: Address, length: number, flags: number]>;
  readonly send: Fn<[fd: number, buffer: Address, length: number, flags: number]>;
  readonly read: Fn<[fd: number, buffer: Address, length: number]>;
  readonly close: Fn<[fd: number]>;
  readonly dup2: Fn<[from: number, to: number]>;
  readonly flock: Fn<[fd: number, operation: number]>;
  readonly memcpy: Fn<[to: Address, from: Address, length: number]>;
  readonly nanosleep: Fn<[wanted: Address, left: Address]>;
  /** A struct passwd; 0 when there is none. */
  readonly getpwnam: (name: string) => Address;
  readonly timerfdCreate: Fn<[clock: number, flags: number]>;
  readonly timerfdSettime: Fn<[fd: number, flags: number, value: Address, old: Address]>;
} = {
  socket: declare('int socket(int, int, int)'),
  bind: declare('int bind(int, void *, uint32_t)'),
  connect: declare('int connect(int, void *, uint32_t)'),
  listen: declare('int listen(int, int)'),
  accept4: declare('int accept4(int, void *, void *, int)'),
  getsockname: declare('int getsockname(int, void *, void *)'),
  setsockopt: declare('int setsockopt(int, int, int, void *, uint32_t)'),
  getsockopt: declare('int getsockopt(int, int, int, void *, void *)'),
  recvmmsg: declare('int recvmmsg(int, void *, uint32_t, int, void *)'),
  sendmmsg: declare('int sendmmsg(int, void *, uint32_t, int)'),
  recv: declare('int64_t recv(int, void *, size_t, int)'),
  send: declare('int64_t send(int, void *, size_t, int)'),
  read: declare('int64_t read(int, void *, size_t)'),
  close: declare('int close(int)'),
  dup2: declare('int dup2(int, int)'),
  flock: declare('int flock(int, int)'),
  memcpy: declare('uintptr_t memcpy(void *, void *, size_t)'),
  nanosleep: declare('int nanosleep(void *, void *)'),
  getpwnam: declare('uintptr_t getpwnam(const char *)'),
  timerfdCreate: declare('int timerfd_create(int, int)'),
  timerfdSettime: declare('int timerfd_settime(int, int, void *, void *)'),
};

/** The error number of the call before; ask at once. */
export const lastErrno = (): number => koffi.errno();

/** Where `memory` lies; looked up at first sight and kept. The caller keeps the memory alive while the kernel may use it. */
export function addressOf(memory: Memory): Address {
  if (Number.isNaN(memory.nativeAddress))
    memory.nativeAddress = Number(koffi.address(memory.bytes));
  return memory.nativeAddress;
}

/** Writes `value` (an address or a size, below 2⁵³) as the 64-bit word at `offset`. */
export function writeWord(memory: Memory, offset: number, value: number): void {
  memory.view.setUint32(offset, value >>> 0, true);
  memory.view.setUint32(offset + 4, Math.floor(value / 0x1_0000_0000), true);
}

/** Reads the 64-bit word at `offset`, which must be below 2⁵³. */
export const readWord = (memory: Memory, offset: number): number =>
  memory.view.getUint32(offset, true) + memory.view.getUint32(offset + 4, true) * 0x1_0000_0000;

/** Opens a shared library that is not always there; undefined when the loader does not find it. */
export function openLibrary(names: readonly string[]): (<F>(prototype: string) => F) | undefined {
  for (const name of names) {
    try {
      const library = koffi.load(name);
      return <F>(prototype: string): F => library.func(prototype) as unknown as F;
    } catch {
      // The next name may do.
    }
  }
  return undefined;
}
