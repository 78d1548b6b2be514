/** A datagram that a server of the lab got. */
export interface DatagramRecord {
  /** Where it came from. */
  readonly address: string;
  readonly port: number;
  readonly length: number;
  /** SHA-1 of the payload, in hexadecimal digits. */
  readonly digest: string;
}

/** Datagrams that a client sends one after the other, each from a port of its own. */
export interface DatagramPlan {
  readonly host: string;
  readonly port: number;
  /** Octets of each payload. */
  readonly sizes: readonly number[];
}

/** Payloads shorter than this are questions to a name server, others come back as they are. */
export const ECHO_FROM = 600;

/** How often a client asks again, and after how many milliseconds. */
export const TRIES = 5;
export const PATIENCE_MS = 1000;
