import { Memory } from '../base/memory.ts';
import type { ByteStream } from '../ports/stream.ts';
import { formatEndpoint, type IpAddress } from '../wire/address.ts';
import {
  AF_INET,
  AF_INET6,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from './constants.ts';
import {
  EACCES,
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EAGAIN,
  EMFILE,
  ENFILE,
  ENOBUFS,
  ENOMEM,
  SystemError,
} from './errors.ts';
import { addressOf, lastErrno, libc } from './libc.ts';
import {
  ANY_V4,
  ANY_V6,
  readInetAddress,
  readInetPort,
  SOCKADDR_ROOM,
  writeInet,
} from './sockaddr.ts';
import { openSocket, setOption } from './socket.ts';
import { TcpStream } from './tcp-stream.ts';
import { type Watch, watchFd } from './watch.ts';

export interface ListenOptions {
  /** Absent: all addresses of both families, or of IPv4 where the kernel has no IPv6. */
  readonly address?: IpAddress;
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** Connections that may wait to be accepted. */
  readonly backlog: number;
  readonly onConnection: (stream: ByteStream) => void;
  /** Connections cannot be accepted for want of descriptors or memory; called at most every ten seconds. */
  readonly onError?: (error: SystemError) => void;
}

export interface Listener {
  readonly port: number;
  /** Attempts to accept that failed for want of descriptors or memory. */
  readonly failures: number;
  close(): void;
}

/** Listens for connections. Throws `SystemError`. */
export const listen = (options: ListenOptions): Listener => new TcpListener(options);

/** Connections taken per wake-up: a flood of them must not starve the packets. */
const ACCEPTS_PER_WAKE_UP = 64;
/** After a failure for want of resources, nothing is accepted for so long: trying at once would only spin. */
const PAUSE_MS = 250;
const PAUSES_PER_WARNING = 40;

class TcpListener implements Listener {
  readonly port: number;
  readonly #fd: number;
  readonly #options: ListenOptions;
  readonly #memory = Memory.alloc(SOCKADDR_ROOM + 8);
  readonly #watch: Watch;
  #pause: NodeJS.Timeout | undefined;
  #pauses = 0;
  failures = 0;

  constructor(options: ListenOptions) {
    this.#options = options;
    this.#fd = openListener(options, this.#memory);
    this.#memory.view.setUint32(SOCKADDR_ROOM, SOCKADDR_ROOM, true);
    const at = addressOf(this.#memory);
    libc.getsockname(this.#fd, at, at + SOCKADDR_ROOM);
    this.port = readInetPort(this.#memory, 0);
    this.#watch = watchFd(this.#fd, () => this.#accept());
  }

  close(): void {
    clearTimeout(this.#pause);
    this.#watch.close();
    libc.close(this.#fd);
  }

  #accept(): void {
    const at = addressOf(this.#memory);
    for (let i = 0; i < ACCEPTS_PER_WAKE_UP; i++) {
      this.#memory.view.setUint32(SOCKADDR_ROOM, SOCKADDR_ROOM, true);
      const flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
      const fd = libc.accept4(this.#fd, at, at + SOCKADDR_ROOM, flags);
      if (fd >= 0) {
        const port = readInetPort(this.#memory, 0);
        const peer = formatEndpoint(readInetAddress(this.#memory, 0), port);
        this.#pauses = 0;
        this.#options.onConnection(new TcpStream(fd, peer));
        continue;
      }
      const errno = lastErrno();
      if (errno === EAGAIN) return;
      if (errno === EMFILE || errno === ENFILE || errno === ENOBUFS || errno === ENOMEM) {
        this.#rest(errno);
        return;
      }
      // Anything else is an error of that one connection, gone before we took it (accept(2)).
    }
  }

  #rest(errno: number): void {
    this.failures++;
    if (this.#pauses++ % PAUSES_PER_WARNING === 0) {
      const doing = `accept a connection on port ${this.port}`;
      this.#options.onError?.(new SystemError({ call: 'accept4', errno, doing }));
    }
    this.#watch.watchReadable(false);
    this.#pause = setTimeout(() => this.#watch.watchReadable(true), PAUSE_MS);
  }
}

/** A listening socket: dual-stack for an IPv6 "any", else of the address's family. */
function openListener(options: ListenOptions, memory: Memory): number {
  const { address, port } = options;
  if (address !== undefined) return bindListener(options, address, memory);
  try {
    return bindListener(options, ANY_V6, memory);
  } catch (error) {
    const { errno } = error as SystemError;
    if (errno !== EAFNOSUPPORT && errno !== EADDRNOTAVAIL) throw error;
    return bindListener({ ...options, port }, ANY_V4, memory);
  }
}

function bindListener(options: ListenOptions, address: IpAddress, memory: Memory): number {
  const { port, backlog } = options;
  const doing = `listen on ${formatEndpoint(address, port)}`;
  const family = address.family === 4 ? AF_INET : AF_INET6;
  const fd = openSocket(family, SOCK_STREAM, 0, { call: 'socket(SOCK_STREAM)', doing });
  setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (family === AF_INET6) setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  let call = 'bind';
  let result = libc.bind(fd, addressOf(memory), writeInet(memory, 0, address, port));
  if (result === 0) {
    call = 'listen';
    result = libc.listen(fd, backlog);
  }
  if (result === 0) return fd;
  const errno = lastErrno();
  libc.close(fd);
  const hint = listenHint(errno, port);
  throw new SystemError(hint === undefined ? { call, errno, doing } : { call, errno, doing, hint });
}

function listenHint(errno: number, port: number): string | undefined {
  switch (errno) {
    case EADDRINUSE:
      return `another process listens on port ${port}; find it with: ss -ltnp 'sport = :${port}'`;
    case EADDRNOTAVAIL:
      return 'no interface of this host has that address; see: ip addr';
    case EACCES:
      return `ports below 1024 need root or CAP_NET_BIND_SERVICE; choose a higher one than ${port}`;
    default:
      return undefined;
  }
}
