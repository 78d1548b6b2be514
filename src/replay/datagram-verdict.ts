/**
 * What became of a captured UDP packet, after the reasons for which it could not be read at all (`PacketError`). All fragments of a
 * datagram that was put together stand where the datagram does.
 */
export const DatagramVerdict = {
  /** Sent to the target, as often as -n says. */
  copied: 0,
  /** For no address and port of -x. */
  unmatched: 1,
  /** Not in the share of -r. */
  notSampled: 2,
  /** From another host while the target is a loopback address, or the reverse. */
  loopback: 3,
  /** Its checksum is wrong: the online server dropped it, too. */
  badChecksum: 4,
  /** IPv6 does not allow that there is none (RFC 8200 §8.1). */
  noChecksum: 5,
  onlineServer: 6,
  /** A fragment whose datagram is not complete yet. */
  waiting: 7,
  /** A fragment whose datagram did not become complete in time. */
  timedOut: 8,
  /** A fragment that had to make room for those of other datagrams. */
  evicted: 9,
  /** A fragment of a datagram whose fragments contradict each other. */
  overlapping: 10,
  /** A fragment that had come before. */
  repeated: 11,
  /** A fragment that no datagram can have. */
  impossible: 12,
  /** A fault of ours. */
  internalError: 13,
  /** As much was sent in this second as may be: a datagram does not wait. */
  overRate: 14,
} as const;
export type DatagramVerdict = (typeof DatagramVerdict)[keyof typeof DatagramVerdict];

/** For people, in the order of the values. */
export const DATAGRAM_VERDICT_NAMES: readonly string[] = [
  'UDP: copied',
  'UDP: no -x matches',
  'UDP: not sampled',
  'UDP: loopback rule',
  'UDP: bad checksum',
  'UDP: no checksum over IPv6',
  'UDP: from the online server',
  'UDP: fragment, others to come',
  'UDP: fragment, others did not come',
  'UDP: fragment, evicted',
  'UDP: fragment, overlapping',
  'UDP: fragment repeated',
  'UDP: impossible fragment',
  'UDP: internal error',
  'UDP: too many in a second',
];
