import { PACKET_ERROR_TEXT, PacketError } from '../wire/packet-view.ts';
import type { Waiting } from './waiting.ts';

/**
 * Where every captured packet ended. Each is in exactly one of `unusable`, `forwarded`, `slowPeer`, `peerGone`,
 * `unroutable`, `expired`, `displaced`, `refused`, or still in one of the two gauges `queued` and `waiting`; together they
 * make `received`.
 */
export interface InterceptCounters {
  readonly received: number;
  /** By `PacketError`: no whole TCP/IP headers in it. */
  readonly unusable: Readonly<Float64Array>;
  /** Handed to the control connection of its route. */
  readonly forwarded: number;
  /** Not handed over because its peer does not read fast enough. */
  readonly slowPeer: number;
  /** The peer went away before it could be handed over. */
  readonly peerGone: number;
  /** IPv6, for which protocol version 6 has no routes. */
  readonly unroutable: number;
  /** No route came within 30 seconds. */
  readonly expired: number;
  /** Pushed out, unrouted, by newer packets without a route. */
  readonly displaced: number;
  /** Without a route, and its session had enough packets waiting. */
  readonly refused: number;
  /** To be handed over at the next `pollTransmit`. */
  readonly queued: number;
  /** Without a route so far. */
  readonly waiting: number;
}

/** Packets whose headers could not be used, whatever was wrong with them. */
export function unusableTotal({ unusable }: InterceptCounters): number {
  let total = 0;
  for (let error = 0; error < unusable.length; error++) total += unusable[error] as number;
  return total;
}

/** Packets that ended somewhere or are still on their way: equals `received` at every moment. */
export function accountedFor(c: InterceptCounters): number {
  const delivered = c.forwarded + c.slowPeer + c.peerGone;
  const unrouted = c.unroutable + c.expired + c.displaced + c.refused;
  return unusableTotal(c) + delivered + unrouted + c.queued + c.waiting;
}

/** The counters in words, for the log and the summary; what is zero is left out, but for the first two. */
export function describeCounters(c: InterceptCounters): string[] {
  const lines = [`responses captured: ${c.received}`, `sent to tcpcopy: ${c.forwarded}`];
  const say = (n: number, text: string): void => {
    if (n > 0) lines.push(`${text}: ${n}`);
  };
  say(c.slowPeer, 'dropped, tcpcopy reads too slowly');
  say(c.peerGone, 'dropped, tcpcopy disconnected');
  say(c.unroutable, 'dropped, IPv6 cannot be routed with protocol version 6');
  say(c.expired + c.displaced + c.refused, 'dropped, no tcpcopy asked for them or no longer');
  for (const error of Object.values(PacketError)) {
    say(c.unusable[error] as number, `not usable, ${PACKET_ERROR_TEXT[error]}`);
  }
  say(c.queued, 'about to be sent');
  say(c.waiting, 'waiting for a route');
  return lines;
}

/** The counters that packets touch. */
export class Tally {
  received = 0;
  readonly unusable: Float64Array = new Float64Array(Object.keys(PacketError).length);
  forwarded = 0;
  slowPeer = 0;
  peerGone = 0;
  unroutable = 0;
  queued = 0;

  snapshot(waiting: Waiting): InterceptCounters {
    return {
      received: this.received,
      unusable: this.unusable.slice(),
      forwarded: this.forwarded,
      slowPeer: this.slowPeer,
      peerGone: this.peerGone,
      unroutable: this.unroutable,
      expired: waiting.expired,
      displaced: waiting.displaced,
      refused: waiting.refused,
      queued: this.queued,
      waiting: waiting.size,
    };
  }
}
