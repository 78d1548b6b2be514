import type { Memory } from '../base/memory.ts';

/** What the first octets of a stream look like. */
export const Protocol = {
  unknown: 0,
  http: 1,
  http2: 2,
  /** Every version, and SSL 3 (RFC 8446 §5.1). */
  tls: 3,
  redis: 4,
  memcached: 5,
  postgres: 6,
  /** Its server speaks first. */
  mysql: 7,
  ssh: 8,
  mongo: 9,
  mqtt: 10,
  /** Questions and answers behind their length (RFC 1035 §4.2.2). */
  dns: 11,
} as const;
export type Protocol = (typeof Protocol)[keyof typeof Protocol];

/** For people, in the order of the values. */
export const PROTOCOL_NAMES: readonly string[] = [
  'of an unknown protocol',
  'HTTP/1',
  'HTTP/2',
  'TLS',
  'Redis',
  'memcached',
  'PostgreSQL',
  'MySQL',
  'SSH',
  'MongoDB',
  'MQTT',
  'DNS',
];

/** Texts that a client begins with; enough of each to tell it from others. */
const OPENINGS: readonly (readonly [Protocol, readonly string[]])[] = [
  [Protocol.http2, ['PRI * HTTP/2']],
  [
    Protocol.http,
    [
      'GET /',
      'GET http',
      'POST ',
      'HEAD ',
      'PUT ',
      'DELETE ',
      'OPTIONS ',
      'PATCH ',
      'CONNECT ',
      'TRACE ',
    ],
  ],
  [Protocol.ssh, ['SSH-']],
  [Protocol.redis, ['*1\r\n', '*2\r\n', '*3\r\n', '*4\r\n', '*5\r\n', '*6\r\n', 'PING\r\n']],
  [
    Protocol.memcached,
    [
      'get ',
      'gets ',
      'set ',
      'add ',
      'replace ',
      'delete ',
      'incr ',
      'decr ',
      'stats',
      'version\r\n',
      'mg ',
      'ms ',
    ],
  ],
];

const SSL_REQUEST = 80_877_103;
const GSS_REQUEST = 80_877_104;
const POSTGRES_3 = 196_608;
/** HandshakeV10 of MySQL and MariaDB. */
const MYSQL_HANDSHAKE = 10;
const MEMCACHED_REQUEST = 0x80;
const TLS_HANDSHAKE = 0x16;

/** Guesses by the first `length` octets at `offset` that a client sent; for people, so a wrong guess does no harm. */
export function guessProtocol(memory: Memory, offset: number, length: number): Protocol {
  for (const [protocol, texts] of OPENINGS) {
    if (texts.some((text) => beginsWith(memory, offset, length, text))) return protocol;
  }
  return length < 8 ? Protocol.unknown : guessBinary(memory, offset, length);
}

function guessBinary({ view }: Memory, at: number, length: number): Protocol {
  const first = view.getUint8(at);
  if (first === TLS_HANDSHAKE && view.getUint8(at + 1) === 3) return Protocol.tls;
  const word = view.getUint32(at + 4);
  const isStart = word === POSTGRES_3 || word === SSL_REQUEST || word === GSS_REQUEST;
  if (isStart && view.getUint32(at) <= length) return Protocol.postgres;
  if (first === MEMCACHED_REQUEST && length >= 24 && view.getUint8(at + 5) === 0) {
    return Protocol.memcached;
  }
  // An opcode of the wire protocol behind its length, both little-endian.
  if (length >= 16 && view.getUint32(at, true) === length) {
    const opcode = view.getUint32(at + 12, true);
    if (opcode === 2013 || opcode === 2004) return Protocol.mongo;
  }
  if (first === 0x10 && length >= 10 && isMqtt(view, at)) return Protocol.mqtt;
  return view.getUint16(at) === length - 2 && length >= 19 ? Protocol.dns : Protocol.unknown;
}

/** The variable header of CONNECT begins with the name, "MQTT" or "MQIsdp" (MQTT 5.0 §3.1.2.1). */
const isMqtt = (view: DataView, at: number): boolean =>
  [4, 5].some((skip) => view.getUint8(at + skip) === 0x4d && view.getUint8(at + skip + 1) === 0x51);

/** The same of a server that speaks first. */
export function guessGreeting({ view }: Memory, at: number, length: number): Protocol {
  if (length < 8) return Protocol.unknown;
  if (view.getUint32(at) === 0x5353_482d) return Protocol.ssh;
  const isWhole = (view.getUint32(at, true) & 0xff_ffff) + 4 === length;
  const isHandshake = view.getUint8(at + 3) === 0 && view.getUint8(at + 4) === MYSQL_HANDSHAKE;
  return isWhole && isHandshake ? Protocol.mysql : Protocol.unknown;
}

function beginsWith(memory: Memory, at: number, length: number, text: string): boolean {
  if (length < text.length) return false;
  for (let i = 0; i < text.length; i++) {
    if (memory.bytes[at + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}
