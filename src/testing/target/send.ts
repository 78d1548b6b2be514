import { type Duration, millis } from '../../base/time.ts';
import { buildPacket, type Endpoint, type OptionsRecord } from '../packet.ts';
import type { TargetConnection, TargetHost } from './connection.ts';
import { ahead, plus } from './sequence.ts';

const RTO = millis(300);
const MAX_TRIES = 12;
/** What a target says is of no concern to anyone. */
const NOTHING = new Uint8Array(1 << 16);

/** Sends what the peer's window allows. */
export function pump(c: TargetConnection): void {
  if (!c.isEstablished || c.isGone || c.isTimeWait) return;
  for (;;) {
    const offset = ahead(c.sndNxt, c.iss) - 1;
    const room = c.peerWindow - ahead(c.sndNxt, c.sndUna);
    const most = c.mss - optionOctets(c);
    const length = Math.min(c.written - offset, most, room);
    const fin = c.finWritten && offset + Math.max(length, 0) === c.written;
    if (length <= 0 && !(fin && offset === c.written)) break;
    const n = Math.max(length, 0);
    transmit(c, `${fin ? 'F' : ''}${c.pushes.has(offset + n) ? 'P' : ''}A`, c.sndNxt, n);
    c.sndNxt = plus(c.sndNxt, n + (fin ? 1 : 0));
    if (ahead(c.sndNxt, c.sndMax) > 0) c.sndMax = c.sndNxt;
    arm(c);
  }
}

const sackBlocks = (c: TargetConnection): (readonly [number, number])[] =>
  c.sacks ? c.blocks().slice(0, c.tsRecent === undefined ? 4 : 3) : [];

/** Of every segment but the SYN: they are taken from its payload (RFC 9293 §3.7.1). */
function optionOctets(c: TargetConnection): number {
  const blocks = sackBlocks(c).length;
  return (c.tsRecent === undefined ? 0 : 12) + (blocks === 0 ? 0 : 4 + 8 * blocks);
}

export function acknowledge(c: TargetConnection): void {
  transmit(c, 'A', c.sndMax, 0);
}

export function acknowledgeLater(c: TargetConnection): void {
  if (c.ackPending) {
    acknowledge(c);
    return;
  }
  c.ackPending = true;
  c.later(c.script.ackDelay, () => {
    if (c.ackPending) acknowledge(c);
  });
}

/** The retransmission timer: everything since SND.UNA goes again (go-back-N), after ever longer pauses. */
export function arm(c: TargetConnection): void {
  const mine = ++c.timer;
  c.later((RTO * 2 ** Math.min(c.tries, 4)) as Duration, () => {
    if (c.timer !== mine || c.sndUna === c.sndMax) return;
    if (++c.tries > MAX_TRIES) {
      c.isGone = true;
      return;
    }
    c.host.timeouts++;
    if (!c.isEstablished) transmit(c, 'SA', c.iss, 0);
    c.sndNxt = c.isEstablished ? c.sndUna : c.sndNxt;
    pump(c);
    arm(c);
  });
}

/** A router says that nothing longer than `mtu` octets passes (RFC 1191): cut smaller, and send again. */
export function shorten(c: TargetConnection, mtu: number): void {
  const mss = mtu - 40;
  if (mss >= c.mss) return;
  c.mss = mss;
  if (!c.isEstablished) return;
  c.sndNxt = c.sndUna;
  pump(c);
}

/** The window to be advertised, not scaled. */
export function advertised(c: TargetConnection): number {
  const free = Math.max(0, c.script.buffer - c.unread);
  return Math.min(0xffff, Math.floor(free / 2 ** c.shift));
}

export function transmit(c: TargetConnection, flags: string, seq: number, length: number): void {
  const isSyn = flags.includes('S');
  const window = isSyn ? Math.min(0xffff, c.script.buffer) : advertised(c);
  const edge = plus(c.rcvNxt, window * (isSyn ? 1 : 2 ** c.shift));
  if (c.rightEdge === 0 || ahead(edge, c.rightEdge) > 0) c.rightEdge = edge;
  const options: OptionsRecord = isSyn ? { ...c.script.options, mss: c.script.mss } : {};
  if (c.tsRecent === undefined) delete options.timestamps;
  else options.timestamps = [Math.floor(c.host.now / 1000) >>> 0, c.tsRecent];
  const sack = sackBlocks(c);
  if (sack.length > 0) options.sack = sack;
  if (isSyn && !c.sacks) delete options.sackPermitted;
  if (flags.includes('A')) c.ackPending = false;
  emit(c.host, { to: c.script.client, flags, seq, ack: c.rcvNxt, window, options }, length);
}

export interface Header {
  readonly to: Endpoint;
  readonly flags: string;
  readonly seq: number;
  readonly ack: number;
  readonly window: number;
  readonly options: OptionsRecord;
}

/** Sends a segment with `length` octets of payload. */
export function emit(host: TargetHost, header: Header, length: number): void {
  host.send(
    buildPacket({
      ...header,
      from: host.self,
      payload: NOTHING.subarray(0, length),
      urgentPointer: 0,
      ttl: 64,
      trafficClass: 0,
      ipId: 3,
      dontFragment: true,
    }),
  );
}
