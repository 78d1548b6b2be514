import { Memory } from '../base/memory.ts';
import type { ByteStream, StreamHandler } from '../ports/stream.ts';
import {
  IPPROTO_TCP,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SO_KEEPALIVE,
  SOL_SOCKET,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
} from './constants.ts';
import { EAGAIN, EINTR, errnoName, errnoText } from './errors.ts';
import { addressOf, lastErrno, libc } from './libc.ts';
import { SendQueue } from './send-queue.ts';
import { setOption } from './socket.ts';
import { type Watch, watchFd } from './watch.ts';

/** Octets that may wait for a slow peer before `send` refuses. */
export const DEFAULT_BACKLOG_LIMIT = 1_048_576;

/** All streams are read into this: only one is read at a time, and its handler is done when it returns. */
const incoming = Memory.alloc(64 * 1024);
/** Reads per wake-up, so that one busy peer cannot keep the others waiting: 256 KB, some 50 µs of copying. */
const READS_PER_WAKE_UP = 4;

/** A silent death of the peer's host is noticed after this many seconds of idleness, then probes. */
const KEEPALIVE_IDLE_SECONDS = 20;
const KEEPALIVE_INTERVAL_SECONDS = 5;
const KEEPALIVE_PROBES = 4;

/** The stream over a connected, non-blocking socket, which it owns from now on. */
export class TcpStream implements ByteStream {
  readonly peer: string;
  readonly #fd: number;
  readonly #limit: number;
  readonly #queue = new SendQueue();
  #watch: Watch | undefined;
  #handler: StreamHandler | undefined;
  /** Sending failed; the reading side will find out why. */
  #broken = false;
  #closed = false;

  constructor(fd: number, peer: string, limit: number = DEFAULT_BACKLOG_LIMIT) {
    this.#fd = fd;
    this.peer = peer;
    this.#limit = limit;
    setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    setOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS);
    setOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS);
    setOption(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
  }

  get backlog(): number {
    return this.#queue.length;
  }

  start(handler: StreamHandler): void {
    if (this.#closed) return;
    this.#handler = handler;
    this.#watch = watchFd(
      this.#fd,
      () => this.#readable(),
      () => this.#writable(),
    );
    if (this.backlog > 0) this.#watch.watchWritable(true);
  }

  send(memory: Memory, offset: number, length: number): boolean {
    if (this.#closed || this.#broken) return false;
    const waiting = this.#queue.length;
    if (waiting > 0) {
      if (waiting + length > this.#limit) return false;
      this.#queue.append(memory, offset, length);
      return true;
    }
    const sent = this.#push(memory, offset, length);
    if (sent < 0) return false;
    if (sent < length) {
      this.#queue.append(memory, offset + sent, length - sent);
      this.#watch?.watchWritable(true);
    }
    return true;
  }

  /** What still waits is offered to the kernel once more, then forgotten. The handler is not called. */
  close(): void {
    if (this.#closed) return;
    if (this.#queue.length > 0 && !this.#broken) this.#flush();
    this.#closed = true;
    this.#queue.clear();
    this.#watch?.close();
    libc.close(this.#fd);
  }

  #readable(): void {
    for (let i = 0; i < READS_PER_WAKE_UP && !this.#closed; i++) {
      const length = libc.recv(this.#fd, addressOf(incoming), incoming.size, MSG_DONTWAIT);
      if (length > 0) {
        this.#handler?.handleData(incoming, length);
        if (length < incoming.size) return;
        continue;
      }
      if (length === 0) {
        this.#end('closed by the peer');
        return;
      }
      const errno = lastErrno();
      if (errno === EAGAIN) return;
      if (errno === EINTR) continue;
      this.#end(`${errnoText(errno)} (${errnoName(errno)})`);
      return;
    }
  }

  #writable(): void {
    if (!this.#closed && this.#flush()) this.#watch?.watchWritable(false);
  }

  /** Sends what waits; true when nothing is left to be sent. */
  #flush(): boolean {
    const { memory, start, length } = this.#queue;
    if (memory === null || length === 0) return true;
    const sent = this.#push(memory, start, length);
    if (sent > 0) this.#queue.remove(sent);
    return this.#broken || this.#queue.length === 0;
  }

  /** Octets that the kernel took, 0 when it takes none now, −1 when the stream is broken. */
  #push(memory: Memory, offset: number, length: number): number {
    if (length === 0) return 0;
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    const sent = libc.send(this.#fd, addressOf(memory) + offset, length, flags);
    if (sent >= 0) return sent;
    const errno = lastErrno();
    if (errno === EAGAIN || errno === EINTR) return 0;
    this.#broken = true;
    this.#queue.clear();
    return -1;
  }

  #end(reason: string): void {
    this.#broken = true;
    this.close();
    this.#handler?.handleClose(reason);
  }
}
