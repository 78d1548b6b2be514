import {
  DEFAULT_MAX_CONNECTIONS,
  DEFAULT_MAX_CONNECTIONS_PER_PEER,
  DEFAULT_MAX_ROUTES_PER_PEER,
} from '../intercept/peer-limits.ts';
import { DEFAULT_MAX_ROUTES } from '../intercept/route-table.ts';
import { commonOptions } from './options-common.ts';
import type { OptionSpec, ProgramSpec } from './option-spec.ts';
import { DEFAULT_QUEUE_LENGTH } from './queue-config.ts';

const CAPTURE = 'Responses';
const CONTROL = 'Connections from tcpcopy';
const QUEUE = 'Responses from a queue of the firewall';
const PROCESS = 'The process';

const OPTIONS: readonly OptionSpec[] = [
  {
    letter: 'F',
    name: 'filter',
    value: { kind: 'text', argument: 'filter' },
    defaultNote: 'the targets of the tcpcopy that are connected',
    group: CAPTURE,
    doc: "kernel filter in pcap-filter(7) syntax that names the responses of the target, as in 'tcp and src port 80'; needs libpcap",
  },
  {
    letter: 'i',
    name: 'interface',
    value: { kind: 'list', argument: 'list' },
    defaultNote: 'all',
    group: CAPTURE,
    doc: 'network interfaces to capture from, separated by commas; "any" means all',
  },
  {
    letter: 'D',
    name: 'docker',
    value: { kind: 'text', argument: 'a-b' },
    group: CAPTURE,
    doc: 'treat responses to address a as responses to address b; both IPv4',
  },
  {
    name: 'dnat',
    value: { kind: 'flag' },
    group: CAPTURE,
    doc: 'the address of the target changes on the way to it: tell sessions apart without it',
  },
  {
    letter: 's',
    name: 'delay-table',
    value: { kind: 'integer', argument: 'n', min: 1, max: 16777216 },
    group: CAPTURE,
    doc: 'buckets of the table of responses that wait for their route',
    noEffect: 'that table grows by itself here',
  },
  {
    letter: 'p',
    name: 'port',
    value: { kind: 'integer', argument: 'port', min: 1, max: 65535 },
    default: '36524',
    group: CONTROL,
    doc: 'port to wait on for tcpcopy',
  },
  {
    letter: 'b',
    name: 'bind',
    value: { kind: 'text', argument: 'address' },
    defaultNote: 'any',
    group: CONTROL,
    doc: 'local address to wait on for tcpcopy',
  },
  {
    name: 'key-file',
    value: { kind: 'path', argument: 'file' },
    group: CONTROL,
    doc: 'file with the key, 16 octets or more, that a tcpcopy must prove to have before it is served; others must not be able to read it',
  },
  {
    name: 'allow-original',
    value: { kind: 'flag' },
    group: CONTROL,
    doc: 'with --key-file, serve a tcpcopy of the original too, which can prove nothing',
  },
  {
    name: 'tls-cert',
    value: { kind: 'path', argument: 'file' },
    group: CONTROL,
    doc: 'speak TLS 1.3 on the control port, with the certificate (PEM) in this file; a tcpcopy then needs --tls-ca',
  },
  {
    name: 'tls-key',
    value: { kind: 'path', argument: 'file' },
    group: CONTROL,
    doc: 'the private key (PEM) of the certificate of --tls-cert',
  },
  {
    name: 'with-resp-payload',
    value: { kind: 'flag' },
    group: CONTROL,
    doc: 'send the payload of short responses too, to a tcpcopy of the original that was built for it',
  },
  {
    name: 'disable-combined',
    value: { kind: 'flag' },
    group: CONTROL,
    doc: 'send responses one by one, without frames, to a tcpcopy of the original that was built with --disable-combined; for one of ours nothing changes',
  },
  {
    letter: 'n',
    name: 'batch',
    value: { kind: 'integer', argument: 'n', min: 0, max: 65535 },
    group: CONTROL,
    doc: 'first size of the batches of response headers',
    noEffect: 'the size of a batch follows from the load here',
  },
  {
    name: 'max-connections',
    value: { kind: 'integer', argument: 'n', min: 1, max: 65536 },
    default: String(DEFAULT_MAX_CONNECTIONS),
    group: CONTROL,
    doc: 'connections from tcpcopy at once; further ones are refused',
  },
  {
    name: 'max-connections-per-peer',
    value: { kind: 'integer', argument: 'n', min: 1, max: 65536 },
    default: String(DEFAULT_MAX_CONNECTIONS_PER_PEER),
    group: CONTROL,
    doc: 'the same, from one address',
  },
  {
    name: 'max-routes',
    value: { kind: 'integer', argument: 'n', min: 1, max: 16777216 },
    default: String(DEFAULT_MAX_ROUTES),
    group: CONTROL,
    doc: 'sessions registered at once; further ones are refused. One takes about 70 octets',
  },
  {
    name: 'max-routes-per-peer',
    value: { kind: 'integer', argument: 'n', min: 1, max: 16777216 },
    default: String(DEFAULT_MAX_ROUTES_PER_PEER),
    group: CONTROL,
    doc: 'the same, from one address',
  },
  {
    name: 'single',
    value: { kind: 'flag' },
    group: CONTROL,
    doc: 'serve one tcpcopy built with --single: spread all responses over its connections, keep no routes. A tcpcopy that connects later takes the place of the one before',
  },
  {
    letter: 'c',
    name: 'protect',
    value: { kind: 'flag' },
    group: CONTROL,
    doc: 'with --single: refuse a tcpcopy that connects while another is connected',
  },
  {
    name: 'queue',
    value: { kind: 'integer', argument: 'number', min: 0, max: 65535 },
    defaultNote: '0 with -x or -q, else responses are captured',
    group: QUEUE,
    doc: 'take responses from this netfilter queue, into which a rule of the firewall puts them (NFQUEUE), and drop them',
  },
  {
    letter: 'x',
    name: 'pass-through',
    value: { kind: 'list', argument: 'list' },
    group: QUEUE,
    doc: 'let packets in the queue through that go to these addresses, separated by commas',
  },
  {
    letter: 'q',
    name: 'queue-length',
    value: { kind: 'integer', argument: 'n', min: 0, max: 1048576 },
    defaultNote: String(DEFAULT_QUEUE_LENGTH),
    group: QUEUE,
    doc: 'packets that may wait in the queue; further ones are dropped; 0 means the default',
  },
  {
    letter: 't',
    name: 'timeout',
    value: { kind: 'text', argument: 'value' },
    group: CONTROL,
    doc: 'a letter without a meaning',
    refused: 'the original refuses it too, in every build',
  },
];

/** The command on the assistant server. */
export const INTERCEPT: ProgramSpec = {
  name: 'intercept',
  summary: 'Captures the responses of the target server and returns their headers to tcpcopy.',
  usage: 'intercept [options]',
  groups: [CAPTURE, QUEUE, CONTROL, PROCESS],
  options: [...OPTIONS, ...commonOptions('intercept', PROCESS)],
};
