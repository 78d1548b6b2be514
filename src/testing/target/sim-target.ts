import type { Random } from '../../base/random.ts';
import type { Instant } from '../../base/time.ts';
import type { EventQueue } from '../event-queue.ts';
import { type Endpoint, type Packet, readPacket } from '../packet.ts';
import { TargetConnection, type TargetHost } from './connection.ts';
import { receive } from './receive.ts';
import { type TargetScript, Violation } from './script.ts';
import { acknowledge, arm, emit, shorten, transmit } from './send.ts';
import { ahead, plus } from './sequence.ts';

/** No connection sends more octets: of several connections from one port, a sequence number belongs to the nearest. */
const NEAR = 1 << 26;

/**
 * The target server: listens, receives, answers by script, retransmits. Written on its own from RFC 9293, without a
 * line of the code under test, and throws `Violation` when a copy breaks the rules of TCP or sends what no client did.
 */
export class SimTarget {
  readonly #scripts: readonly TargetScript[];
  readonly #host: TargetHost;
  readonly #connections = new Map<number, TargetConnection>();
  /** Octets received in order: the offset after the last. */
  readonly #received = new Map<TargetScript, number>();
  readonly #ended = new Set<TargetScript>();
  readonly #ignoredSyns = new Map<TargetScript, number>();

  constructor(
    scripts: readonly TargetScript[],
    self: Endpoint,
    events: EventQueue,
    random: Random,
    send: (octets: Uint8Array) => void,
  ) {
    this.#scripts = scripts;
    this.#host = { self, events, random, send, now: 0 as Instant, timeouts: 0 };
  }

  /** Octets of a client's stream that have come in order, on all of its connections; clients count as the scripts do. */
  received(client: number): number {
    return this.#received.get(this.#scripts[client] as TargetScript) ?? 0;
  }

  /** Whether the client's FIN has come, and all before it. */
  hasEnded(client: number): boolean {
    return this.#ended.has(this.#scripts[client] as TargetScript);
  }

  /** How often something of ours had to be sent again because nobody acknowledged it. */
  get timeouts(): number {
    return this.#host.timeouts;
  }

  /** Octets of a packet have arrived. One that was corrupted on the way is ignored. */
  handle(now: Instant, octets: Uint8Array): void {
    this.#host.now = now;
    let p: Packet;
    try {
      p = readPacket(octets);
    } catch {
      return;
    }
    const script = this.#scriptOf(p);
    if (script.manners === 'mute') return;
    const c = this.#connections.get(p.from.port);
    if (c?.isGone && c.script.manners === 'vanishes') return;
    if (p.flags.includes('S')) this.#handleSyn(script, c, p);
    else if (c === undefined || c.isGone) this.#refuse(p);
    else {
      receive(c, p);
      this.#note(c);
    }
  }

  /** A router could not pass on a packet of ours that is longer than `mtu`. */
  handleTooLong(now: Instant, octets: Uint8Array, mtu: number): void {
    this.#host.now = now;
    const c = this.#connections.get(readPacket(octets).to.port);
    if (c !== undefined && !c.isGone) shorten(c, mtu);
  }

  #scriptOf(p: Packet): TargetScript {
    const near = this.#scripts
      .filter((s) => s.client.port === p.from.port && plus(p.seq, 1 - s.isn) < NEAR)
      .sort((a, b) => plus(p.seq, 1 - a.isn) - plus(p.seq, 1 - b.isn));
    const [script] = near;
    if (script === undefined) throw new Violation(`a copy from port ${p.from.port}, ${p.seq}`);
    return script;
  }

  #note(c: TargetConnection): void {
    this.#received.set(c.script, Math.max(this.#received.get(c.script) ?? 0, c.offset));
    if (c.peerFin) this.#ended.add(c.script);
  }

  #handleSyn(script: TargetScript, old: TargetConnection | undefined, p: Packet): void {
    if (script.manners === 'refuses') {
      this.#refuse(p);
      return;
    }
    const ignored = this.#ignoredSyns.get(script) ?? 0;
    this.#ignoredSyns.set(script, ignored + 1);
    if (ignored < script.ignoredSyns) return;
    // RFC 9293 §3.10.7.4: in TIME-WAIT, one that begins beyond what was received opens a new connection.
    const isFree =
      old === undefined || old.isGone || (old.isTimeWait && ahead(p.seq, old.rcvNxt) > 0);
    if (!isFree) {
      if (!old.isEstablished && old.irs === p.seq) transmit(old, 'SA', old.iss, 0);
      else acknowledge(old);
      return;
    }
    const c = new TargetConnection(this.#host, script, p, old);
    this.#connections.set(p.from.port, c);
    transmit(c, 'SA', c.iss, 0);
    arm(c);
  }

  #refuse(p: Packet): void {
    if (p.flags.includes('R')) return;
    const has = (flag: string): number => (p.flags.includes(flag) ? 1 : 0);
    const end = plus(p.seq, p.payload.length + has('S') + has('F'));
    const header = has('A')
      ? { flags: 'R', seq: p.ack, ack: 0 }
      : { flags: 'RA', seq: 0, ack: end };
    emit(this.#host, { ...header, to: p.from, window: 0, options: {} }, 0);
  }
}
