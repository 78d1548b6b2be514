import { type InterceptCounters, type RouteCounts, unusableTotal } from '../intercept/counters.ts';
import { DatagramVerdict } from '../replay/datagram-verdict.ts';
import type { Datagrams } from '../replay/datagrams.ts';
import type { Replayer } from '../replay/replayer.ts';
import { Outcome } from '../session/outcome.ts';
import { Verdict } from '../session/verdict.ts';
import { PacketError } from '../wire/packet-view.ts';

/**
 * A line of the block that both programs write every half a minute: labels with their numbers, in order. The labels and their order
 * are those of the original, so that what reads its logs goes on working; no label stands in two lines.
 */
export type StatisticsLine = Readonly<Record<string, number>>;

/** As the original writes it: "active:3,rel:97,obs del:0,tw:1". */
export const formatStatistics = (line: StatisticsLine): string =>
  Object.entries(line)
    .map(([label, value]) => `${label}:${value}`)
    .join(',');

/** Outcomes that the original calls obsolete: given up for silence, for a gap in the capture, or for too much held. */
const OBSOLETE: readonly Outcome[] = [
  Outcome.responseTimeout,
  Outcome.idleTimeout,
  Outcome.captureGap,
  Outcome.segmentLimit,
  Outcome.octetLimit,
  Outcome.shed,
];

/** The block of tcpcopy; empty while no captured packet was one to copy, as in the original. With --udp it has a line more. */
export function replayStatistics(replayer: Replayer, datagrams?: Datagrams): StatisticsLine[] {
  const captured = replayer.ledger.datagrams[DatagramVerdict.copied] as number;
  const lines = connectionStatistics(replayer);
  if (datagrams === undefined || captured === 0) return lines;
  return [...lines, { 'udp captured': captured, 'udp sent': datagrams.sender.sent }];
}

function connectionStatistics({ context, ledger, size }: Replayer): StatisticsLine[] {
  const c = context.counters;
  const syns = ledger.verdict(Verdict.syn) + ledger.verdict(Verdict.synAgain);
  const again = ledger.verdict(Verdict.retransmission);
  const content = ledger.verdict(Verdict.data) + again;
  const all = syns + content + ledger.verdict(Verdict.fin) + ledger.verdict(Verdict.reset);
  if (all === 0) return [];
  const ended = ledger.outcomes.reduce((sum, n) => sum + n, 0);
  const lingering = Math.max(0, size - ledger.open);
  const obsolete = OBSOLETE.reduce<number>((sum, o) => sum + (ledger.outcomes[o] as number), 0);
  return [
    { active: size, rel: ended - lingering, 'obs del': obsolete, tw: lingering },
    { conns: c.connected, resp: c.received, 'c-resp': c.receivedData },
    { 'resp fin': c.receivedFin, 'resp rst': c.receivedRst },
    { send: c.sent - c.retransmitted, 'send content': c.sentData },
    { 'send syn': c.sentSyn, fin: c.sentFin, reset: c.sentRst },
    { reconnect: c.reconnects, 'for no syn': ledger.joined },
    { retransmit: c.retransmitted },
    { 'recv packs after retransmission': c.answeredRetransmissions },
    { 'syn cnt': syns, 'all clt': all, 'clt cont': content },
    {
      'total cont retransmit': again,
      frag: ledger.packetErrors[PacketError.fragment] as number,
    },
    { 'total captured packets': ledger.captured },
  ];
}

/**
 * The block of intercept. Its table is exact: a look-up finds the route at once, which the original calls a hit of its cache, or there is
 * none, and nothing is compared in vain.
 */
export function interceptStatistics(c: InterceptCounters, routes: RouteCounts): StatisticsLine[] {
  if (c.received === 0) return [];
  const packets = c.received - unusableTotal(c);
  const lost = c.unrouted.reduce((sum, n) => sum + n, 0) + c.waiting;
  return [
    {
      'total resp packs': packets,
      all: c.received,
      route: routes.added,
      'sock write cnt': c.writes,
    },
    { 'cache hit': packets - lost, missed: 0, lost },
    { search: packets, 'extra compared': 0, 'all sessions': routes.added },
  ];
}
