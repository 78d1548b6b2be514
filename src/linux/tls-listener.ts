import type { Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import type { ByteStream } from '../ports/stream.ts';
import { formatEndpoint, parseAddress } from '../wire/address.ts';
import type { IpAddress } from '../wire/address.ts';
import type { Listener } from './tcp-listener.ts';
import { Handshakes } from './tls-handshakes.ts';
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
  /** The listening socket has failed: nobody may be able to connect. */
  readonly onError?: (error: Error) => void;
  /** Time for a peer to complete the TLS handshake, in milliseconds; 5,000 by default. */
  readonly handshakeTimeout?: number;
}

const HANDSHAKE_TIMEOUT_MS = 5000;
const BROKE_OFF =
  'it broke off the TLS handshake: a tcpcopy that does so does not trust our certificate, and its log says why';

/** Listens for TLS 1.3. Rejects with what the system or the certificate is to blame for. */
export function listenTls(options: TlsListenOptions): Promise<Listener> {
  const { onConnection, onRefused, onError } = options;
  const handshakes = new Handshakes();
  const reasons = new Map<string, string>();
  const server = createServer({
    cert: options.certificate,
    key: options.key,
    minVersion: 'TLSv1.3',
    handshakeTimeout: options.handshakeTimeout ?? HANDSHAKE_TIMEOUT_MS,
  });
  server.on('connection', (socket) => {
    const peer = peerOf(socket);
    const refusal = handshakes.begin(peer, socket.remoteAddress ?? '');
    if (refusal !== undefined) {
      onRefused(peer, refusal);
      socket.destroy();
      return;
    }
    socket.once('close', () => {
      if (handshakes.end(peer)) onRefused(peer, reasons.get(peer) ?? BROKE_OFF);
      reasons.delete(peer);
    });
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    const peer = peerOf(socket);
    handshakes.end(peer);
    onConnection(new TlsStream(socket, peer));
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    // One that has gone meanwhile has no address any more, and broke off. Of the others, Node closes none by itself.
    if (socket.remoteAddress !== undefined) reasons.set(peerOf(socket), reasonOf(error));
    socket.destroy();
  });
  return new Promise((resolve, reject) => {
    // Stays for good: an error that nobody listens to would end the program.
    server.on('error', (error) => {
      reject(error);
      if (server.listening) onError?.(error);
    });
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
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'it did not complete the TLS handshake in time';
  return (message.split(':routines:').pop() ?? message).trim();
}

function peerOf(socket: Socket): string {
  const address = parseAddress(socket.remoteAddress ?? '');
  return address === undefined ? 'unknown' : formatEndpoint(address, socket.remotePort ?? 0);
}
