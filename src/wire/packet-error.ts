/** Why a packet was not usable: the first of these that applies, in the order in which a packet is read. */
export const PacketError = {
  none: 0,
  /** Shorter than the headers it claims to have. */
  truncated: 1,
  /** Neither 4 nor 6. */
  badVersion: 2,
  /** IPv4 IHL below 5 or beyond the packet. */
  badIpHeaderLength: 3,
  /** The IP length is shorter than the headers. */
  badTotalLength: 4,
  /** A fragment; only whole packets can be copied. */
  fragment: 5,
  /** It carries another protocol than the one that is looked for. */
  notTcp: 6,
  /** IPv6 extension headers that overrun, or more of them than anyone sends. */
  badExtensionHeader: 7,
  /** TCP data offset below 5 or beyond the packet. */
  badDataOffset: 8,
  /** SYN+FIN, SYN+RST or none of SYN, FIN, RST and ACK (RFC 9293 §3.10: no state accepts these from a client). */
  badFlags: 9,
  /** The packet is longer than what was captured of it. */
  cutByCapture: 10,
  /** A UDP length below 8 or beyond the packet. */
  badUdpLength: 11,
} as const;
export type PacketError = (typeof PacketError)[keyof typeof PacketError];

/** For people, to follow "not usable, …". */
export const PACKET_ERROR_TEXT: Readonly<Record<PacketError, string>> = {
  [PacketError.none]: 'nothing wrong',
  [PacketError.truncated]: 'shorter than its headers claim',
  [PacketError.badVersion]: 'neither IPv4 nor IPv6',
  [PacketError.badIpHeaderLength]: 'impossible IPv4 header length',
  [PacketError.badTotalLength]: 'IP length shorter than the headers',
  [PacketError.fragment]: 'a fragment',
  [PacketError.notTcp]: 'not TCP',
  [PacketError.badExtensionHeader]: 'impossible IPv6 extension headers',
  [PacketError.badDataOffset]: 'impossible TCP header length',
  [PacketError.badFlags]: 'impossible TCP flags',
  [PacketError.cutByCapture]: 'cut by the capture',
  [PacketError.badUdpLength]: 'impossible UDP length',
};
