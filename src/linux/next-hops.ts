import { Memory } from '../base/memory.ts';
import { type IpAddress, isV4Words } from '../wire/address.ts';
import { ETH_P_IP, ETH_P_IPV6 } from './constants.ts';
import { EOPNOTSUPP, errnoName, SystemError } from './errors.ts';
import { findInterface, lookUpInterface, type NetworkInterface } from './interfaces.ts';
import { NeighbourProdder } from './neighbour-prodder.ts';
import { Netlink } from './netlink.ts';
import { findGateway, findNeighbour } from './routes.ts';
import { SOCKADDR_ROOM, writeLinkTo } from './sockaddr.ts';

/** A target whose packets leave through the interface. */
export interface LinkTarget {
  readonly address: IpAddress;
  /** Who takes its packets there; found out when absent. */
  readonly nextHop?: Uint8Array;
  /** Whom the frames claim to come from; the interface itself when absent. */
  readonly source?: Uint8Array;
}

/** What a change of a next hop means for the operator. */
export type ChangeHandler = (text: string, isLoss: boolean) => void;

/** Of an Ethernet header: target, source, type. */
export const LINK_HEADER_LENGTH = 14;
const LINK_HEADER_ROOM = 16;

interface Hop {
  readonly target: LinkTarget;
  /** The neighbour, when it is to be found out. */
  gateway: IpAddress | undefined;
  /** Its link address, once known; of no octets where there are no such addresses. */
  mac: Uint8Array | undefined;
  /** What was said of it last. */
  said: string;
}

const NO_MAC = new Uint8Array(0);

/**
 * To whom packets for each target are handed on one interface, as the kernel's routes and neighbours say, in the form that
 * the kernel takes: a sockaddr_ll, and an Ethernet header for those who write it themselves.
 */
export class NextHops {
  readonly names: Memory;
  readonly headers: Memory;
  readonly #hops: readonly Hop[];
  readonly #words: Int32Array;
  readonly #isKnown: Uint8Array;
  readonly #lengths: Int32Array;
  readonly #netlink: Netlink;
  readonly #prodder: NeighbourProdder;
  readonly #onChange: ChangeHandler;
  #link: NetworkInterface;
  #last = 0;
  /** Nothing is said of neighbours that have not answered yet. */
  isStarting = true;

