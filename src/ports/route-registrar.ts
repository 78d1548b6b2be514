import type { IpAddress } from '../wire/address.ts';

/** The two ends of a copied connection, as the target sees them. */
export interface RouteEnds {
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly target: IpAddress;
  readonly targetPort: number;
}

/** What `register` returns in place of a slot. */
export const NoRoute = {
  /** No intercept is there now: it may be told later. */
  now: -1,
  /** No intercept that is there can carry such responses, as of IPv6 by version 6 of the control protocol. */
  ever: -2,
} as const;

/** Where the ways of responses are registered: the intercepts. */
export interface RouteRegistrar {
  /** Tells every intercept. Returns a number from 0 on, to be given to `unregister`, or one of `NoRoute`. */
  register(ends: RouteEnds): number;
  /** The session has ended. `slot` is what `register` returned. */
  unregister(ends: RouteEnds, slot: number): void;
  /** Hands everything registered since the last call to the network. */
  flush(): void;
}
