import { millis } from '../../base/time.ts';
import type { TargetConnection } from './connection.ts';
import { type TargetScript, Violation } from './script.ts';
import { ahead } from './sequence.ts';
import { emit, pump } from './send.ts';

/** From the peer's FIN, and the last answer, to one's own. */
const CLOSING = millis(2);

/** The handshake is over. */
export function greet(c: TargetConnection): void {
  const { greeting, greetingDelay, isn } = c.script;
  if (greeting === 0 || c.irs !== isn >>> 0) return;
  c.later(greetingDelay, () => {
    write(c, greeting);
    pump(c);
  });
}

/** Something new has come: the application answers, or misbehaves. */
export function application(c: TargetConnection): void {
  const { manners, badAt } = c.script;
  const { offset } = c;
  const isBad = offset >= badAt && badAt > 0;
  if ((manners === 'resets' && isBad) || (manners === 'resetsAtFin' && c.peerFin)) {
    const { client } = c.script;
    const header = { flags: 'RA', seq: c.sndMax, ack: c.rcvNxt, window: 0, options: {} };
    emit(c.host, { ...header, to: client }, 0);
  }
  if (isGone(c, isBad)) {
    c.isGone = true;
    return;
  }
  checkTurn(c, offset);
  if (manners !== 'neverAnswers') answerUpTo(c, offset);
  if (c.peerFin) closeWhenAnswered(c);
  else if (manners === 'closesFirst' && offset >= badAt) {
    c.later(millis(1), () => close(c));
  }
}

function isGone({ script, peerFin }: TargetConnection, isBad: boolean): boolean {
  if (script.manners === 'resetsAtFin') return peerFin;
  const { manners } = script;
  return isBad && (manners === 'resets' || manners === 'dies' || manners === 'vanishes');
}

function checkTurn(c: TargetConnection, offset: number): void {
  const { takesTurns, answers } = c.script;
  const { after } = answers[c.answersWritten] ?? { after: offset };
  if (takesTurns && offset > after) {
    throw new Violation(`request ${c.answersWritten + 2} overtakes the answer to the one before`);
  }
}

function answerUpTo(c: TargetConnection, offset: number): void {
  const { answers, isn } = c.script;
  // What a former connection brought was answered there, or never.
  const first = ahead(c.irs, isn >>> 0);
  for (; c.answered < answers.length; c.answered++) {
    const answer = answers[c.answered] as TargetScript['answers'][number];
    if (answer.after > offset) break;
    if (answer.after <= first) continue;
    c.answersPending++;
    c.later(answer.delay, () => {
      write(c, answer.response);
      c.answersWritten++;
      c.answersPending--;
      pump(c);
      if (c.peerFin) closeWhenAnswered(c);
    });
  }
}

function write(c: TargetConnection, octets: number): void {
  if (c.finWritten || octets === 0) return;
  c.written += octets;
  c.pushes.add(c.written);
}

/** The peer may have closed its half only: what it has asked is answered first. */
function closeWhenAnswered(c: TargetConnection): void {
  if (c.answersPending === 0) c.later(CLOSING, () => close(c));
}

function close(c: TargetConnection): void {
  if (c.finWritten) return;
  c.finWritten = true;
  c.closedFirst = !c.peerFin;
  pump(c);
}
