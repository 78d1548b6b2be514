import type { Random } from '../../base/random.ts';
import { addTime, type Duration, type Instant } from '../../base/time.ts';
import type { EventQueue } from '../event-queue.ts';
import type { Endpoint, Packet } from '../packet.ts';
import type { TargetScript } from './script.ts';
import { ahead, plus } from './sequence.ts';

/** What all connections of one target share. */
export interface TargetHost {
  readonly self: Endpoint;
  readonly events: EventQueue;
  readonly random: Random;
  readonly send: (octets: Uint8Array) => void;
  now: Instant;
  /** Timeouts after which something was sent again. */
  timeouts: number;
}

/** One connection at the target: fields only; what happens to them is in the files beside this one, cut by role. */
export class TargetConnection {
  readonly host: TargetHost;
  readonly script: TargetScript;
  readonly irs: number;
  readonly iss: number;
  rcvNxt: number;
  /** The furthest octet ever allowed by an advertised window. */
  rightEdge = 0;
  sndUna: number;
  sndNxt: number;
  sndMax: number;
  /** Octets of the longest segment to be sent, options included; a router may lower it. */
  mss: number;
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
  /** Answers that are being worked on. */
  answersPending = 0;
  isEstablished = false;
  peerFin = false;
  finWritten = false;
  finAcked = false;
  /** The application closed before the peer did: TIME-WAIT follows. */
  closedFirst = false;
  peerWindow = 0;
  readonly peerShift: number;
  readonly shift: number;
  tsRecent: number | undefined;
  /** Former connections of this client: a segment of theirs may come late. */
  readonly former: TargetConnection[];
  tries = 0;
  timer = 0;
  ackPending = false;
  isTimeWait = false;
  isGone = false;

  constructor(
    host: TargetHost,
    script: TargetScript,
    syn: Packet,
    former: TargetConnection | undefined,
  ) {
    this.host = host;
    this.script = script;
    this.former = former === undefined ? [] : [...former.former, former];
    this.irs = syn.seq;
    this.rcvNxt = plus(syn.seq, 1);
    this.iss = host.random.uint32();
    this.sndUna = this.iss;
    this.sndNxt = this.sndMax = plus(this.iss, 1);
    const { mss = 536, windowScale, sackPermitted, timestamps } = syn.options;
    this.mss = Math.min(script.mss, mss);
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

  /** Octets of the client's stream up to RCV.NXT, those of former connections included. */
  get offset(): number {
    return ahead(this.rcvNxt, this.script.isn >>> 0) - 1 - (this.peerFin ? 1 : 0);
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

  /** Runs `what` after a while, if the connection is still there. */
  later(delay: Duration, what: () => void): void {
    const { host } = this;
    const at = addTime(host.now, delay);
    host.events.at(at, () => {
      host.now = at;
      if (!this.isGone) what();
    });
  }
}
