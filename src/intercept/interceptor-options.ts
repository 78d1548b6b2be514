import type { ResponseForm } from '../control/response-form.ts';
import type { Signer } from '../control/signer.ts';
import type { IpAddress } from '../wire/address.ts';
import {
  DEFAULT_MAX_CONNECTIONS,
  DEFAULT_MAX_CONNECTIONS_PER_PEER,
  DEFAULT_MAX_ROUTES_PER_PEER,
  type PeerLimitValues,
} from './peer-limits.ts';

export interface InterceptorOptions {
  /** Routes in all; see `DEFAULT_MAX_ROUTES` and its neighbours for this and the following. */
  readonly maxRoutes?: number;
  readonly maxRoutesPerPeer?: number;
  readonly maxConnections?: number;
  readonly maxConnectionsPerPeer?: number;
  /** Serve one tcpcopy and keep no routes; `protect`: a newcomer does not replace it. */
  readonly single?: { readonly protect: boolean };
  /** The target's address may change on the way: sessions are known by their other three numbers. */
  readonly dnat?: boolean;
  /** Responses to `from` are treated as responses to `to`; both IPv4. */
  readonly redirect?: { readonly from: IpAddress; readonly to: IpAddress };
  /** Who may connect; anybody, unless given. */
  readonly access?: Access;
  /** What a tcpcopy of the original was built to read; `COMBINED`, unless given. */
  readonly responseForm?: ResponseForm;
}

export interface Access {
  readonly key: Signer | null;
  /** Peers that speak version 6 only are served, and with a key, peers that do not prove it. */
  readonly allowOriginal: boolean;
  /** Each call makes 32 unpredictable octets. */
  readonly makeNonce: () => Uint8Array;
}

/** Without a key the nonce is of no use to anybody. */
export const ANYBODY: Access = {
  key: null,
  allowOriginal: true,
  makeNonce: () => new Uint8Array(32),
};

export function limitsOf(options: InterceptorOptions): PeerLimitValues {
  return {
    connections: options.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
    connectionsPerPeer: options.maxConnectionsPerPeer ?? DEFAULT_MAX_CONNECTIONS_PER_PEER,
    routesPerPeer: options.maxRoutesPerPeer ?? DEFAULT_MAX_ROUTES_PER_PEER,
  };
}
