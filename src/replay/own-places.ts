import type { Random } from '../base/random.ts';
import type { IpAddress } from '../wire/address.ts';
import type { IpView } from '../wire/ip-view.ts';
import type { ClientAddresses } from './client-addresses.ts';
import type { Transfer } from './transfers.ts';

/** First octet of the IPv4 addresses that mean this very host. */
const LOOPBACK_NETWORK = 127;
/** Ports below belong to services. */
const FIRST_PORT = 1024;
const PORTS = 65_536;
/** The original places its further copies 32, 96, 160 … ports above the client's, and a random number. */
const SPACING = 32;
/** Ports of one -f: 31 such ranges lie above that of the services. */
const RANGE = 2048;

export interface PlacesConfig {
  /** -c, by family; undefined: the clients keep their addresses. */
  readonly clientAddresses: {
    readonly v4: ClientAddresses | undefined;
    readonly v6: ClientAddresses | undefined;
  };
  /** -H, IPv4: from where clients at loopback addresses are copied to other hosts, when `clientAddresses` says nothing. */
  readonly localhostAddress?: IpAddress;
  /** -n, perhaps with a fraction; 1 when absent. */
  readonly copies?: number;
  /** -f, 1 to 31: only the 2048 ports from 2048 times this on are used; 0: all from 1024 on. */
  readonly portRange?: number;
}

/**
 * The address and port that a copy has of its own: those that follow from its client and its number alone, whatever else there is.
 * They are the same for everything that a client sends, over TCP and UDP.
 */
export class OwnPlaces {
  readonly #config: PlacesConfig;
  readonly #low: number;
  readonly #size: number;
  /** The original's random shift, 0 to 511. */
  readonly #shift: number;

  /** `shift` is 0 to 511. */
  constructor(config: PlacesConfig, shift: number) {
    this.#config = config;
    this.#shift = shift;
    const range = config.portRange ?? 0;
    this.#low = range === 0 ? FIRST_PORT : range * RANGE;
    this.#size = range === 0 ? PORTS - FIRST_PORT : RANGE;
  }

  /** Whether the first copy has its client's port. */
  get keepsPorts(): boolean {
    return this.#low === FIRST_PORT;
  }

  /** The address that copy number `lane` of what a client sends should have; undefined: the client's. */
  addressOf(p: IpView, transfer: Transfer, lane: number): IpAddress | undefined {
    const addresses = this.addresses(p.family);
    if (addresses !== undefined) return addresses.replace(p, lane);
    if (transfer.loopbackOnly || p.family !== 4) return undefined;
    return p.src3 >>> 24 === LOOPBACK_NETWORK ? this.#config.localhostAddress : undefined;
  }

  /** Those of -c. */
  addresses(family: 4 | 6): ClientAddresses | undefined {
    const { v4, v6 } = this.#config.clientAddresses;
    return family === 4 ? v4 : v6;
  }

  /** How many ports copies may have. */
  get ports(): number {
    return this.#size;
  }

  anyPort(random: Random): number {
    return this.#low + random.int(0, this.#size);
  }

  /** The first keeps the port of the client, unless -f says where it has to be; `offset` lies between all of them and their own. */
  portOf(port: number, lane: number, offset = 0): number {
    const own = port + offset;
    if (lane > 0) return this.inRange(own + (2 * lane - 1) * SPACING + this.#shift);
    return this.keepsPorts && offset === 0 ? port : this.inRange(own);
  }

  /** The port that `port`, which may be beyond all, is among those that copies have. */
  inRange(port: number): number {
    const offset = (port - this.#low) % this.#size;
    return this.#low + (offset < 0 ? offset + this.#size : offset);
  }
}

/**
 * Whether what `p` belongs to, copied from address `as` or that of its client, must be left alone: a loopback address cannot leave this
 * host, and a target at one can answer no other.
 */
export function breaksLoopbackRule(
  p: IpView,
  transfer: Transfer,
  as: IpAddress | undefined,
): boolean {
  const word = as ? as.w3 : p.src3;
  const isLoopback = p.family === 4 && word >>> 24 === LOOPBACK_NETWORK;
  return isLoopback !== transfer.loopbackOnly;
}
