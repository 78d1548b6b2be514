import { connect, type TLSSocket } from 'node:tls';
import type { ByteStream } from '../ports/stream.ts';
import { formatEndpoint, type IpAddress } from '../wire/address.ts';
import { DEFAULT_BACKLOG_LIMIT } from './tcp-stream.ts';
import { TlsStream } from './tls-stream.ts';

export interface TlsClientOptions {
  /** The name or address that the certificate must be made out to, as the person wrote it. */
  readonly host: string;
  /** Certificates, in PEM, that may have signed the peer's. */
  readonly trusted: string;
}

/** Certificates and names are for people: each refusal says what to look at. */
const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the host is up, but nothing listens on that port, or a firewall rejects us',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS: was intercept started with --tls-cert?',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is made out to another name or address',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not among those of --tls-ca',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not signed by one of --tls-ca',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not signed by one of --tls-ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is not signed by one of --tls-ca',
  CERT_SIGNATURE_FAILURE: 'its certificate is not signed by one of --tls-ca',
  CERT_HAS_EXPIRED: 'renew the certificate of intercept',
  CERT_NOT_YET_VALID: 'look at the clocks of both hosts',
  // Node's word for a peer that closes in the middle of the handshake.
  ECONNRESET:
    'does it speak TLS? An intercept that does is started with --tls-cert, and its log says why it refuses',
};

/** Connects over TLS 1.3 within `timeoutMs` milliseconds; `limit`: octets that may wait for a slow peer. Rejects with an `Error` whose message says why, `code` set where there is one, `answered` true when the host had accepted the connection. */
export function connectTls(
  address: IpAddress,
  port: number,
  timeoutMs: number,
  options: TlsClientOptions,
  limit: number = DEFAULT_BACKLOG_LIMIT,
): Promise<ByteStream> {
  const peer = formatEndpoint(address, port);
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({
      host: address.toString(),
      port,
      ca: options.trusted,
      minVersion: 'TLSv1.3',
      // A server name must not be an address (RFC 6066 §3); the certificate is checked against `host` either way.
      ...(options.host === address.toString() ? {} : { servername: options.host }),
    });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(refusal(peer, 'ETIMEDOUT', `no answer within ${timeoutMs} ms`));
    }, timeoutMs);
    let answered = false;
    socket.once('connect', () => {
      answered = true;
    });
    const failed = (error: NodeJS.ErrnoException): void => {
      clearTimeout(timer);
      reject(Object.assign(refusal(peer, error.code, error.message), { answered }));
    };
    socket.once('error', failed);
    socket.once('secureConnect', () => {
      clearTimeout(timer);
      socket.removeListener('error', failed);
      resolve(new TlsStream(socket, peer, limit));
    });
  });
}

function refusal(peer: string, code: string | undefined, text: string): Error {
  const hint = code === undefined ? undefined : HINTS[code];
  const reason = hint === undefined ? text : `${text}; ${hint}`;
  return Object.assign(new Error(`Cannot connect to ${peer} over TLS: ${reason}`), { code });
}
