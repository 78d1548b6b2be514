import type { Duration } from '../../base/time.ts';
import type { Endpoint, OptionsRecord } from '../packet.ts';

/** What a target does wrong. */
export const MANNERS = [
  /** Nothing. */
  'polite',
  /** Closes when it has received `badAt` octets, and answers what it has been asked. */
  'closesFirst',
  /** Resets when it has received `badAt` octets. */
  'resets',
  /** Resets when the client's FIN has come. */
  'resetsAtFin',
  /** Is killed when it has received `badAt` octets: whatever comes then is refused. */
  'dies',
  /** Loses its power when it has received `badAt` octets: nothing comes back any more. */
  'vanishes',
  /** No one listens. */
  'refuses',
  /** A firewall: nothing comes back at all. */
  'mute',
  /** Acknowledges all and answers nothing. */
  'neverAnswers',
  /** Its application reads nothing more from `badAt` octets on: the window closes. */
  'stopsReading',
] as const;
export type Manners = (typeof MANNERS)[number];

/** What the target's application does on the connections of one client. */
export interface TargetScript {
  readonly client: Endpoint;
  /** The client's initial sequence number: offsets count from the octet after it. */
  readonly isn: number;
  /** Octets said before any request; 0: the client speaks first. */
  readonly greeting: number;
  /** From the handshake to the greeting. */
  readonly greetingDelay: Duration;
  /** When the stream has reached offset `after`, `response` octets follow, `delay` later. In order. */
  readonly answers: readonly { after: number; response: number; delay: Duration }[];
  readonly mss: number;
  readonly options: OptionsRecord;
  /** Octets of receive buffer. */
  readonly buffer: number;
  /** How long the application leaves received octets in the buffer. */
  readonly readPause: Duration;
  readonly ackDelay: Duration;
  /** SYNs that find the backlog full, and are not answered. */
  readonly ignoredSyns: number;
  readonly manners: Manners;
  /** No request may come before the answer to the one before it was written. */
  readonly takesTurns?: boolean;
  /** Offset at which an ill-mannered target does it. */
  readonly badAt: number;
}

/** A judgement of what the copy did; the run ends with it. */
export class Violation extends Error {
  override name = 'Violation';
}
