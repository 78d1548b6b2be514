import type { TLSSocket } from 'node:tls';
import { Memory } from '../base/memory.ts';
import type { ByteStream, StreamHandler } from '../ports/stream.ts';
import { DEFAULT_BACKLOG_LIMIT } from './tcp-stream.ts';

/** RFC 9266 §2: what both ends of one TLS 1.3 connection, and nobody between them, can compute. */
const BINDING_LABEL = 'EXPORTER-Channel-Binding';
const BINDING_LENGTH = 32;

/** How long a peer may take to read what was sent before the connection is closed, in milliseconds. */
const LAST_WORDS_MS = 1000;

const incoming = Memory.alloc(64 * 1024);

/** The stream over an established TLS connection, which it owns from now on. Costs a copy and an object per write and read. */
export class TlsStream implements ByteStream {
  readonly peer: string;
  readonly channelBinding: Uint8Array;
  readonly #socket: TLSSocket;
  readonly #limit: number;
  #handler: StreamHandler | undefined;
  #closed = false;

  constructor(socket: TLSSocket, peer: string, limit: number = DEFAULT_BACKLOG_LIMIT) {
    this.peer = peer;
    this.#socket = socket;
    this.#limit = limit;
    this.channelBinding = socket.exportKeyingMaterial(
      BINDING_LENGTH,
      BINDING_LABEL,
      Buffer.alloc(0),
    );
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 20_000);
    socket.on('error', (error) => this.#end(error.message));
    socket.on('end', () => this.#end('closed by the peer'));
    socket.on('close', () => this.#end('closed'));
  }

  get backlog(): number {
    return this.#socket.writableLength;
  }

  start(handler: StreamHandler): void {
    this.#handler = handler;
    this.#socket.on('data', (chunk: Uint8Array) => this.#deliver(chunk));
  }

  send(memory: Memory, offset: number, length: number): boolean {
    if (this.#closed || this.#socket.writableLength + length > this.#limit) return false;
    this.#socket.write(memory.bytes.slice(offset, offset + length));
    return true;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const socket = this.#socket;
    socket.destroySoon();
    // One that never reads would keep the connection, and all that waits for it, for ever.
    const timer = setTimeout(() => socket.destroy(), LAST_WORDS_MS);
    socket.once('close', () => clearTimeout(timer));
  }

  #deliver(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && !this.#closed; at += incoming.size) {
      const part = chunk.subarray(at, at + incoming.size);
      incoming.bytes.set(part);
      this.#handler?.handleData(incoming, part.length);
    }
  }

  #end(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    this.#handler?.handleClose(reason);
  }
}
