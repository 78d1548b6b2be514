/** TCP header fields (RFC 9293 §3.1): octet offsets from the start of the header. */
export const TCP = {
  sourcePort: 0,
  destinationPort: 2,
  seq: 4,
  ack: 8,
  /** Upper four bits: header length in 32-bit words. */
  dataOffset: 12,
  flags: 13,
  window: 14,
  checksum: 16,
  urgentPointer: 18,
} as const;

/** Length of a header without options, in octets. */
export const TCP_HEADER_LENGTH = 20;
export const IPPROTO_TCP = 6;

/** Control bits. */
export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;
export const URG = 0x20;
