/** One kind of load; the parts of a plan run at the same time. */
export interface LoadPart {
  /** First part of the paths: `/NAME/17?size=64`. Unique within everything that is compared. */
  readonly name: string;
  /** `keep-alive`: all over `connections` connections; `new`: one connection per request. */
  readonly kind: 'keep-alive' | 'new';
  readonly requests: number;
  /** Requests a second in all; 0 sends the next one as soon as there is a free connection. */
  readonly rate: number;
  /** Connections (`new`: at the same time at the most). */
  readonly connections: number;
  /** Octets of the request's body; above 0 the method is POST. 0 by default. */
  readonly body?: number;
  /** Octets of the response's body, 64 by default. */
  readonly response?: number;
  /** Requests written at once to a connection (HTTP pipelining), 1 by default. */
  readonly depth?: number;
  /** Addresses of the client host to use in turn. */
  readonly addresses?: readonly string[];
  /** `new` only: the client resets the connection within so many milliseconds of the request, whatever has been answered. */
  readonly resetWithin?: number;
  /** `new` only: request number i comes from port `firstPort + i`; else the kernel chooses. */
  readonly firstPort?: number;
}

export interface LoadPlan {
  readonly host: string;
  readonly port: number;
  readonly parts: readonly LoadPart[];
}

/** What the load generator saw. */
export interface LoadResult {
  readonly sent: number;
  /** Responses that came complete and with status 200. */
  readonly answered: number;
  /** How often each error came, by its code. */
  readonly errors: Readonly<Record<string, number>>;
  readonly seconds: number;
  /** From request to complete response, in milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** The parent's view while a load runs. */
export interface LoadProgress {
  readonly sent: number;
  readonly answered: number;
}
