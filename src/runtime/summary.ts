import { NO_NEXT_HOP } from '../ports/packet-sink.ts';
import type { CaptureStatistics } from '../ports/packet-source.ts';
import { DATAGRAM_VERDICT_NAMES } from '../replay/datagram-verdict.ts';
import type { Datagrams } from '../replay/datagrams.ts';
import type { Ledger } from '../replay/ledger.ts';
import type { Replayer } from '../replay/replayer.ts';
import { OUTCOME_NAMES } from '../session/outcome.ts';
import type { RequestCounters } from '../session/requests.ts';
import { Verdict, VERDICT_NAMES } from '../session/verdict.ts';
import { PACKET_ERROR_TEXT, type PacketError } from '../wire/packet-view.ts';

/** What the sender reports. */
export interface SendTotals {
  readonly packets: number;
  readonly octets: number;
  /** By the name of the error. */
  readonly errors: ReadonlyMap<string, number>;
}

/** Of labels; longer ones move their number. */
const WIDTH = 35;

/** Why a connection was not begun, by verdict. */
const NOT_BEGUN: Readonly<Record<number, string>> = {
  [Verdict.overLimit]: '--max-connections',
  [Verdict.noFreePort]: 'no free port (-c)',
  [Verdict.loopback]: 'loopback rule',
  [Verdict.overRate]: 'too many in a second',
  [Verdict.overLoad]: 'too much to be sent',
  [Verdict.overMemory]: '-m',
};

const line = (label: string, value: number): string => `  ${label.padEnd(WIDTH)} ${value}`;
const nonZero = (label: string, value: number): string[] => (value > 0 ? [line(label, value)] : []);

/** The account of a run of tcpcopy, as lines. Every captured packet, connection and copy stands in exactly one of them. */
export function describeReplay(
  replayer: Replayer,
  capture: CaptureStatistics,
  sent: SendTotals,
  datagrams?: Datagrams,
): string[] {
  const { ledger } = replayer;
  return [
    ...describePackets(ledger, capture),
    ...describeConnections(ledger),
    ...describeRequests(replayer.context.requests),
    ...describeHeld(replayer),
    ...describeTarget(replayer, sent, datagrams),
  ];
}

function describePackets(ledger: Ledger, capture: CaptureStatistics): string[] {
  const lines = [line('packets captured', ledger.captured).trimStart()];
  VERDICT_NAMES.forEach((name, i) => lines.push(...nonZero(name, ledger.verdicts[i] as number)));
  DATAGRAM_VERDICT_NAMES.forEach((name, i) => {
    lines.push(...nonZero(name, ledger.datagrams[i] as number));
  });
  for (let error = 1; error < ledger.packetErrors.length; error++) {
    const text = PACKET_ERROR_TEXT[error as PacketError];
    lines.push(...nonZero(`not usable: ${text}`, ledger.packetErrors[error] as number));
  }
  if (capture.dropped > 0) {
    lines.push(`packets lost before capture: ${capture.dropped} (the receive buffer was full)`);
  }
  return lines;
}

function describeConnections(ledger: Ledger): string[] {
  const lines = [line('connections seen', ledger.connections).trimStart()];
  lines.push(...nonZero('not sampled (-r)', ledger.notSampled));
  lines.push(...nonZero('open before the start (-O)', ledger.skipped));
  // One copy of each: what became of it became of the connection.
  const copied = ledger.connections - ledger.notSampled - ledger.skipped;
  if (ledger.copies > copied) {
    lines.push(
      line('to be copied', copied),
      line('copies of these (-n)', ledger.copies).trimStart(),
    );
  }
  ledger.refused.forEach((count, verdict) => {
    lines.push(...nonZero(`not begun: ${NOT_BEGUN[verdict] ?? ''}`, count));
  });
  OUTCOME_NAMES.forEach((name, i) => lines.push(...nonZero(name, ledger.outcomes[i] as number)));
  lines.push(...nonZero('open', ledger.open));
  if (ledger.joined > 0) lines.push(line('of these, joined after their start', ledger.joined));
  lines.push(...nonZero('of these, waited for their port', ledger.waited));
  lines.push(...nonZero('of these, moved to another port', ledger.moved));
  return lines;
}

function describeRequests(requests: RequestCounters): string[] {
  const lines = [
    line('requests captured', requests.captured).trimStart(),
    ...nonZero('answered', requests.answered),
    ...nonZero('not answered in time', requests.unanswered),
    ...nonZero('not waited for (-W)', requests.overtaken),
  ];
  OUTCOME_NAMES.forEach((name, i) => {
    lines.push(...nonZero(`sent, then: ${name}`, requests.cutOff[i] as number));
  });
  OUTCOME_NAMES.forEach((name, i) => {
    lines.push(...nonZero(`never sent: ${name}`, requests.neverSent[i] as number));
  });
  lines.push(...nonZero('open', requests.open));
  return lines;
}

/** What waits for the targets now, or may have to be sent again: nothing, once every copy has ended. */
function describeHeld({ context }: Replayer): string[] {
  return [
    line('pieces held for targets', context.store.used).trimStart(),
    ...nonZero('octets of memory', context.pool.used),
  ];
}

function describeTarget(replayer: Replayer, sent: SendTotals, datagrams?: Datagrams): string[] {
  const { context, ledger } = replayer;
  const c = context.counters;
  const lines = [
    line('packets sent to targets', sent.packets).trimStart(),
    ...nonZero('with payload', c.sentData),
    ...nonZero('SYN', c.sentSyn),
    ...nonZero('FIN', c.sentFin),
    ...nonZero('RST', c.sentRst),
    ...nonZero('retransmitted', c.retransmitted),
    ...nonZero('reconnections', c.reconnects),
    ...nonZero('UDP datagrams', datagrams?.sender.sent ?? 0),
    ...nonZero('UDP datagrams in fragments', datagrams?.sender.sentInFragments ?? 0),
  ];
  for (const [name, count] of sent.errors) {
    const why = name === NO_NEXT_HOP ? `not sent: ${name} (-o)` : `refused by the kernel: ${name}`;
    lines.push(line(why, count));
  }
  lines.push(
    line('responses received', c.received).trimStart(),
    ...nonZero('connections accepted', c.connected),
    ...nonZero('with payload', c.receivedData),
    ...nonZero('FIN', c.receivedFin),
    ...nonZero('RST', c.receivedRst),
    ...nonZero('repeated or out of window', c.receivedStale),
    ...nonZero('out of order', c.receivedOutOfOrder),
    ...nonZero('malformed options', c.receivedMalformed),
  );
  lines.push(...nonZero('responses for no copy', ledger.unknownResponses));
  lines.push(...nonZero('responses not readable', ledger.malformedResponses));
  lines.push(...nonZero('refusals that came too late', ledger.lateRefusals));
  return lines;
}
