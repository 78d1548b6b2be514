import type { Copy } from '../replay/copy.ts';
import type { SessionCounters } from '../session/context.ts';
import { Outcome, OUTCOME_NAMES } from '../session/outcome.ts';
import { Octets } from './octets.ts';
import type { OnlineScript } from './online-client.ts';
import type { Endpoint, Packet } from './packet.ts';
import { ahead, plus } from './target/sequence.ts';

/** No connection sends more octets: of several connections from one port, a sequence number belongs to the nearest. */
const NEAR = 1 << 26;

/** What one captured connection has shown, and what its copies have sent. */
class Stream {
  readonly isn: number;
  readonly captured: Octets;
  readonly sent: Octets;
  hasSyn = false;
  /** Sequence number of the captured FIN. */
  finAt = -1;
  /** Where urgent data ends. */
  readonly urgentEnds: Set<number> = new Set();

  constructor(isn: number) {
    this.isn = isn;
    this.captured = new Octets(plus(isn, 1));
    this.sent = new Octets(plus(isn, 1));
  }
}

/** What the target has sent to one client address and port, as far as it came through. */
class Heard {
  /** One for each connection, from the octet after its SYN. */
  readonly connections: Octets[] = [];
  readonly tsvals: Set<number> = new Set();
}

/** A segment sent again more often means that nobody backs off; up to 25 % of them are lost, and time-outs reach minutes. */
const MAX_REPEATS = 60;

const has = (p: Packet, flag: string): boolean => p.flags.includes(flag);

/**
 * Holds what is sent against what could be known: a copy may send what was captured, acknowledge what has come, and nothing else.
 * Judges from outside, by the packets alone. Each method returns what is wrong, or nothing.
 */
export class Judge {
  readonly #streams = new Map<number, Stream[]>();
  readonly #heard = new Map<number, Heard>();
  /** By port, the last TSval that was sent on the present connection. */
  readonly #tsvals = new Map<number, number>();
  /** By port and sequence number, how often a segment with payload, SYN or FIN was sent that begins there. */
  readonly #repeats = new Map<number, Map<number, number>>();
  readonly #mtu: number;

  /** `mtu`: what is known of the way to the target. */
  constructor(scripts: readonly OnlineScript[], mtu: number) {
    this.#mtu = mtu;
    for (const { client, isn } of scripts) {
      const streams = this.#streams.get(client.port) ?? [];
      this.#streams.set(client.port, [...streams, new Stream(isn)]);
    }
  }

  noteCaptured(p: Packet): void {
    const stream = this.#stream(p.from, p.seq);
    if (stream === undefined) return;
    if (has(p, 'S')) stream.hasSyn = true;
    stream.captured.add(p.seq, p.payload.length);
    const end = plus(p.seq, p.payload.length);
    if (has(p, 'F')) stream.finAt = end;
    if (has(p, 'U')) stream.urgentEnds.add(plus(p.seq, p.urgentPointer));
  }

  noteHeard(p: Packet): void {
    const heard = this.#heard.get(p.to.port) ?? new Heard();
    this.#heard.set(p.to.port, heard);
    if (p.options.timestamps) heard.tsvals.add(p.options.timestamps[0]);
    const start = plus(p.seq, 1);
    if (has(p, 'S')) {
      if (heard.connections.every(({ base }) => base !== start)) {
        heard.connections.push(new Octets(start));
      }
      return;
    }
    const length = p.payload.length + (has(p, 'F') ? 1 : 0);
    for (const connection of heard.connections) {
      if (plus(p.seq, -connection.base) < NEAR) connection.add(p.seq, length);
    }
  }

  /** What is wrong with a packet that was sent; empty when nothing is. */
  judge(p: Packet, length: number): string {
    const stream = this.#stream(p.from, p.seq);
    if (length > this.#mtu) return `${length} octets where ${this.#mtu} pass`;
    if (stream === undefined) return 'belongs to no connection that was captured';
    return (
      this.#judgeText(stream, p) ||
      this.#judgeAck(p) ||
      this.#judgeStamps(p) ||
      this.#judgeRepeats(p)
    );
  }

  #judgeText(stream: Stream, p: Packet): string {
    const end = plus(p.seq, p.payload.length);
    if (has(p, 'S')) {
      const isCaptured = stream.hasSyn && p.seq === stream.isn >>> 0;
      return isCaptured || stream.captured.has(plus(p.seq, 1), 1) ? '' : 'a SYN for nothing';
    }
    if (!stream.captured.has(p.seq, p.payload.length)) return 'has octets that were not captured';
    if (has(p, 'F') && end !== stream.finAt) return 'has a FIN that was not captured';
    if (has(p, 'U') && !stream.urgentEnds.has(plus(p.seq, p.urgentPointer))) {
      return 'calls urgent what is not';
    }
    stream.sent.add(p.seq, p.payload.length);
    return '';
  }

