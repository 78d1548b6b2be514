/** Octets of a request and of its answer. */
export const IDLE_REQUEST = 100;
export const IDLE_ANSWER = 300;

/** Connections of one client process: each asks a few times and then stays open. */
export interface IdlePlan {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  /** Connections begun a second. */
  readonly rate: number;
  /** Requests of each connection. */
  readonly requests: number;
  /** The address of the client host that they come from. */
  readonly address: string;
}

/** What an idle client or server has seen so far. */
export interface IdleCount {
  /** Open now. */
  readonly open: number;
  /** Requests answered. */
  readonly answered: number;
  /** Connections that broke. */
  readonly errors: number;
}
