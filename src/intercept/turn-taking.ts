import { type Duration, type Instant, millis } from '../base/time.ts';
import type { PacketView } from '../wire/packet-view.ts';

/** Connections told apart; a power of two. Two that share an entry make each other look quicker than they are, no worse. */
const ENTRIES = 4096;
/** Answers on one connection that follow each other within this time are turns of a conversation that waits for us. */
const QUICK: Duration = millis(4);

/**
 * Tells whether the connections that answer do so in quick turns. A client that sends its next request as soon as it has the
 * answer is copied at the rate at which answers come back to its copy, so that every delay of ours makes the copy fall
 * behind; where a connection pauses between requests, a millisecond does not matter.
 */
export class TurnTaking {
  /** When an answer of a connection was seen last. */
  readonly #last = new Float64Array(ENTRIES).fill(Number.NEGATIVE_INFINITY);
  #answers = 0;
  #quick = 0;

  /** A response has been captured. */
  note(now: Instant, p: PacketView): void {
    if (p.payloadLength === 0) return;
    const entry = (p.destinationPort ^ p.dst3 ^ (p.dst3 >>> 12)) & (ENTRIES - 1);
    this.#answers++;
    if (now - (this.#last[entry] as number) < QUICK) this.#quick++;
    this.#last[entry] = now;
  }

  /** Whether most of the answers since the last call came in quick turns. */
  take(): boolean {
    const isQuick = this.#quick * 2 > this.#answers;
    this.#answers = this.#quick = 0;
    return isQuick;
  }
}
