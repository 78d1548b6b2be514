import type { IpAddress } from '../wire/address.ts';

/** The two ends of a copied connection, as the target sees them. */
export interface RouteEnds {
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly target: IpAddress;
  readonly targetPort: number;
}

/** Where the ways of responses are registered: the intercepts. */
export interface RouteRegistrar {
  /** Tells every intercept. Returns a number to be given to `unregister`; −1 when there is none to tell. */
  register(ends: RouteEnds): number;
  /** The session has ended. `slot` is what `register` returned. */
  unregister(ends: RouteEnds, slot: number): void;
  /** Hands everything registered since the last call to the network. */
  flush(): void;
}
