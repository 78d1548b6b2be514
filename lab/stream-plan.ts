/** What a server does to the connections that it is to treat badly. */
export type Manner =
  /** Answers every request. */
  | 'polite'
  /** Reads nothing for `pause` milliseconds after the connection was made. */
  | 'pauses'
  /** Never reads anything. */
  | 'never reads'
  /** Resets as soon as the connection is made. */
  | 'resets at once'
  /** Resets when `after` octets have come. */
  | 'resets in the request'
  /** Answers, and resets `pause` milliseconds later. */
  | 'resets after the answer'
  /** Answers, and resets when the client closes. */
  | 'resets after the FIN'
  /** Answers and closes its own direction, and resets `pause` milliseconds later. */
  | 'closes, then resets'
  /** Closes as soon as the connection is made. */
  | 'closes at once'
  /** Closes after the first answer that comes when `after` octets have been read. */
  | 'closes after the answer'
  /** Closes when `after` octets have come. */
  | 'closes in the request';

/** How stream-server.ts behaves. */
export interface ServerPlan {
  /** Clients with this address meet the manner; all others are answered. Everyone, if left out. */
  readonly to?: string;
  readonly manner?: Manner;
  readonly after?: number;
  readonly pause?: number;
  /** Milliseconds before each answer to a client at `to`. */
  readonly delay?: number;
  /** Length of the kernel's queue of connections that wait to be accepted; 4,096 by default. */
  readonly backlog?: number;
  /** Milliseconds for which the server does nothing at all after its first connection. */
  readonly stall?: number;
}

/** Something that happened on a connection. */
export interface JournalLine {
  /** Of the connection: the server's process and a number. */
  readonly id: string;
  /** `address:port` of the client. */
  readonly peer: string;
  /** What was read, one character an octet. */
  readonly octets: string;
  /** What has become of it: `open`, `closed` (by the client, in order), or the code of an error. */
  readonly end?: string;
}

/** What script-client.ts does, step by step. */
export type Step =
  /** A new connection; it becomes the one that later steps mean. */
  | { readonly connect: { readonly localAddress: string; readonly localPort: number } }
  | { readonly send: string }
  /** Waits until so many octets more have come. */
  | { readonly receive: number }
  | { readonly sleep: number }
  /** Closes, and waits until the server has closed too. */
  | 'end'
  /** Waits until the server has closed, then closes. */
  | 'closed'
  | 'reset';

export interface ScriptPlan {
  readonly host: string;
  readonly port: number;
  /** Each script has one connection at a time; all run at the same time. */
  readonly scripts: readonly (readonly Step[])[];
}
