import { Memory } from '../base/memory.ts';
import type { ByteStream } from '../ports/stream.ts';
import { formatEndpoint, type IpAddress } from '../wire/address.ts';
import { AF_INET, AF_INET6, SO_ERROR, SOCK_STREAM, SOL_SOCKET } from './constants.ts';
import { ECONNREFUSED, EINPROGRESS, EINTR, ETIMEDOUT, SystemError } from './errors.ts';
import { addressOf, lastErrno, libc } from './libc.ts';
import { SOCKADDR_ROOM, writeInet } from './sockaddr.ts';
import { getOption, openSocket } from './socket.ts';
import { DEFAULT_BACKLOG_LIMIT, TcpStream } from './tcp-stream.ts';
import { settleSoon, type Watch, watchFd } from './watch.ts';

/** Connects within `timeoutMs` milliseconds; `limit`: octets that may wait for a slow peer. Rejects with a `SystemError`: ECONNREFUSED, ETIMEDOUT, ENETUNREACH … */
export function connectStream(
  address: IpAddress,
  port: number,
  timeoutMs: number,
  limit: number = DEFAULT_BACKLOG_LIMIT,
): Promise<ByteStream> {
  return new Promise((resolve, reject) => {
    const done = (fd: number): void =>
      resolve(new TcpStream(fd, formatEndpoint(address, port), limit));
    new Connecting(address, port, timeoutMs, done, reject).start();
  });
}

/** One attempt. Succeeds or fails once; whichever comes first of readiness and timeout. */
class Connecting {
  readonly #address: IpAddress;
  readonly #port: number;
  readonly #timeoutMs: number;
  readonly #resolve: (fd: number) => void;
  readonly #reject: (error: Error) => void;
  #fd = -1;
  #watch: Watch | undefined;
  #timeout: NodeJS.Timeout | undefined;
  #settled = false;

  constructor(
    address: IpAddress,
    port: number,
    timeoutMs: number,
    resolve: (fd: number) => void,
    reject: (error: Error) => void,
  ) {
    this.#address = address;
    this.#port = port;
    this.#timeoutMs = timeoutMs;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get #peer(): string {
    return formatEndpoint(this.#address, this.#port);
  }

  start(): void {
    const family = this.#address.family === 4 ? AF_INET : AF_INET6;
    this.#fd = openSocket(family, SOCK_STREAM, 0, {
      call: 'socket(SOCK_STREAM)',
      doing: `connect to ${this.#peer}`,
    });
    const memory = Memory.alloc(SOCKADDR_ROOM);
    const length = writeInet(memory, 0, this.#address, this.#port);
    const result = libc.connect(this.#fd, addressOf(memory), length);
    const errno = result === 0 ? 0 : lastErrno();
    if (errno !== EINPROGRESS && errno !== EINTR) {
      this.#settle(errno);
      return;
    }
    const ready = (): void => {
      this.#settle(getOption(this.#fd, SOL_SOCKET, SO_ERROR) ?? lastErrno());
    };
    this.#watch = watchFd(this.#fd, () => {}, ready);
    this.#watch.watchReadable(false);
    this.#watch.watchWritable(true);
    this.#timeout = setTimeout(() => this.#settle(ETIMEDOUT), this.#timeoutMs);
  }

  #settle(errno: number): void {
    if (this.#settled) return;
    this.#settled = true;
    clearTimeout(this.#timeout);
    this.#watch?.close();
    if (errno === 0) {
      settleSoon(() => this.#resolve(this.#fd));
      return;
    }
    libc.close(this.#fd);
    const failure = { call: 'connect', errno, doing: `connect to ${this.#peer}` };
    const hint = this.#hint(errno);
    const error = new SystemError(hint === undefined ? failure : { ...failure, hint });
    settleSoon(() => this.#reject(error));
  }

  #hint(errno: number): string | undefined {
    if (errno === ECONNREFUSED) {
      return 'the host is up, but nothing listens on that port, or a firewall rejects us';
    }
    if (errno !== ETIMEDOUT) return undefined;
    return `no answer within ${this.#timeoutMs} ms: is the host up, and does no firewall drop our packets?`;
  }
}
