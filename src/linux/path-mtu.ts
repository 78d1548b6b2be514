import { Memory } from '../base/memory.ts';
import type { IpAddress } from '../wire/address.ts';
import {
  AF_INET,
  AF_INET6,
  IP_MTU,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_MTU,
  SOCK_DGRAM,
} from './constants.ts';
import { SystemError } from './errors.ts';
import { findInterface } from './interfaces.ts';
import { addressOf, lastErrno, libc } from './libc.ts';
import { SOCKADDR_ROOM, writeInet } from './sockaddr.ts';
import { bindToDevice, getOption, openSocket } from './socket.ts';

/** Any will do: nothing is sent. */
const DISCARD_PORT = 9;

/**
 * The longest packet, in octets, that the kernel would send to `address` now: the link's MTU, or less where a router has said so
 * (RFC 1191, RFC 8201). With a `device` it is the way through that interface, which needs no route. Throws `SystemError` when
 * there is no route, or no such interface.
 */
export function pathMtu(address: IpAddress, device?: string): number {
  if (device === undefined) return routeMtu(address);
  const { mtu } = findInterface(device);
  try {
    return Math.min(mtu, routeMtu(address, device));
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return mtu;
  }
}

function routeMtu(address: IpAddress, device?: string): number {
  const v6 = address.family === 6;
  const doing = `find the path to ${address.toString()}`;
  const fd = openSocket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0, {
    call: 'socket(SOCK_DGRAM)',
    doing,
  });
  try {
    // Where the kernel does not let us, it is the interface that most packets leave by.
    if (device !== undefined) bindToDevice(fd, device);
    const memory = Memory.alloc(SOCKADDR_ROOM);
    const length = writeInet(memory, 0, address, DISCARD_PORT);
    if (libc.connect(fd, addressOf(memory), length) !== 0) {
      throw new SystemError({ call: 'connect', errno: lastErrno(), doing });
    }
    const mtu = v6 ? getOption(fd, IPPROTO_IPV6, IPV6_MTU) : getOption(fd, IPPROTO_IP, IP_MTU);
    if (mtu !== undefined) return mtu;
    throw new SystemError({ call: 'getsockopt(IP_MTU)', errno: lastErrno(), doing });
  } finally {
    libc.close(fd);
  }
}
