import { Memory } from '../base/memory.ts';
import type { IpAddress } from '../wire/address.ts';
import { AF_INET, AF_INET6, SOCK_DGRAM } from './constants.ts';
import { EPERM } from './errors.ts';
import { addressOf, libc } from './libc.ts';
import type { Netlink } from './netlink.ts';
import { resolveNeighbour } from './routes.ts';
import { SOCKADDR_ROOM, writeInet } from './sockaddr.ts';
import { bindToDevice, openSocket } from './socket.ts';

/** Of RFC 863: nobody minds what comes there. */
const DISCARD_PORT = 9;

/** Makes the kernel look for neighbours on an interface. */
export class NeighbourProdder {
  readonly #netlink: Netlink;
  readonly #device: string;
  readonly #name = Memory.alloc(SOCKADDR_ROOM);
  readonly #sockets = new Map<4 | 6, number>();

  constructor(netlink: Netlink, device: string) {
    this.#netlink = netlink;
    this.#device = device;
  }

  /** Lets the kernel find out where `address`, on interface `index`, is; whether it answers, it will know later. */
  prod(address: IpAddress, index: number): void {
    if (resolveNeighbour(this.#netlink, address, index) === EPERM) this.#send(address);
  }

  close(): void {
    for (const fd of this.#sockets.values()) libc.close(fd);
    this.#sockets.clear();
  }

  /** Without CAP_NET_ADMIN: whoever has something to send makes the kernel look, and an empty datagram is enough. */
  #send(address: IpAddress): void {
    const { family } = address;
    const fd = this.#sockets.get(family) ?? this.#open(family);
    const length = writeInet(this.#name, 0, address, DISCARD_PORT);
    if (libc.connect(fd, addressOf(this.#name), length) !== 0) return;
    libc.send(fd, addressOf(this.#name), 0, 0);
  }

  #open(family: 4 | 6): number {
    const fd = openSocket(family === 6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0, {
      call: 'socket(SOCK_DGRAM)',
      doing: 'find the neighbours of this host',
    });
    bindToDevice(fd, this.#device);
    this.#sockets.set(family, fd);
    return fd;
  }
}
