import { addTime, type Duration, type Instant, NEVER, seconds } from '../base/time.ts';

/** A tcpcopy says who it is as soon as it is connected. */
export const FIRST_MESSAGE: Duration = seconds(10);
/** A message, once begun, comes whole. */
export const WHOLE_MESSAGE: Duration = seconds(10);
/** How long responses may find no room because a peer does not read. */
export const READING: Duration = seconds(30);

/** What a connection has taken too long for; a sentence fragment for messages. */
export type Overdue =
  | 'it said nothing that tcpcopy says for 10 s'
  | 'a message that it began was not complete after 10 s'
  | 'it has not read what it is sent for 30 s';

/** How long to bear with one connection: what it must do, and until when. */
export class PeerPatience {
  #firstBy: Instant;
  #wholeBy: Instant = NEVER;
  #readBy: Instant = NEVER;
  #messages = 0;

  constructor(now: Instant) {
    this.#firstBy = addTime(now, FIRST_MESSAGE);
  }

  /** When `overdue` is to be asked; `NEVER` when the connection has nothing to make good. */
  get deadline(): Instant {
    return Math.min(this.#firstBy, this.#wholeBy, this.#readBy) as Instant;
  }

  /**
   * Octets were read: `messages` are complete by now, since the connection began, another has begun or not, and the peer has
   * said, or proved, who it is or not.
   */
  heard(now: Instant, messages: number, isMidMessage: boolean, isReady: boolean): void {
    if (isReady) this.#firstBy = NEVER;
    if (!isMidMessage) this.#wholeBy = NEVER;
    else if (this.#wholeBy === NEVER || messages > this.#messages) {
      this.#wholeBy = addTime(now, WHOLE_MESSAGE);
    }
    this.#messages = messages;
  }

  /** Octets were offered to it, and the connection took them or had no room for them. */
  offered(now: Instant, taken: boolean): void {
    if (taken) this.#readBy = NEVER;
    else if (this.#readBy === NEVER) this.#readBy = addTime(now, READING);
  }

  /** What is overdue at `now`, if anything is. */
  overdue(now: Instant): Overdue | undefined {
    if (this.#firstBy <= now) return 'it said nothing that tcpcopy says for 10 s';
    if (this.#wholeBy <= now) return 'a message that it began was not complete after 10 s';
    return this.#readBy <= now ? 'it has not read what it is sent for 30 s' : undefined;
  }
}
