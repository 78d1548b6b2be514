import { seconds } from '../../base/time.ts';
import { patternAt } from '../dialogue.ts';
import type { Packet } from '../packet.ts';
import { application, greet } from './application.ts';
import type { TargetConnection } from './connection.ts';
import { Violation } from './script.ts';
import { acknowledge, acknowledgeLater, advertised, arm, emit, pump } from './send.ts';
import { ahead, plus } from './sequence.ts';

/** 2 MSL, as Linux has it. */
const TIME_WAIT = seconds(60);

/** A segment for a connection that is there (RFC 9293 §3.10.7.4). */
export function receive(c: TargetConnection, p: Packet): void {
  const length = p.payload.length + (p.flags.includes('F') ? 1 : 0);
  judge(c, p, length);
  if (p.flags.includes('R')) {
    if (p.seq === c.rcvNxt) c.isGone = true;
    else if (ahead(p.seq, c.rcvNxt) > 0) acknowledge(c);
    return;
  }
  if (c.isTimeWait) {
    if (length > 0) acknowledge(c);
    return;
  }
  if (!isOfThis(c, p)) return;
  if (ahead(p.ack, c.sndUna) > 0) receiveAck(c, p);
  c.peerWindow = p.window * 2 ** c.peerShift;
  if (p.options.timestamps && c.tsRecent !== undefined && ahead(p.seq, c.rcvNxt) <= 0) {
    if (ahead(p.options.timestamps[0], c.tsRecent) >= 0) c.tsRecent = p.options.timestamps[0];
  }
  if (length > 0) receiveText(c, p);
  else if (ahead(p.seq, c.rcvNxt) < 0) acknowledge(c); // A probe: not acceptable, so answered (RFC 9293 §3.10.7.4).
  pump(c);
}

/** Whether it acknowledges what this connection has sent; late segments of a former one do not, and are answered. */
function isOfThis(c: TargetConnection, p: Packet): boolean {
  if (c.hasSent(p.ack) && (c.isEstablished || p.ack !== c.iss)) return true;
  if (c.isEstablished) acknowledge(c);
  else {
    const header = { to: p.from, flags: 'R', seq: p.ack, ack: 0, window: 0, options: {} };
    emit(c.host, header, 0);
  }
  return false;
}

/** What every segment of a copy must keep to. */
function judge(c: TargetConnection, p: Packet, length: number): void {
  const end = plus(p.seq, length);
  const isLate = p.flags.includes('R') || c.former.some((f) => f.hasSent(p.ack));
  if (p.flags.includes('A') && !isLate && ahead(p.ack, c.sndMax) > 0) {
    throw new Violation(`acknowledges ${p.ack}, of which only ${c.sndMax} was sent`);
  }
  // What comes late from a former connection kept to the limits of that one.
  const isOurs = c.hasSent(p.ack);
  if (isOurs && length > 0 && ahead(end, c.rightEdge) > 0) {
    throw new Violation(`sends up to ${end}, the window ends at ${c.rightEdge}`);
  }
  const options = p.options.timestamps ? 12 : 0;
  if (isOurs && p.payload.length + options > c.script.mss) {
    throw new Violation(`${p.payload.length} octets with an MSS of ${c.script.mss}`);
  }
  for (let i = 0; i < p.payload.length; i++) {
    if (p.payload[i] === patternAt((p.seq + i) | 0)) continue;
    throw new Violation(`octet ${plus(p.seq, i)} is not the client's`);
  }
}

function receiveAck(c: TargetConnection, p: Packet): void {
  c.sndUna = p.ack;
  if (ahead(c.sndNxt, c.sndUna) < 0) c.sndNxt = c.sndUna;
  c.tries = 0;
  c.timer++;
  if (!c.isEstablished) {
    c.isEstablished = true;
    greet(c);
  }
  if (c.finWritten && ahead(p.ack, plus(c.iss, 1 + c.end)) >= 0) c.finAcked = true;
  if (c.finAcked && c.peerFin) leave(c);
  else if (c.sndUna !== c.sndMax) arm(c);
}

function receiveText(c: TargetConnection, p: Packet): void {
  if (ahead(p.seq, c.rcvNxt) > 0) {
    c.early.set(p.seq, p);
    c.latestEarly = p.seq;
    acknowledge(c);
    return;
  }
  const before = c.rcvNxt;
  take(c, p);
  for (let found = true; found; ) {
    found = false;
    for (const [seq, early] of c.early) {
      if (ahead(seq, c.rcvNxt) > 0) continue;
      c.early.delete(seq);
      take(c, early);
      found = true;
    }
  }
  if (c.rcvNxt === before || c.peerFin || c.script.ackDelay === 0) acknowledge(c);
  else acknowledgeLater(c);
  if (c.finAcked && c.peerFin) leave(c);
  else if (c.rcvNxt !== before) application(c);
}

function take(c: TargetConnection, p: Packet): void {
  const end = plus(p.seq, p.payload.length);
  const fresh = ahead(end, c.rcvNxt);
  if (fresh > 0) {
    checkNew(c);
    c.rcvNxt = end;
    hold(c, fresh);
  }
  if (p.flags.includes('F') && end === c.rcvNxt && !c.peerFin) {
    c.peerFin = true;
    c.rcvNxt = plus(c.rcvNxt, 1);
  }
}

/** What was received on a former connection must not come again on another. */
function checkNew(c: TargetConnection): void {
  for (const { offset, script } of c.former) {
    if (script !== c.script || c.offset >= offset) continue;
    throw new Violation(
      `sends again from ${c.offset}, after ${offset} octets on another connection`,
    );
  }
}

/** The application reads after a while; until then the window is smaller. */
function hold(c: TargetConnection, octets: number): void {
  const { readPause, manners, badAt } = c.script;
  const hasStopped = manners === 'stopsReading' && c.offset > badAt;
  if (hasStopped) c.unread += octets;
  if (readPause === 0 || hasStopped) return;
  c.unread += octets;
  c.later(readPause, () => {
    const wasClosed = advertised(c) === 0;
    c.unread -= octets;
    if (wasClosed && c.host.random.chance(0.8)) acknowledge(c);
  });
}

/** Both sides have closed. Whoever closed first remembers the connection for a while. */
function leave(c: TargetConnection): void {
  if (!c.closedFirst) {
    c.isGone = true;
    return;
  }
  c.isTimeWait = true;
  c.later(TIME_WAIT, () => {
    c.isGone = true;
  });
}
