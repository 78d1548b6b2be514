import { commonOptions } from './options-common.ts';
import { fileOptions } from './options-files.ts';
import { limitOptions } from './options-limits.ts';
import type { OptionSpec, ProgramSpec } from './option-spec.ts';

const COPY = 'What is copied, and where to';
const CLIENTS = 'Client addresses and ports';
const CONTROL = 'Connections to intercept';
const SESSIONS = 'Copied connections';
const LIMITS = 'Limits';
const CAPTURE = 'Capture and sending';
const FILES = 'Reading from a capture file';
const PROCESS = 'The process';

const COPY_OPTIONS: readonly OptionSpec[] = [
  {
    letter: 'x',
    name: 'transfer',
    value: { kind: 'list', argument: 'list' },
    group: COPY,
    doc: 'required: pairs [HOST:]PORT-HOST:PORT, online server to target server, separated by commas; a host is an address or a name; without one the port of every local address is meant; the first pair that fits a packet wins; IPv6 in brackets, as in 80-[fd00::2]:80',
  },
  {
    letter: 'r',
    name: 'percentage',
    value: { kind: 'percentage', argument: 'percent' },
    default: '100',
    changeable: true,
    group: COPY,
    doc: 'copy this share of the connections, which may be a fraction such as 0.5, chosen by client address and port; 0 means all, as 100 does',
  },
  {
    letter: 'g',
    name: 'gradual',
    value: { kind: 'flag' },
    changeable: true,
    group: COPY,
    doc: 'begin with 1 % of the share of -r, and raise it evenly for 100 seconds until it is whole; what counts is when a connection begins',
  },
  {
    name: 'gradual-time',
    value: { kind: 'integer', argument: 'seconds', min: 1, max: 604800 },
    default: '100',
    changeable: true,
    group: COPY,
    doc: 'as -g, but so long until the share is whole',
  },
  {
    name: 'gradual-shape',
    value: { kind: 'choice', argument: 'shape', choices: ['linear', 'exponential'] },
    default: 'linear',
    changeable: true,
    group: COPY,
    doc: 'as -g, and add the same amount each second (linear), or multiply by the same factor (exponential), which spends more time at small shares',
  },
  {
    letter: 'n',
    name: 'copies',
    value: { kind: 'decimal', argument: 'n', min: 0, max: 1023 },
    default: '1',
    group: COPY,
    doc: 'copies of each connection; with a fraction such as 1.5 a part of them, here half, has one more; 0 means 1; below 1 is for -r',
  },
  {
    name: 'spread',
    value: { kind: 'integer', argument: 'ms', min: 0, max: 3_600_000 },
    default: '5000',
    group: COPY,
    doc: 'time within which the copies of a connection begin (-n): one every 50 ms, or as much faster as it takes; 0: all at once',
  },
  {
    letter: 'O',
    name: 'only-new',
    value: { kind: 'flag' },
    group: COPY,
    doc: 'copy only connections whose SYN was captured, none that were open before the start',
  },
  {
    name: 'udp',
    value: { kind: 'flag' },
    group: COPY,
    doc: 'copy also the UDP datagrams that arrive at the addresses and ports of -x; what the target answers is neither needed nor waited for',
  },
];

const CLIENT_OPTIONS: readonly OptionSpec[] = [
  {
    letter: 'c',
    name: 'client-address',
    value: { kind: 'list', argument: 'list' },
    group: CLIENTS,
    doc: 'addresses that the copies come from, separated by commas: one address, 62.135.200.x for 1 to 254, or a prefix such as 10.9.0.0/24 or fd01::/112; at most 65536; without it copies keep the address of the client',
  },
  {
    letter: 'f',
    name: 'port-shift',
    value: { kind: 'integer', argument: 'n', min: 0, max: 31 },
    group: CLIENTS,
    default: '0',
    doc: 'take the ports of the copies from the 2048 that begin with 2048 times this number, so that several tcpcopy, each with another number, can feed one target from the same addresses; 0 takes all ports from 1024 on, and leaves the first copy the port of the client',
  },
  {
    letter: 'H',
    name: 'localhost-address',
    value: { kind: 'text', argument: 'address' },
    group: CLIENTS,
    doc: 'IPv4 source address for copies of connections that come from a loopback address and go to another host; -c goes before it',
  },
];

const CONTROL_OPTIONS: readonly OptionSpec[] = [
  {
    letter: 's',
    name: 'intercept',
    value: { kind: 'list', argument: 'list' },
    group: CONTROL,
    doc: 'required: hosts where intercept runs, HOST[:PORT] separated by commas, at most 32; all must answer at the start',
  },
  {
    letter: 'p',
    name: 'port',
    value: { kind: 'integer', argument: 'port', min: 1, max: 65535 },
    default: '36524',
    group: CONTROL,
    doc: 'control port of the -s hosts that name none',
  },
  {
    letter: 'C',
    name: 'connections',
    value: { kind: 'integer', argument: 'n', min: 1, max: 11, clamped: true },
    default: '2',
    group: CONTROL,
    doc: 'connections to each intercept, 1 to 11',
  },
  {
    letter: 'L',
    name: 'lonely',
    value: { kind: 'flag' },
    group: CONTROL,
    doc: 'go on without any intercept, also of the original, and connect again when one is back; between two of ours this is always so',
  },
  {
    name: 'key-file',
    value: { kind: 'path', argument: 'file' },
    group: CONTROL,
    doc: 'file with the key, 16 octets or more, that intercept must prove to have as we do; others must not be able to read it',
  },
  {
    name: 'tls-ca',
    value: { kind: 'path', argument: 'file' },
    group: CONTROL,
    doc: 'speak TLS 1.3 with intercept; the file holds the certificates (PEM) that may vouch for its own',
  },
  {
    name: 'with-resp-payload',
    value: { kind: 'flag' },
    group: CONTROL,
    doc: 'the intercept is an original built with --with-resp-payload: read its longer messages',
  },
  {
    name: 'disable-combined',
    value: { kind: 'flag' },
    group: CONTROL,
    doc: 'the intercept is an original built with --disable-combined: read its responses one by one, without frames; with one of ours nothing changes',
  },
  {
    name: 'single',
    value: { kind: 'flag' },
    group: CONTROL,
    doc: 'register no sessions: the intercept runs with --single and shares its responses among our connections',
  },
];