  /** Throws `SystemError` when there is no such interface, or it is down. */
  constructor(device: string, targets: readonly LinkTarget[], onChange: ChangeHandler) {
    this.#link = findInterface(device);
    if (!this.#link.up) {
      throw new SystemError({
        call: 'RTM_GETLINK',
        errno: 0,
        doing: `send on '${device}'`,
        hint: `the interface is down; bring it up with: ip link set ${device} up`,
      });
    }
    const named = targets.some(({ source, nextHop }) => (source ?? nextHop) !== undefined);
    if (named && this.#link.linkAddress === undefined) {
      throw new SystemError({
        call: 'RTM_GETLINK',
        errno: 0,
        doing: `send on '${device}' to the MAC addresses in -x`,
        hint: 'the interface has no link addresses; leave them out of -x',
      });
    }
    this.#onChange = onChange;
    this.#hops = targets.map((target) => ({
      target,
      gateway: undefined,
      mac: undefined,
      said: '',
    }));
    this.names = Memory.alloc(targets.length * SOCKADDR_ROOM);
    this.headers = Memory.alloc(targets.length * LINK_HEADER_ROOM);
    this.#words = new Int32Array(
      targets.flatMap(({ address: { w0, w1, w2, w3 } }) => [w0, w1, w2, w3]),
    );
    this.#isKnown = new Uint8Array(targets.length);
    this.#lengths = new Int32Array(targets.length);
    this.#netlink = new Netlink(`find who takes packets on '${device}'`);
    this.#prodder = new NeighbourProdder(this.#netlink, device);
  }

  get areKnown(): boolean {
    return this.#isKnown.every((known) => known === 1);
  }

  /** Index of the hop for the packet whose IP header lies at `at`; −1 when nobody is known to take it. */
  find(memory: Memory, at: number): number {
    const isV6 = (memory.bytes[at]! & 0xf0) === 0x60;
    const count = this.#hops.length;
    for (let i = 0, hop = this.#last; i < count; i++, hop++) {
      if (hop === count) hop = 0;
      if (!this.#isFor(hop, memory, at, isV6)) continue;
      this.#last = hop;
      return this.#isKnown[hop] === 1 ? hop : -1;
    }
    return -1;
  }

  nameAt(hop: number): number {
    return hop * SOCKADDR_ROOM;
  }

  nameLength(hop: number): number {
    return this.#lengths[hop]!;
  }

  headerAt(hop: number): number {
    return hop * LINK_HEADER_ROOM;
  }

  /** Asks the kernel how things are now. What is in hand must have been sent before. */
  refresh(): void {
    const { name } = this.#link;
    const link = lookUpInterface(name);
    // One that is down or gone refuses packets by itself, and the kernel says why.
    if (link === undefined || !link.up) return;
    this.#link = link;
    for (let i = 0; i < this.#hops.length; i++) this.#refresh(i);
  }

  /** Whether there is a way to each target. Throws `SystemError`. */
  checkRoutes(): void {
    const { name, index, isLoopback } = this.#link;
    for (const { target } of this.#hops) {
      if (target.nextHop !== undefined || isLoopback) continue;
      const found = findGateway(this.#netlink, target.address, index);
      if (typeof found !== 'number') continue;
      const address = target.address.toString();
      throw new SystemError({
        call: 'RTM_GETROUTE',
        errno: found,
        doing: `send to ${address} on '${name}'`,
        hint:
          `no route leads there on this interface: "ip route get ${address}" names the right one; ` +
          'or give the MAC address of the next hop in -x, after an @',
      });
    }
  }

  close(): void {
    this.#prodder.close();
    this.#netlink.close();
  }

  #isFor(hop: number, memory: Memory, at: number, isV6: boolean): boolean {
    const { view } = memory;
    const words = this.#words;
    const k = 4 * hop;
    if (!isV6) {
      if (words[k + 3] !== view.getInt32(at + 16)) return false;
      return isV4Words(words[k]!, words[k + 1]!, words[k + 2]!);
    }
    return (
      words[k + 3] === view.getInt32(at + 36) &&
      words[k + 2] === view.getInt32(at + 32) &&
      words[k + 1] === view.getInt32(at + 28) &&
      words[k] === view.getInt32(at + 24)
    );
  }

  #refresh(i: number): void {
    const hop = this.#hops[i]!;
    const { nextHop, address } = hop.target;
    const { index, isLoopback, linkAddress } = this.#link;
    if (nextHop !== undefined) {
      this.#become(i, hop, nextHop);
      return;
    }
    const gateway = isLoopback ? address : findGateway(this.#netlink, address, index);
    if (typeof gateway === 'number') {
      hop.gateway = undefined;
      this.#lose(i, hop, `no route leads there any more (${errnoName(gateway)})`);
      return;
    }
    if (linkAddress === undefined) {
      this.#become(i, hop, NO_MAC);
      return;
    }
    if (hop.gateway === undefined || !hop.gateway.equals(gateway)) {
      hop.gateway = gateway;
      hop.mac = undefined;
    }
    this.#askNeighbour(i, hop, gateway);
  }

  #askNeighbour(i: number, hop: Hop, gateway: IpAddress): void {
    const { index } = this.#link;
    const found = findNeighbour(this.#netlink, gateway, index);
    if (typeof found === 'number') {
      const older = found === EOPNOTSUPP ? '; Linux before 5.1 needs the MAC address in -x' : '';
      this.#lose(i, hop, `the kernel does not tell where it is (${errnoName(found)})${older}`);
      return;
    }
    if (!found.isCertain) this.#prodder.prod(gateway, index);
    if (found.mac !== undefined) this.#become(i, hop, found.mac);
    // While it is being asked for, the former address is as good as any.
    else if (hop.mac === undefined || found.hasFailed) {
      this.#lose(i, hop, `${gateway.toString()} does not answer there`);
    }
  }

  #become(i: number, hop: Hop, mac: Uint8Array): void {
    const { name, index, linkAddress } = this.#link;
    hop.mac = mac;
    const { address, source } = hop.target;
    const protocol = address.family === 6 ? ETH_P_IPV6 : ETH_P_IP;
    this.#lengths[i] = writeLinkTo(this.names, this.nameAt(i), protocol, index, mac);
    const at = this.headerAt(i);
    if (mac.length === 6) {
      this.headers.bytes.set(mac, at);
      this.headers.bytes.set(source ?? linkAddress ?? mac, at + 6);
      this.headers.view.setUint16(at + 12, protocol);
    }
    this.#isKnown[i] = 1;
    const router =
      hop.gateway === undefined || hop.gateway.equals(address)
        ? ''
        : ` by the router ${hop.gateway.toString()}`;
    const to = mac.length === 0 ? '' : ` to ${formatMac(mac)}`;
    this.#say(
      hop,
      `Packets for ${address.toString()} leave through '${name}'${router}${to}`,
      false,
    );
  }

  #lose(i: number, hop: Hop, why: string): void {
    hop.mac = undefined;
    this.#isKnown[i] = 0;
    if (this.isStarting) return;
    const target = hop.target.address.toString();
    const text = `Packets for ${target} cannot leave through '${this.#link.name}', and are counted: ${why}`;
    this.#say(hop, text, true);
  }

  #say(hop: Hop, text: string, isLoss: boolean): void {
    if (hop.said === text) return;
    hop.said = text;
    this.#onChange(text, isLoss);
  }
}

const formatMac = (mac: Uint8Array): string =>
  [...mac].map((octet) => octet.toString(16).padStart(2, '0')).join(':');
