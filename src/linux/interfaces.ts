import { readFileSync } from 'node:fs';
import { Memory } from '../base/memory.ts';
import { AF_NETLINK, MSG_DONTWAIT, SOCK_RAW } from './constants.ts';
import { ENODEV, SystemError } from './errors.ts';
import { addressOf, lastErrno, libc } from './libc.ts';
import { openSocket } from './socket.ts';

/** What the kernel says of a network interface. */
export interface NetworkInterface {
  readonly name: string;
  readonly index: number;
  /** Administratively up. */
  readonly up: boolean;
  /** Index of the bridge or bond that it is a port of; 0 for none. */
  readonly master: number;
  /** Largest packet, in octets. */
  readonly mtu: number;
}

/** Names of the interfaces of this process's network namespace (`/sys` may belong to another one, `/proc/net` never does). */
export function interfaceNames(): string[] {
  const lines = readFileSync('/proc/net/dev', 'utf8').split('\n').slice(2);
  return lines.flatMap((line) => /^\s*(\S+):/.exec(line)?.[1] ?? []);
}

/** The interface called `name`. Throws `SystemError` (ENODEV), which lists the ones there are. */
export function findInterface(name: string): NetworkInterface {
  const found = lookUpInterface(name);
  if (found !== undefined) return found;
  throw new SystemError({
    call: 'RTM_GETLINK',
    errno: ENODEV,
    doing: `find the network interface '${name}'`,
    hint: `the interfaces here are ${interfaceNames().join(', ')}`,
  });
}

/** The interface called `name`, if there is one. */
export const lookUpInterface = (name: string): NetworkInterface | undefined =>
  interfaceNames().includes(name) ? queryInterface(name) : undefined;

const NETLINK_ROUTE = 0;
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const NLM_F_REQUEST = 1;
const IFF_UP = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_MASTER = 10;
/** nlmsghdr and ifinfomsg. */
const HEADER_LENGTH = 32;
const ATTRIBUTE_HEADER = 4;

const align4 = (n: number): number => (n + 3) & ~3;

/** Asks rtnetlink(7) for one link by its name; undefined when there is none. */
function queryInterface(name: string): NetworkInterface | undefined {
  const fd = openSocket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, {
    call: 'socket(AF_NETLINK)',
    doing: 'ask the kernel for its network interfaces',
  });
  try {
    const memory = Memory.alloc(16_384);
    const length = writeRequest(memory, name);
    if (libc.send(fd, addressOf(memory), length, 0) < 0) {
      throw new SystemError({
        call: 'send(AF_NETLINK)',
        errno: lastErrno(),
        doing: `ask the kernel for the network interface '${name}'`,
      });
    }
    // The kernel answers within send: no need to wait.
    const received = libc.recv(fd, addressOf(memory), memory.size, MSG_DONTWAIT);
    return received < HEADER_LENGTH ? undefined : readAnswer(memory, received, name);
  } finally {
    libc.close(fd);
  }
}

function writeRequest(memory: Memory, name: string): number {
  const { view, bytes } = memory;
  const text = new TextEncoder().encode(`${name}\0`);
  const length = HEADER_LENGTH + ATTRIBUTE_HEADER + align4(text.length);
  view.setUint32(0, length, true);
  view.setUint16(4, RTM_GETLINK, true);
  view.setUint16(6, NLM_F_REQUEST, true);
  view.setUint16(HEADER_LENGTH, ATTRIBUTE_HEADER + text.length, true);
  view.setUint16(HEADER_LENGTH + 2, IFLA_IFNAME, true);
  bytes.set(text, HEADER_LENGTH + ATTRIBUTE_HEADER);
  return length;
}

function readAnswer(memory: Memory, length: number, name: string): NetworkInterface | undefined {
  const { view } = memory;
  if (view.getUint16(4, true) !== RTM_NEWLINK) return undefined;
  let master = 0;
  let mtu = 0;
  let at = HEADER_LENGTH;
  while (at + ATTRIBUTE_HEADER <= length) {
    const size = view.getUint16(at, true);
    if (size < ATTRIBUTE_HEADER) break;
    const type = view.getUint16(at + 2, true);
    if (type === IFLA_MASTER) master = view.getUint32(at + ATTRIBUTE_HEADER, true);
    if (type === IFLA_MTU) mtu = view.getUint32(at + ATTRIBUTE_HEADER, true);
    at += align4(size);
  }
  const up = (view.getUint32(24, true) & IFF_UP) !== 0;
  return { name, index: view.getInt32(20, true), up, master, mtu };
}
