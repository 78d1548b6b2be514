import { readFileSync } from 'node:fs';

/** One request as a server saw it. */
export interface RequestRecord {
  readonly method: string;
  /** Path and query as sent; the lab's loads make it unique per request. */
  readonly path: string;
  /** Octets of the body, and their SHA-1 in base64 ('' when there is no body). */
  readonly length: number;
  readonly hash: string;
  /** Who sent it, `address:port`: names the connection. */
  readonly peer: string;
  /** False when the connection broke before the body was complete. */
  readonly complete: boolean;
}

/** Reads a file of records, one JSON object a line, in order of arrival. */
export function readRecords(file: string): RequestRecord[] {
  const lines = readFileSync(file, 'latin1').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as RequestRecord);
}
