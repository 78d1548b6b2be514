import type { Random } from '../base/random.ts';
import { addTime, type Duration, type Instant, millis } from '../base/time.ts';
import { patternAt } from './dialogue.ts';
import type { EventQueue } from './event-queue.ts';
import {
  buildPacket,
  type Endpoint,
  type OptionsRecord,
  type Packet,
  readPacket,
} from './packet.ts';

/** How far `a` is ahead of `b` in sequence space; written anew here, since the target judges the code that has it too. */
const ahead = (a: number, b: number): number => {
  const d = (a - b) % 0x1_0000_0000;
  if (d >= 0x8000_0000) return d - 0x1_0000_0000;
  return d < -0x8000_0000 ? d + 0x1_0000_0000 : d;
};
const plus = (a: number, n: number): number => (a + n) >>> 0;

/** What the target's application does on the connections of one client. */
export interface TargetScript {
  readonly client: Endpoint;
  /** The client's initial sequence number: offsets count from the octet after it. */
  readonly isn: number;
  readonly greeting: number;
  /** When the stream has reached offset `after`, `response` octets follow, `delay` later. In order. */
  readonly answers: readonly { after: number; response: number; delay: Duration }[];
  readonly mss: number;
  readonly options: OptionsRecord;
  /** Octets of receive buffer. */
  readonly buffer: number;
  /** How long the application leaves received octets in the buffer. */
  readonly readPause: Duration;
  readonly ackDelay: Duration;
  readonly manners: 'polite' | 'closesFirst' | 'resets' | 'refuses' | 'mute';
  /** No request may come before the answer to the one before it was written. */
  readonly takesTurns?: boolean;
  /** Offset at which an ill-mannered target does it. */
  readonly badAt: number;
}

/** A judgement of what the copy did; the run ends with it. */
export class Violation extends Error {
  override name = 'Violation';
}

const RTO = millis(300);
const MAX_TRIES = 12;

/** Of one connection at the target: a TCP that is as simple as it can be. */
class TargetConnection {
  readonly script: TargetScript;
  readonly irs: number;
  readonly iss: number;
  rcvNxt: number;
  /** The furthest octet ever allowed by an advertised window. */
  rightEdge = 0;
  sndUna: number;
  sndNxt: number;
  sndMax: number;
  /** Offset after the last octet that the application has written, counted from iss+1. */
  written = 0;
  /** Ends of application writes, for PSH. */
  readonly pushes: Set<number> = new Set();
  readonly early: Map<number, Packet> = new Map();
  /** The sequence number of the segment that came early last: its SACK block goes first. */
  latestEarly = 0;
  readonly sacks: boolean;
  unread = 0;
  answered = 0;
  answersWritten = 0;
  isEstablished = false;
  peerFin = false;
  finWritten = false;
  finAcked = false;
  peerWindow = 0;
  readonly peerShift: number;
  readonly shift: number;
  tsRecent: number | undefined;
  /** Former connections of this client: a segment of theirs may come late. */
  readonly former: TargetConnection[];
  tries = 0;
  timer = 0;
  ackPending = false;
  isGone = false;

  constructor(script: TargetScript, syn: Packet, iss: number, former: TargetConnection[]) {
    this.former = former;
    this.script = script;
    this.irs = syn.seq;
    this.rcvNxt = plus(syn.seq, 1);
    this.iss = iss;
    this.sndUna = this.sndNxt = this.sndMax = iss;
    const { windowScale, sackPermitted, timestamps } = syn.options;
    this.sacks = sackPermitted === true && script.options.sackPermitted === true;
    const scales = windowScale !== undefined && script.options.windowScale !== undefined;
    this.peerShift = scales ? (windowScale as number) : 0;
    this.shift = scales ? (script.options.windowScale as number) : 0;
    this.peerWindow = syn.window;
    if (timestamps && script.options.timestamps) this.tsRecent = timestamps[0];
  }

  hasSent(seq: number): boolean {
    return ahead(seq, this.iss) >= 0 && ahead(seq, this.sndMax) <= 0;
  }

  /** What has come early, as RFC 2018 §4 reports it. */
  blocks(): (readonly [number, number])[] {
    const spans = [...this.early.values()]
      .map((p) => [p.seq, plus(p.seq, p.payload.length + (p.flags.includes('F') ? 1 : 0))] as const)
      .sort((a, b) => ahead(a[0], b[0]));
    const blocks: [number, number][] = [];
    for (const [left, right] of spans) {
      const last = blocks.at(-1);
      if (last === undefined || ahead(left, last[1]) > 0) blocks.push([left, right]);
      else if (ahead(right, last[1]) > 0) last[1] = right;
    }
    const first = blocks.findIndex(
      ([left, right]) => ahead(this.latestEarly, left) >= 0 && ahead(right, this.latestEarly) > 0,
    );
    return first < 0 ? blocks : [...blocks.splice(first, 1), ...blocks];
  }