  #judgeAck(p: Packet): string {
    if (!has(p, 'A')) return '';
    const { connections } = this.#heard.get(p.from.port) ?? new Heard();
    const shown = connections.filter(({ base }) => plus(p.ack, -base) < NEAR);
    if (!shown.some((c) => c.has(c.base, plus(p.ack, -c.base)))) {
      return `acknowledges ${p.ack}, which never came`;
    }
    for (const [left, right] of p.options.sack ?? []) {
      const isNews = ahead(left, p.ack) > 0;
      if (isNews && shown.some((c) => c.has(left, ahead(right, left)))) continue;
      return `acknowledges ${left} to ${right}, which did not come`;
    }
    return '';
  }

  /** RFC 7323 §3.2 and §4.3: our clock does not go back, and what is echoed has come. */
  #judgeStamps(p: Packet): string {
    if (p.options.timestamps === undefined) return '';
    const [tsval, tsecr] = p.options.timestamps;
    const { tsvals } = this.#heard.get(p.from.port) ?? new Heard();
    if (has(p, 'S')) this.#tsvals.delete(p.from.port);
    else if (!tsvals.has(tsecr)) return `echoes ${tsecr}, which never came`;
    const before = this.#tsvals.get(p.from.port) ?? tsval;
    this.#tsvals.set(p.from.port, tsval);
    return ahead(tsval, before) < 0 ? `has a TSval of ${tsval} after ${before}` : '';
  }

  #judgeRepeats(p: Packet): string {
    if (p.payload.length === 0 && !has(p, 'S') && !has(p, 'F')) return '';
    const repeats = this.#repeats.get(p.from.port) ?? new Map<number, number>();
    this.#repeats.set(p.from.port, repeats);
    const times = repeats.get(p.seq) ?? 0;
    repeats.set(p.seq, times + 1);
    return times < MAX_REPEATS ? '' : `is sent for the ${times + 1}th time`;
  }

  /** What is wrong with the end of a copy; `received` octets of the stream, and its FIN if `hasEnded`, are at the target. */
  judgeEnd(copy: Copy, script: OnlineScript, received: number, hasEnded: boolean): string {
    const stream = this.#stream(script.client, script.isn);
    if (stream === undefined) return 'belongs to no connection that was captured';
    const total = stream.finAt < 0 ? -1 : ahead(stream.finAt, stream.isn >>> 0) - 1;
    const name = OUTCOME_NAMES[copy.outcome] as string;
    if (copy.outcome === Outcome.completed && (!hasEnded || received !== total)) {
      return `ends as "${name}" with ${received} of ${total} octets`;
    }
    const start = plus(copy.capturedIss, 1);
    const captured = ahead(stream.captured.endOfRun(start), stream.isn >>> 0) - 1;
    if (copy.outcome === Outcome.resetByClient && received < captured) {
      return `ends as "${name}" with ${received} of ${captured} octets`;
    }
    return '';
  }

  /** At the end of all: each octet that was taken was sent, or let go of and counted. */
  judgeAccount({ takenOctets, unsentOctets }: SessionCounters): string {
    let sent = 0;
    for (const streams of this.#streams.values()) for (const s of streams) sent += s.sent.total;
    if (takenOctets === sent + unsentOctets) return '';
    return `${takenOctets} octets taken, ${sent} sent and ${unsentOctets} let go of`;
  }

  #stream(from: Endpoint, seq: number): Stream | undefined {
    const streams = this.#streams.get(from.port) ?? [];
    let nearest: Stream | undefined;
    for (const s of streams) {
      const distance = plus(seq, 1 - s.isn);
      if (distance >= NEAR) continue;
      if (nearest === undefined || distance < plus(seq, 1 - nearest.isn)) nearest = s;
    }
    return nearest;
  }
}
