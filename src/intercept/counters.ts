import { PACKET_ERROR_TEXT, PacketError } from '../wire/packet-view.ts';
import { Cause, CAUSE_TEXT, type Unrouted } from './unrouted.ts';

/**
 * Where every captured packet ended. Each is in exactly one of `unusable`, `forwarded`, `slowPeer`, `peerGone`,
 * `unroutable`, `unrouted`, or still in one of the two gauges `queued` and `waiting`; together they make `received`.
 */
export interface InterceptCounters {
  readonly received: number;
  /** By `PacketError`: no whole TCP/IP headers in it. */
  readonly unusable: Readonly<Float64Array>;
  /** Handed to the control connection of its route. */
  readonly forwarded: number;
  /** Writes in which these were handed over. */
  readonly writes: number;
  /** Not handed over because its peer does not read fast enough. */
  readonly slowPeer: number;
  /** The peer went away before it could be handed over. */
  readonly peerGone: number;
  /** IPv6, for a peer that speaks protocol version 6. */
  readonly unroutable: number;
  /** By `Cause`: nobody to hand it to. */
  readonly unrouted: Readonly<Float64Array>;
  /** To be handed over at the next `pollTransmit`. */
  readonly queued: number;
  /** Without a route so far. */
  readonly waiting: number;
  /** Registrations refused because another tcpcopy has the session, without its tcpcopy being told. No packets. */
  readonly refusalsLost: number;
}

/** Packets whose headers could not be used, whatever was wrong with them. */
export const unusableTotal = ({ unusable }: InterceptCounters): number => sum(unusable);

/** Packets that ended somewhere or are still on their way: equals `received` at every moment. */
export function accountedFor(c: InterceptCounters): number {
  const delivered = c.forwarded + c.slowPeer + c.peerGone;
  return unusableTotal(c) + delivered + c.unroutable + sum(c.unrouted) + c.queued + c.waiting;
}

/** The counters in words, for the log and the summary; what is zero is left out, but for the first two. */
export function describeCounters(c: InterceptCounters): string[] {
  const lines = [`responses captured: ${c.received}`, `sent to tcpcopy: ${c.forwarded}`];
  const say = (n: number, text: string): void => {
    if (n > 0) lines.push(`${text}: ${n}`);
  };
  say(c.writes, 'writes in which they were sent');
  say(c.slowPeer, 'dropped, tcpcopy reads too slowly');
  say(c.peerGone, 'dropped, tcpcopy disconnected');
  say(c.unroutable, 'dropped, IPv6 cannot be routed with protocol version 6');
  for (const cause of Object.values(Cause)) {
    say(c.unrouted[cause] as number, `dropped, ${CAUSE_TEXT[cause]}`);
  }
  for (const error of Object.values(PacketError)) {
    say(c.unusable[error] as number, `not usable, ${PACKET_ERROR_TEXT[error]}`);
  }
  say(c.queued, 'about to be sent');
  say(c.waiting, 'waiting for a route');
  say(c.refusalsLost, 'refusals that tcpcopy was not told of, it reads too slowly or is gone');
  return lines;
}

/** The routes in words; nothing when there never was one. */
export function describeRoutes(routes: RouteCounts): string[] {
  if (routes.added === 0 && routes.refused === 0) return [];
  const { added, size, peak, bytes } = routes;
  const memory = `${Math.ceil(bytes / 1024)} KiB`;
  const lines = [
    `sessions registered: ${added}, of these now ${size}, at once ${peak} (${memory})`,
  ];
  const say = (n: number, text: string): void => {
    if (n > 0) lines.push(`${text}: ${n}`);
  };
  say(routes.moved, 'sessions taken over by another connection');
  say(routes.taken, 'registrations refused, another tcpcopy has the address and port');
  say(routes.refused, 'registrations refused for want of room');
  say(routes.reclaimed, 'sessions given up to make room, long idle and never said to have ended');
  return lines;
}

/** What `RouteTable` counts. */
export interface RouteCounts {
  readonly added: number;
  readonly size: number;
  readonly peak: number;
  readonly bytes: number;
  readonly moved: number;
  readonly refused: number;
  readonly taken: number;
  readonly reclaimed: number;
}

/** The counters that packets touch. */
export class Tally {
  received = 0;
  readonly unusable: Float64Array = new Float64Array(Object.keys(PacketError).length);
  forwarded = 0;
  writes = 0;
  slowPeer = 0;
  peerGone = 0;
  unroutable = 0;
  queued = 0;
  refusalsLost = 0;

  snapshot(unrouted: Unrouted, waiting: number): InterceptCounters {
    return {
      received: this.received,
      unusable: this.unusable.slice(),
      forwarded: this.forwarded,
      writes: this.writes,
      slowPeer: this.slowPeer,
      peerGone: this.peerGone,
      unroutable: this.unroutable,
      unrouted: unrouted.counts.slice(),
      queued: this.queued,
      waiting,
      refusalsLost: this.refusalsLost,
    };
  }
}

function sum(counts: Readonly<Float64Array>): number {
  let total = 0;
  for (let i = 0; i < counts.length; i++) total += counts[i] as number;
  return total;
}