  /** Octets of stream and FIN that are ready to be sent. */
  get end(): number {
    return this.written + (this.finWritten ? 1 : 0);
  }
}

/**
 * The target server: listens, receives, answers by script, retransmits. Written on its own from RFC 9293, without a
 * line of the code under test, and throws `Violation` when a copy breaks the rules of TCP or sends what no client did.
 */
export class SimTarget {
  /** Octets received in order, by client port: the offset after the last. */
  readonly received: Map<number, number> = new Map();
  readonly #scripts: readonly TargetScript[];
  readonly #events: EventQueue;
  readonly #random: Random;
  readonly #self: Endpoint;
  readonly #send: (octets: Uint8Array) => void;
  readonly #connections = new Map<number, TargetConnection>();
  #now: Instant = 0 as Instant;

  constructor(
    scripts: readonly TargetScript[],
    self: Endpoint,
    events: EventQueue,
    random: Random,
    send: (octets: Uint8Array) => void,
  ) {
    this.#scripts = scripts;
    this.#self = self;
    this.#events = events;
    this.#random = random;
    this.#send = send;
  }

  /** Octets of a packet have arrived. One that was corrupted on the way is ignored. */
  handle(now: Instant, octets: Uint8Array): void {
    this.#now = now;
    let p: Packet;
    try {
      p = readPacket(octets);
    } catch {
      return;
    }
    const script = this.#scripts.find((s) => s.client.port === p.from.port);
    if (script === undefined) throw new Violation(`a copy from port ${p.from.port}`);
    if (script.manners === 'mute') return;
    const c = this.#connections.get(p.from.port);
    if (p.flags.includes('S')) this.#handleSyn(script, c, p);
    else if (c === undefined || c.isGone) this.#refuse(p);
    else this.#handleSegment(c, p);
  }

  #handleSyn(script: TargetScript, old: TargetConnection | undefined, p: Packet): void {
    if (script.manners === 'refuses') {
      this.#refuse(p);
      return;
    }
    if (old !== undefined && !old.isGone) {
      if (!old.isEstablished && old.irs === p.seq) this.#transmit(old, 'SA', old.iss, 0);
      else this.#acknowledge(old);
      return;
    }
    const former = old === undefined ? [] : [...old.former, old];
    const c = new TargetConnection(script, p, this.#random.uint32(), former);
    this.#connections.set(p.from.port, c);
    c.sndNxt = c.sndMax = plus(c.iss, 1);
    this.#transmit(c, 'SA', c.iss, 0);
    this.#arm(c);
  }

