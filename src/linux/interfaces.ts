import { readFileSync } from 'node:fs';
import { ENODEV, SystemError } from './errors.ts';
import { Netlink, NETLINK_HEADER } from './netlink.ts';

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
  readonly isLoopback: boolean;
  /** Its own link address; undefined where a packet is not addressed to one of several neighbours, as on loopback and tunnels. */
  readonly linkAddress: Uint8Array | undefined;
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

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
/** struct ifinfomsg: family, type, index, flags, change. */
const IFINFO = { type: 2, index: 4, flags: 8, size: 16 } as const;
const IFF_UP = 1;
const IFF_LOOPBACK = 8;
const IFF_NOARP = 0x80;
const ARPHRD_ETHER = 1;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_MASTER = 10;

/** Asks rtnetlink(7) for one link by its name; undefined when there is none. */
function queryInterface(name: string): NetworkInterface | undefined {
  const netlink = new Netlink('ask the kernel for its network interfaces');
  try {
    netlink.begin(RTM_GETLINK, 0, IFINFO.size);
    netlink.addBytes(IFLA_IFNAME, new TextEncoder().encode(`${name}\0`));
    return netlink.ask() === 0 && netlink.type === RTM_NEWLINK
      ? readAnswer(netlink, name)
      : undefined;
  } finally {
    netlink.close();
  }
}

function readAnswer(netlink: Netlink, name: string): NetworkInterface {
  const { view } = netlink.memory;
  const type = view.getUint16(NETLINK_HEADER + IFINFO.type, true);
  const flags = view.getUint32(NETLINK_HEADER + IFINFO.flags, true);
  const address = netlink.find(IFLA_ADDRESS);
  const isLoopback = (flags & IFF_LOOPBACK) !== 0;
  const isShared =
    !isLoopback && (type === ARPHRD_ETHER || (flags & IFF_NOARP) === 0) && address !== undefined;
  return {
    name,
    index: view.getInt32(NETLINK_HEADER + IFINFO.index, true),
    up: (flags & IFF_UP) !== 0,
    master: netlink.find(IFLA_MASTER)?.getUint32(0, true) ?? 0,
    mtu: netlink.find(IFLA_MTU)?.getUint32(0, true) ?? 0,
    isLoopback,
    linkAddress: isShared && address.byteLength > 0 ? octetsOf(address) : undefined,
  };
}

const octetsOf = (view: DataView): Uint8Array =>
  new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength).slice();
