/**
 * What became of a captured packet: each lands in exactly one of these, after the reasons for which a packet could not be read at all
 * (`PacketError`). Their counts add up to the packets that the capture delivered.
 */
export const Verdict = {
  /** A SYN that began a copy. */
  syn: 0,
  /** A SYN that the client sent again. */
  synAgain: 1,
  /** Payload, kept for the target. */
  data: 2,
  /** A FIN without payload. */
  fin: 3,
  reset: 4,
  /** Nothing but an acknowledgement: the copy makes its own. */
  acknowledgement: 5,
  /** Everything in it had been captured before. */
  retransmission: 6,
  /** Its checksum is wrong; the client will send it again. */
  badChecksum: 7,
  /** For no address and port of -x. */
  unmatched: 8,
  /** Not among the connections that -r copies. */
  notSampled: 9,
  /** Of a connection whose beginning was not captured, and without payload. */
  stray: 10,
  /** Of a connection whose copy has ended; nothing in it that the copy had missed. */
  afterEnd: 11,
  /** A limit was met. */
  overLimit: 12,
  /** Every address and port that its copy could have is taken (see -c). */
  noFreePort: 13,
  /** From another host while the target is a loopback address, or the reverse. */
  loopback: 14,
  /** Its sequence number is nowhere near what the client can send. */
  outOfWindow: 15,
  /** Payload of a connection whose beginning was not captured, which -O leaves alone. */
  strayData: 16,
  /** Payload that came after its copy had ended and could not begin another: lost to the target. */
  lostData: 17,
  /** Of the online server: its acknowledgement number has been noted. */
  onlineServer: 18,
  /** The capture has seen the same packet twice, on two interfaces for example: sooner after it than a client sends anything again. */
  seenTwice: 19,
  /** Payload of a connection that a limit, a lack of ports or the loopback rule kept from being copied, when it began or later. */
  leftOut: 20,
  /** More connections began in a second than are to be copied. */
  overRate: 21,
  /** What the copies have to send waits for its turn, and has for long. */
  overLoad: 22,
  /** There is no memory for more copies. */
  overMemory: 23,
} as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

/** For people, in the order of the values. */
export const VERDICT_NAMES: readonly string[] = [
  'connection started',
  'SYN repeated',
  'data',
  'FIN',
  'RST',
  'acknowledgement only',
  'client retransmission',
  'bad checksum',
  'no -x matches',
  'not sampled',
  'connection not seen from its start',
  'copy has ended',
  'limit met',
  'no free address and port',
  'loopback rule',
  'sequence number out of window',
  'data not copied (-O)',
  'data lost: copy has ended',
  'from the online server',
  'same packet seen twice',
  'data of a connection left out',
  'connections begin too fast',
  'too much waits to be sent',
  'memory limit met',
];
