import { OUTCOME_NAMES } from '../session/outcome.ts';
import type { Verdict } from '../session/verdict.ts';
import { VERDICT_NAMES } from '../session/verdict.ts';
import { PacketError } from '../wire/packet-view.ts';
import { DATAGRAM_VERDICT_NAMES, type DatagramVerdict } from './datagram-verdict.ts';

/**
 * What became of everything that was captured. Two sums hold at any time: the packets captured are those of all packet errors
 * and verdicts together, those on datagrams included; and the copies are those never begun, those going on and those of all outcomes together. A connection
 * that is copied has one copy or, with -n, several.
 */
export class Ledger {
  /** Packets that the capture delivered. */
  captured = 0;
  readonly packetErrors: Float64Array = new Float64Array(Object.keys(PacketError).length);
  readonly verdicts: Float64Array = new Float64Array(VERDICT_NAMES.length);

  /** With --udp, the UDP packets that could be read, by `DatagramVerdict`. */
  readonly datagrams: Float64Array = new Float64Array(DATAGRAM_VERDICT_NAMES.length);

  /** Connections whose SYN was captured, or that were joined later. */
  connections = 0;
  /** Of these, joined after their SYN. */
  joined = 0;
  /** Copies to be made of the connections that are neither left out nor skipped. */
  copies = 0;
  /** Of these, begun only when the copy of an earlier one from the same port had ended. */
  waited = 0;
  /** Of these, begun from another address and port because another tcpcopy had theirs. */
  moved = 0;
  /** Of the copies, not begun, by the verdict on their SYN: a limit was met, there was no free port, or the loopback rule forbids it. */
  readonly refused: Float64Array = new Float64Array(VERDICT_NAMES.length);
  /** Of the connections, left to -r. */
  notSampled = 0;
  /** Of the connections, with data, open before the start, and left alone by -O. */
  skipped = 0;
  /** Copies that have ended, by outcome. */
  readonly outcomes: Float64Array = new Float64Array(OUTCOME_NAMES.length);

  /** Response headers for no copy that lives. */
  unknownResponses = 0;
  /** Response headers that could not be read. */
  malformedResponses = 0;
  /** Refusals by an intercept that no copy was concerned by any more: it has ended, or its handshake was over. */
  lateRefusals = 0;

  countError(error: PacketError): void {
    this.packetErrors[error] = (this.packetErrors[error] as number) + 1;
  }

  countVerdict(verdict: Verdict): void {
    this.verdicts[verdict] = (this.verdicts[verdict] as number) + 1;
  }

  /** That many UDP packets more, or below 0 fewer, for which this is the verdict. */
  countDatagrams(verdict: DatagramVerdict, packets: number): void {
    this.datagrams[verdict] = (this.datagrams[verdict] as number) + packets;
  }

  /** A copy of the connection that begins with the packet so judged is not made. */
  countRefused(verdict: Verdict): void {
    this.refused[verdict] = (this.refused[verdict] as number) + 1;
  }

  /** Copies that could not be begun, for whatever reason. */
  get notBegun(): number {
    let sum = 0;
    for (const n of this.refused) sum += n;
    return sum;
  }

  /** Copies that have begun and not ended. */
  get open(): number {
    let open = this.copies - this.notBegun;
    for (const n of this.outcomes) open -= n;
    return open;
  }

  countOutcome(outcome: number): void {
    this.outcomes[outcome] = (this.outcomes[outcome] as number) + 1;
  }

  verdict(verdict: Verdict): number {
    return this.verdicts[verdict] as number;
  }
}
