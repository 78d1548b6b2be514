/**
 * Numbers of the Linux kernel's interface. They are the same on every 64-bit little-endian machine that Node supports
 * (x64, arm64, riscv64, loong64), which `libc.ts` checks at its start.
 */

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;

export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0x800;
export const SOCK_CLOEXEC = 0x8_0000;

export const IPPROTO_IP = 0;
export const IPPROTO_TCP = 6;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_RAW = 255;

/** Of AF_NETLINK. */
export const NETLINK_NETFILTER = 12;

export const SOL_SOCKET = 1;
export const SOL_PACKET = 263;

export const SO_REUSEADDR = 2;
export const SO_ERROR = 4;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_BINDTODEVICE = 25;
export const SO_ATTACH_FILTER = 26;
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
export const SO_TIMESTAMPNS = 35;
export const SO_KEEPALIVE = 9;

export const TCP_NODELAY = 1;
export const TCP_KEEPIDLE = 4;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const IP_HDRINCL = 3;
export const IP_RECVERR = 11;
export const IP_MTU = 14;
export const IPV6_V6ONLY = 26;
export const IPV6_MTU = 24;
export const IPV6_RECVERR = 25;

export const PACKET_STATISTICS = 6;
export const PACKET_AUXDATA = 8;
export const PACKET_ADD_MEMBERSHIP = 1;
export const PACKET_MR_PROMISC = 1;
export const PACKET_IGNORE_OUTGOING = 23;

/** `tp_status`: the transport checksum is not filled in yet. */
export const TP_STATUS_CSUMNOTREADY = 0x08;
/** `tp_status`: the transport checksum has been verified. */
export const TP_STATUS_CSUM_VALID = 0x80;

export const ETH_P_ALL = 0x0003;
export const ETH_P_IP = 0x0800;
export const ETH_P_IPV6 = 0x86dd;

export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_ERRQUEUE = 0x2000;
export const MSG_NOSIGNAL = 0x4000;

export const CLOCK_MONOTONIC = 1;
/** Of timerfd_create; the close-on-exec and non-blocking bits are those of open. */
export const TFD_NONBLOCK = 0x800;
export const TFD_CLOEXEC = 0x8_0000;

export const LOCK_EX = 2;
export const LOCK_NB = 4;
