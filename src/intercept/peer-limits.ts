import { RouteQuota } from './route-table.ts';

/** Control connections in all. */
export const DEFAULT_MAX_CONNECTIONS = 1024;
/** From one address: five tcpcopy with all the connections that each may have. */
export const DEFAULT_MAX_CONNECTIONS_PER_PEER = 64;
/** Routes of one address: twice the copies that a tcpcopy can hold, and half of what the table can. */
export const DEFAULT_MAX_ROUTES_PER_PEER = 524_288;

export interface PeerLimitValues {
  readonly connections: number;
  readonly connectionsPerPeer: number;
  readonly routesPerPeer: number;
}

/** What the connections from one address have together. */
export class PeerAccount {
  readonly address: string;
  readonly quota: RouteQuota;
  connections = 0;

  constructor(address: string, maxRoutes: number) {
    this.address = address;
    this.quota = new RouteQuota(maxRoutes);
  }
}

/** Why a connection is not taken. */
export type Refusal = 'too many connections' | 'too many connections from one address';

/** Who may connect, as far as numbers go. */
export class PeerLimits {
  readonly #limits: PeerLimitValues;
  readonly #accounts = new Map<string, PeerAccount>();
  #connections = 0;
  /** Connections refused, for whatever reason. */
  refused = 0;

  constructor(limits: PeerLimitValues) {
    this.#limits = limits;
  }

  /** A connection from `address`: the account that it is on from now on, or why it is to be closed. */
  admit(address: string): PeerAccount | Refusal {
    const account = this.#accounts.get(address);
    const refusal = this.#refusal(account);
    if (refusal !== undefined) {
      this.refused++;
      return refusal;
    }
    const its = account ?? new PeerAccount(address, this.#limits.routesPerPeer);
    this.#accounts.set(address, its);
    its.connections++;
    this.#connections++;
    return its;
  }

  /** A connection of `account` is gone, its routes included. */
  release(account: PeerAccount): void {
    this.#connections--;
    account.connections--;
    if (account.connections === 0) this.#accounts.delete(account.address);
  }

  /** Addresses with a connection; nothing is kept of others. */
  get addresses(): number {
    return this.#accounts.size;
  }

  #refusal(account: PeerAccount | undefined): Refusal | undefined {
    const { connections, connectionsPerPeer } = this.#limits;
    if (account !== undefined && account.connections >= connectionsPerPeer) {
      return 'too many connections from one address';
    }
    return this.#connections >= connections ? 'too many connections' : undefined;
  }
}

/** The address in "10.0.0.1:4000" or "[fd00::1]:4000", which is how streams name their peers. */
export function addressOfPeer(peer: string): string {
  const colon = peer.lastIndexOf(':');
  const address = colon < 0 ? peer : peer.slice(0, colon);
  return address.startsWith('[') ? address.slice(1, -1) : address;
}
