import { createServer, type TLSSocket } from 'node:tls';
import type { ByteStream } from '../ports/stream.ts';
import { formatEndpoint, parseAddress } from '../wire/address.ts';
import type { IpAddress } from '../wire/address.ts';
import type { Listener } from './tcp-listener.ts';
import { TlsStream } from './tls-stream.ts';

export interface TlsListenOptions {
  /** Absent: all addresses of both families. */
  readonly address?: IpAddress;
  readonly port: number;
  readonly backlog: number;
  /** Our certificate, and those between it and a trusted one, in PEM. */
  readonly certificate: string;
  /** The key of the certificate, in PEM. */
  readonly key: string;
  readonly onConnection: (stream: ByteStream) => void;
  /** A peer has connected and could not agree on TLS with us. */
  readonly onRefused: (peer: string, reason: string) => void;
}

/** Time for a peer to complete the TLS handshake, in milliseconds. */
const HANDSHAKE_TIMEOUT_MS = 5000;
/** Handshakes at once: each costs memory and CPU before the peer has proved anything. */
const MAX_HANDSHAKES = 64;

/** Listens for TLS 1.3. Rejects with what the system or the certificate is to blame for. */
export function listenTls(options: TlsListenOptions): Promise<Listener> {
  let handshakes = 0;
  const server = createServer({
    cert: options.certificate,
    key: options.key,
    minVersion: 'TLSv1.3',
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  });
  server.on('connection', (socket) => {
    handshakes++;
    socket.once('close', () => handshakes--);
    if (handshakes > MAX_HANDSHAKES) socket.destroy();
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    handshakes--;
    socket.once('close', () => handshakes++);
    options.onConnection(new TlsStream(socket, peerOf(socket)));
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    options.onRefused(peerOf(socket), reasonOf(error));
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const host = options.address?.toString();
    const where = { port: options.port, backlog: options.backlog };
    server.listen(host === undefined ? where : { ...where, host }, () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : options.port;
      resolve({ port, failures: 0, close: () => server.close() });
    });
  });
}

/** What OpenSSL says of a peer that sends something else is not for people. */
function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_HTTP_REQUEST') {
    return 'it does not speak TLS: a tcpcopy needs --tls-ca here';
  }
  return (message.split(':routines:').pop() ?? message).trim();
}

function peerOf(socket: TLSSocket): string {
  const address = parseAddress(socket.remoteAddress ?? '');
  return address === undefined ? 'unknown' : formatEndpoint(address, socket.remotePort ?? 0);
}
