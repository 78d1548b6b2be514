import { readFileSync } from 'node:fs';

/** What one connection brought to a server. */
export interface Stream {
  /** Who sent it, `address:port`. */
  readonly peer: string;
  readonly octets: Buffer;
}

/** Reads a file of streams: one line each, `address:port`, a space and base64. */
export function readStreams(file: string): Stream[] {
  const lines = readFileSync(file, 'latin1').split('\n');
  return lines.filter((line) => line !== '').map(parseStream);
}

function parseStream(line: string): Stream {
  const space = line.indexOf(' ');
  return { peer: line.slice(0, space), octets: Buffer.from(line.slice(space + 1), 'base64') };
}

/** How the connections at the target relate to those online that come from the same address and port. */
export interface StreamComparison {
  readonly online: number;
  readonly target: number;
  /** Of those at the target: the same octets from the first to the last. */
  readonly whole: number;
  /** From the first on, but not to the last; without any octet too. */
  readonly prefix: number;
  /** Octets that follow each other online too, but not from the first on. */
  readonly inner: number;
  /** Anything else: octets that were never sent so. */
  readonly foreign: number;
  /** The first few of the latter two in words. */
  readonly differences: readonly string[];
}

const SHOWN = 10;

/** Compares what every connection brought. A peer of several connections online may be copied as any of them. */
export function compareStreams(
  online: readonly Stream[],
  target: readonly Stream[],
): StreamComparison {
  const counts = { whole: 0, prefix: 0, inner: 0, foreign: 0 };
  const differences: string[] = [];
  for (const stream of target) {
    const relations = online
      .filter(({ peer }) => peer === stream.peer)
      .map((sent) => relation(sent, stream));
    const best = RELATIONS.find((name) => relations.includes(name)) ?? 'foreign';
    counts[best]++;
    if (best !== 'whole' && best !== 'prefix' && differences.length < SHOWN) {
      const start = stream.octets.toString('latin1', 0, 60);
      differences.push(
        `${best}: ${stream.octets.length} octets from ${stream.peer}: ${JSON.stringify(start)}`,
      );
    }
  }
  return { online: online.length, target: target.length, ...counts, differences };
}

/** The nearest first. */
const RELATIONS = ['whole', 'prefix', 'inner', 'foreign'] as const;

function relation(sent: Stream, got: Stream): (typeof RELATIONS)[number] {
  if (got.octets.equals(sent.octets)) return 'whole';
  const at = sent.octets.indexOf(got.octets);
  if (at < 0) return 'foreign';
  return at === 0 ? 'prefix' : 'inner';
}
