import type { TransferTable } from '../replay/transfers.ts';
import { formatEndpoint } from '../wire/address.ts';
import { Protocol, PROTOCOL_NAMES } from '../wire/protocol-guess.ts';
import type { SieveCounts } from './capture-sieve.ts';
import type { FilePlayer } from './file-player.ts';
import type { FileSurvey } from './file-survey.ts';

const WIDTH = 35;
const line = (label: string, value: number | string): string => `  ${label.padEnd(WIDTH)} ${value}`;
const nonZero = (label: string, value: number): string[] => (value > 0 ? [line(label, value)] : []);

/** What was found in capture files before anything was sent, as sentences; warnings apart. */
export function describeSurvey(survey: FileSurvey): { found: string; warnings: string[] } {
  const { counts, connections, whole, twoSided, protocols, cut, first, last, faults } = survey;
  const sides = twoSided === connections ? 'both sides' : twoSided === 0 ? 'clients only' : 'mixed';
  const kinds = protocols
    .map((count, protocol) => [count, PROTOCOL_NAMES[protocol]] as const)
    .filter(([count]) => count > 0)
    .toSorted(([a], [b]) => b - a)
    .map(([count, name]) => `${count} ${name}`);
  const span = ((last - first) / 1e6).toFixed(3);
  const udp = counts.datagrams > 0 ? ` (${counts.datagrams} of them UDP)` : '';
  const found =
    `The capture holds ${connections} connections of -x (${[sides, ...kinds].join(', ')}), ${counts.client} packets of clients${udp} among ${counts.read}, ` +
    `over ${span} s from ${new Date(first / 1e3).toISOString()}`;
  const warnings = faults.map((fault) => `${fault}; what comes before is replayed`);
  if (cut > 0) {
    warnings.push(
      `${cut} packets of clients are cut by the capture and cannot be replayed: record with tcpdump -s 0`,
    );
  }
  const tls = protocols[Protocol.tls] ?? 0;
  if (tls > 0) {
    warnings.push(
      `${tls} connections are TLS, which the target cannot decrypt: record behind what ends TLS`,
    );
  }
  if (whole < connections) {
    warnings.push(`${connections - whole} connections were open before the capture began`);
  }
  if (counts.unknownLink > 0) {
    warnings.push(`${counts.unknownLink} packets have a link type that is not known here`);
  }
  if (counts.unusable > 0) {
    warnings.push(`${counts.unusable} packets are fragments or have impossible headers`);
  }
  return { found, warnings };
}

/** Why nothing can be replayed. */
export function describeNothing(
  { counts, faults }: Pick<FileSurvey, 'counts' | 'faults'>,
  transfers: TransferTable,
  protocols = 'TCP',
): string {
  const wanted = transfers.all.map((t) =>
    t.address === undefined ? `port ${t.port}` : formatEndpoint(t.address, t.port),
  );
  const tcp = counts.foreign + counts.unusable + counts.server + counts.otherShard;
  const found =
    `among its ${counts.read} packets are ${tcp} of ${protocols}, none of which a client sent to ${wanted.join(', ')}` +
    (counts.unknownLink > 0 ? `, and ${counts.unknownLink} of a link type not known here` : '') +
    (counts.before > 0 ? `, and ${counts.before} that were recorded before --from` : '');
  return ['Nothing in the capture fits -x', found, ...faults].join(': ');
}

/** The part of the account that is about the files, as lines. */
export function describeFiles(player: FilePlayer): string[] {
  const { counts, lateness } = player;
  const c: SieveCounts = counts;
  const lines = [
    line('packets read from files', c.read).trimStart(),
    ...nonZero('of clients', c.client),
    ...nonZero('of these, UDP', c.datagrams),
    ...nonZero('of the online server', c.server),
    ...nonZero('of other services', c.foreign),
    ...nonZero('of other shards', c.otherShard),
    ...nonZero('before --from', c.before),
    ...nonZero('not TCP', c.notTcp),
    ...nonZero('of an unknown link type', c.unknownLink),
    ...nonZero('fragments, impossible headers', c.unusable),
  ];
  if (lateness.total > 0) {
    const [p50, p99] = [0.5, 0.99].map((part) => Math.round(lateness.quantile(part)));
    lines.push(
      line('microseconds late', `p50 ${p50}, p99 ${p99}, last ${Math.round(player.lastLateness)}`),
    );
  }
  return lines;
}