  #refuse(p: Packet): void {
    if (p.flags.includes('R')) return;
    const hasAck = p.flags.includes('A');
    const length =
      p.payload.length + (p.flags.includes('S') ? 1 : 0) + (p.flags.includes('F') ? 1 : 0);
    this.#emit(
      p.from,
      hasAck ? 'R' : 'RA',
      hasAck ? p.ack : 0,
      hasAck ? 0 : plus(p.seq, length),
      0,
      {},
      0,
    );
  }

  #handleSegment(c: TargetConnection, p: Packet): void {
    const length = p.payload.length + (p.flags.includes('F') ? 1 : 0);
    this.#judge(c, p, length);
    if (p.flags.includes('R')) {
      if (p.seq === c.rcvNxt) c.isGone = true;
      else if (ahead(p.seq, c.rcvNxt) > 0) this.#acknowledge(c);
      return;
    }
    if (ahead(p.ack, c.sndUna) > 0) this.#handleAck(c, p);
    c.peerWindow = p.window * 2 ** c.peerShift;
    if (p.options.timestamps && c.tsRecent !== undefined && ahead(p.seq, c.rcvNxt) <= 0) {
      if (ahead(p.options.timestamps[0], c.tsRecent) >= 0) c.tsRecent = p.options.timestamps[0];
    }
    if (length > 0) this.#handleText(c, p);
    else if (ahead(p.seq, c.rcvNxt) < 0) this.#acknowledge(c); // A probe: not acceptable, so answered (RFC 9293 §3.10.7.4).
    this.#pump(c);
  }

  /** What every segment of a copy must keep to. */
  #judge(c: TargetConnection, p: Packet, length: number): void {
    const end = plus(p.seq, length);
    const isLate = p.flags.includes('R') || c.former.some((f) => f.hasSent(p.ack));
    if (p.flags.includes('A') && !isLate && ahead(p.ack, c.sndMax) > 0) {
      throw new Violation(`acknowledges ${p.ack}, of which only ${c.sndMax} was sent`);
    }
    if (length > 0 && ahead(end, c.rightEdge) > 0) {
      throw new Violation(`sends up to ${end}, the window ends at ${c.rightEdge}`);
    }
    const options = p.options.timestamps ? 12 : 0;
    if (p.payload.length + options > c.script.mss) {
      throw new Violation(`${p.payload.length} octets with an MSS of ${c.script.mss}`);
    }
    p.payload.forEach((octet, i) => {
      if (octet === patternAt(plus(p.seq, i) | 0)) return;
      throw new Violation(`octet ${plus(p.seq, i)} is not the client's`);
    });
  }

  #handleAck(c: TargetConnection, p: Packet): void {
    c.sndUna = p.ack;
    if (ahead(c.sndNxt, c.sndUna) < 0) c.sndNxt = c.sndUna;
    c.tries = 0;
    c.timer++;
    if (!c.isEstablished) {
      c.isEstablished = true;
      if (c.script.greeting > 0 && c.irs === c.script.isn >>> 0) this.#write(c, c.script.greeting);
    }
    if (c.finWritten && ahead(p.ack, plus(c.iss, 1 + c.end)) >= 0) c.finAcked = true;
    if (c.finAcked && c.peerFin) c.isGone = true;
    else if (c.sndUna !== c.sndMax) this.#arm(c);
  }

  #handleText(c: TargetConnection, p: Packet): void {
    if (ahead(p.seq, c.rcvNxt) > 0) {
      c.early.set(p.seq, p);
      c.latestEarly = p.seq;
      this.#acknowledge(c);
      return;
    }
    const before = c.rcvNxt;
    this.#take(c, p);
    for (let found = true; found; ) {
      found = false;
      for (const [seq, early] of c.early) {
        if (ahead(seq, c.rcvNxt) > 0) continue;
        c.early.delete(seq);
        this.#take(c, early);
        found = true;
      }
    }
    if (c.rcvNxt === before || c.peerFin || c.script.ackDelay === 0) this.#acknowledge(c);
    else this.#acknowledgeLater(c);
    this.#application(c);
  }

  #take(c: TargetConnection, p: Packet): void {
    const end = plus(p.seq, p.payload.length);
    const fresh = ahead(end, c.rcvNxt);
    if (fresh > 0) {
      c.rcvNxt = end;
      this.#hold(c, fresh);
    }
    if (p.flags.includes('F') && end === c.rcvNxt && !c.peerFin) {
      c.peerFin = true;
      c.rcvNxt = plus(c.rcvNxt, 1);
    }
  }

  /** The application reads after a while; until then the window is smaller. */
  #hold(c: TargetConnection, octets: number): void {
    const { readPause } = c.script;
    if (readPause === 0) return;
    c.unread += octets;
    this.#later(readPause, c, () => {
      const wasClosed = this.#window(c) === 0;
      c.unread -= octets;
      if (wasClosed && this.#random.chance(0.8)) this.#acknowledge(c);
    });
  }

  #application(c: TargetConnection): void {
    const { script } = c;
    const offset = ahead(c.rcvNxt, script.isn >>> 0) - 1 - (c.peerFin ? 1 : 0);
    const port = script.client.port;
    this.received.set(port, Math.max(this.received.get(port) ?? 0, offset));
    if (script.manners === 'resets' && offset >= script.badAt && script.badAt > 0) {
      this.#emit(script.client, 'RA', c.sndMax, c.rcvNxt, 0, {}, 0);
      c.isGone = true;
      return;
    }
    const { after } = script.answers[c.answersWritten] ?? { after: offset };
    if (script.takesTurns && offset > after) {
      throw new Violation(`request ${c.answersWritten + 2} overtakes the answer to the one before`);
    }
    const first = ahead(c.irs, script.isn >>> 0);
    for (; c.answered < script.answers.length; c.answered++) {
      const answer = script.answers[c.answered] as TargetScript['answers'][number];
      if (answer.after > offset) break;
      if (answer.after > first)
        this.#later(answer.delay, c, () => this.#answer(c, answer.response));
    }
    if (c.peerFin) this.#later(millis(2), c, () => this.#close(c));
    else if (script.manners === 'closesFirst' && offset >= script.badAt) {
      this.#later(millis(1), c, () => this.#close(c));
    }
  }

  #answer(c: TargetConnection, octets: number): void {
    this.#write(c, octets);
    c.answersWritten++;
    this.#pump(c);
  }

  #write(c: TargetConnection, octets: number): void {
    if (c.finWritten) return;
    c.written += octets;
    c.pushes.add(c.written);
  }

  #close(c: TargetConnection): void {
    c.finWritten = true;
    this.#pump(c);
  }

  /** Sends what the peer's window allows. */
  #pump(c: TargetConnection): void {
    if (!c.isEstablished || c.isGone) return;
    for (;;) {
      const offset = ahead(c.sndNxt, c.iss) - 1;
      const room = c.peerWindow - ahead(c.sndNxt, c.sndUna);
      const most = c.script.mss - (c.tsRecent === undefined ? 0 : 12);
      const length = Math.min(c.written - offset, most, room);
      const fin = c.finWritten && offset + Math.max(length, 0) === c.written;
      if (length <= 0 && !(fin && offset === c.written)) break;
      const n = Math.max(length, 0);
      this.#transmit(c, `${fin ? 'F' : ''}${c.pushes.has(offset + n) ? 'P' : ''}A`, c.sndNxt, n);
      c.sndNxt = plus(c.sndNxt, n + (fin ? 1 : 0));
      if (ahead(c.sndNxt, c.sndMax) > 0) c.sndMax = c.sndNxt;
      this.#arm(c);
    }
  }

  #acknowledge(c: TargetConnection): void {
    this.#transmit(c, 'A', c.sndMax, 0);
  }

  #acknowledgeLater(c: TargetConnection): void {
    if (c.ackPending) {
      this.#acknowledge(c);
      return;
    }
    c.ackPending = true;
    this.#later(c.script.ackDelay, c, () => {
      if (c.ackPending) this.#acknowledge(c);
    });
  }

  #arm(c: TargetConnection): void {
    const mine = ++c.timer;
    this.#later((RTO * 2 ** Math.min(c.tries, 4)) as Duration, c, () => {
      if (c.timer !== mine || c.sndUna === c.sndMax) return;
      if (++c.tries > MAX_TRIES) {
        c.isGone = true;
        return;
      }
      if (!c.isEstablished) this.#transmit(c, 'SA', c.iss, 0);
      c.sndNxt = c.isEstablished ? c.sndUna : c.sndNxt;
      this.#pump(c);
      this.#arm(c);
    });
  }

  #later(delay: Duration, c: TargetConnection, run: () => void): void {
    const at = addTime(this.#now, delay);
    this.#events.at(at, () => {
      this.#now = at;
      if (!c.isGone) run();
    });
  }

  #window(c: TargetConnection): number {
    const free = Math.max(0, c.script.buffer - c.unread);
    return Math.min(0xffff, Math.floor(free / 2 ** c.shift));
  }

  #transmit(c: TargetConnection, flags: string, seq: number, length: number): void {
    const isSyn = flags.includes('S');
    const window = isSyn ? Math.min(0xffff, c.script.buffer) : this.#window(c);
    const edge = plus(c.rcvNxt, window * (isSyn ? 1 : 2 ** c.shift));
    if (c.rightEdge === 0 || ahead(edge, c.rightEdge) > 0) c.rightEdge = edge;
    const options: OptionsRecord = isSyn ? { ...c.script.options, mss: c.script.mss } : {};
    if (c.tsRecent === undefined) delete options.timestamps;
    else options.timestamps = [Math.floor(this.#now / 1000) >>> 0, c.tsRecent];
    if (c.sacks && c.early.size > 0)
      options.sack = c.blocks().slice(0, c.tsRecent === undefined ? 4 : 3);
    else delete options.sack;
    if (isSyn && !c.sacks) delete options.sackPermitted;
    if (flags.includes('A')) c.ackPending = false;
    this.#emit(c.script.client, flags, seq, c.rcvNxt, window, options, length);
  }

  #emit(
    to: Endpoint,
    flags: string,
    seq: number,
    ack: number,
    window: number,
    options: OptionsRecord,
    length: number,
  ): void {
    const payload = new Uint8Array(length);
    this.#send(
      buildPacket({
        from: this.#self,
        to,
        flags,
        seq,
        ack,
        window,
        options,
        payload,
        urgentPointer: 0,
        ttl: 64,
        trafficClass: 0,
        ipId: 3,
        dontFragment: true,
      }),
    );
  }
}