const SESSION_OPTIONS: readonly OptionSpec[] = [
  {
    letter: 'M',
    name: 'mtu',
    value: { kind: 'integer', argument: 'octets', min: 576, max: 65535 },
    default: '1500',
    group: SESSIONS,
    doc: 'largest packet towards the target, IP header included, 576 to 65535; larger captured pieces are cut',
  },
  {
    letter: 'D',
    name: 'mss',
    value: { kind: 'integer', argument: 'octets', min: 88, max: 65495 },
    default: '1460',
    group: SESSIONS,
    doc: 'maximum segment size announced in a SYN that no client sent (a connection open before the start), 88 to 65495',
  },
  {
    letter: 'W',
    name: 'dont-wait',
    value: { kind: 'flag' },
    group: SESSIONS,
    doc: 'do not hold a request back until the target has answered the one before it',
  },
  {
    name: 'no-latency',
    value: { kind: 'flag' },
    group: SESSIONS,
    doc: "simulate neither the clients' round trips nor the time they think: requests leave as soon as the answer before is complete, acknowledgements at once",
  },
  {
    letter: 't',
    name: 'session-timeout',
    value: { kind: 'integer', argument: 'seconds', min: 1, max: 604800 },
    default: '600',
    group: SESSIONS,
    doc: 'give up a copied connection that has waited this long for the target',
  },
  {
    letter: 'k',
    name: 'keepalive-timeout',
    value: { kind: 'integer', argument: 'seconds', min: 1, max: 604800 },
    defaultNote: '-t + 120',
    group: SESSIONS,
    doc: 'give up a copied connection that has had nothing to send for this long',
  },
  {
    letter: 'R',
    name: 'default-rtt',
    value: { kind: 'integer', argument: 'ms', min: 0, max: 65535 },
    group: SESSIONS,
    defaultNote: '0, measured',
    doc: 'take this for the round-trip time of every client in place of the measured one',
  },
  {
    letter: 'm',
    name: 'memory-limit',
    value: { kind: 'integer', argument: 'MB', min: 128, max: 1_048_576 },
    default: '1024',
    group: SESSIONS,
    doc: 'most memory that the process may take, 128 or more, since the program itself needs some 90; when it runs short no connection is begun, and the copies that began last are let go of',
  },
  {
    letter: 'U',
    name: 'session-block',
    value: { kind: 'integer', argument: 'KB', min: 0, max: 65535 },
    group: SESSIONS,
    doc: 'size of the memory blocks of a session',
    noEffect: 'memory is not taken in blocks here',
  },
];

const CAPTURE_OPTIONS: readonly OptionSpec[] = [
  {
    letter: 'i',
    name: 'interface',
    value: { kind: 'list', argument: 'list' },
    defaultNote: 'all',
    group: CAPTURE,
    doc: 'network interfaces to capture from, separated by commas; "any" means all',
  },
  {
    letter: 'F',
    name: 'filter',
    value: { kind: 'text', argument: 'filter' },
    defaultNote: 'made from -x',
    group: CAPTURE,
    doc: 'kernel filter in pcap-filter(7) syntax in place of the one made from -x; packets must fit -x as well; needs libpcap',
  },
  {
    letter: 'B',
    name: 'capture-buffer',
    value: { kind: 'integer', argument: 'MB', min: 1, max: 2047 },
    group: CAPTURE,
    defaultNote: '64',
    doc: 'size of the kernel buffer of the capture, for each of its sockets; beyond net.core.rmem_max it takes CAP_NET_ADMIN',
  },
  {
    letter: 'S',
    name: 'snap-length',
    value: { kind: 'integer', argument: 'octets', min: 64, max: 65535 },
    group: CAPTURE,
    defaultNote: 'whole packets',
    doc: 'octets captured of each packet, from its IP header on, 64 to 65535; longer packets are counted, and not copied',
  },
  {
    letter: 'o',
    name: 'output-interface',
    value: { kind: 'text', argument: 'interface' },
    group: CAPTURE,
    doc: 'send copies through this interface, past firewall and connection tracking of this host; the next hop is found out, or named in -x: SOURCE@MAC-TARGET@MAC',
  },
  {
    name: 'direction',
    value: { kind: 'choice', argument: 'direction', choices: ['in', 'out'] },
    default: 'in',
    group: CAPTURE,
    doc: 'copy the connections that come to this host (in), or those that it makes to the servers of -x (out)',
  },
];

/** The command on the online server. */
export const TCPCOPY: ProgramSpec = {
  name: 'tcpcopy',
  summary: 'Copies the live TCP connections of this server to a target server under test.',
  usage: 'tcpcopy -x <list> -s <list> [options]',
  groups: [COPY, CLIENTS, CONTROL, SESSIONS, LIMITS, CAPTURE, FILES, PROCESS],
  options: [
    ...COPY_OPTIONS,
    ...CLIENT_OPTIONS,
    ...CONTROL_OPTIONS,
    ...SESSION_OPTIONS,
    ...limitOptions(LIMITS),
    ...CAPTURE_OPTIONS,
    ...fileOptions(FILES),
    ...commonOptions('tcpcopy', PROCESS),
  ],
};
