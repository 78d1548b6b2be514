import { Memory } from '../base/memory.ts';
import { AF_UNIX, MSG_NOSIGNAL, SOCK_DGRAM } from './constants.ts';
import { addressOf, libc } from './libc.ts';
import { openSocket } from './socket.ts';
import { UNIX_ROOM, writeUnix } from './sockaddr.ts';

/**
 * What systemd, or another service manager of its kind, is told of a service of type notify: sd_notify(3), octets in datagrams to the
 * socket that NOTIFY_SOCKET names. Without that variable nothing is told. What cannot be sent is left, as sd_notify(3) asks for.
 */
export interface ServiceManager {
  /** The program does its work from here on. Its signs of life begin, where the manager wants them. */
  ready(): void;
  /** One line for people, as `systemctl status` shows it. */
  status(text: string): void;
  /** The program has begun to end. */
  stopping(): void;
  /** Ends the signs of life. */
  close(): void;
}

/** The variables of the manager, which go from `environment`: they are not for what this process may start. */
export function openServiceManager(environment: NodeJS.ProcessEnv): ServiceManager {
  const { NOTIFY_SOCKET: path, WATCHDOG_USEC, WATCHDOG_PID } = environment;
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete environment[name];
  const fd = path === undefined ? -1 : connectTo(path);
  const isForUs = WATCHDOG_PID === undefined || WATCHDOG_PID === String(process.pid);
  return new DatagramManager(fd, isForUs ? Number(WATCHDOG_USEC ?? 0) / 1000 : 0);
}

/** A socket that sends to `path`, where a leading "@" stands for the abstract namespace; −1 when it cannot be had. */
function connectTo(path: string): number {
  const address = Memory.alloc(UNIX_ROOM);
  const length = writeUnix(address, path.replace(/^@/, '\0'));
  if (length === 0) return -1;
  const doing = 'tell the service manager how it goes';
  const fd = openSocket(AF_UNIX, SOCK_DGRAM, 0, { call: 'socket(AF_UNIX)', doing });
  if (libc.connect(fd, addressOf(address), length) === 0) return fd;
  libc.close(fd);
  return -1;
}

class DatagramManager implements ServiceManager {
  #fd: number;
  /** Milliseconds within which the manager wants a sign of life; 0 when it wants none. */
  readonly #patience: number;
  #heart: NodeJS.Timeout | undefined;

  constructor(fd: number, patience: number) {
    this.#fd = fd;
    this.#patience = patience;
  }

  ready(): void {
    this.#send('READY=1');
    // Twice as often as must be, as sd_watchdog_enabled(3) recommends. It stops with the event loop, which is the purpose.
    if (this.#patience > 0 && this.#fd >= 0) {
      this.#heart = setInterval(() => this.#send('WATCHDOG=1'), this.#patience / 2);
      this.#heart.unref();
    }
  }

  status(text: string): void {
    this.#send(`STATUS=${text.replaceAll('\n', ' ')}`);
  }

  stopping(): void {
    this.#send('STOPPING=1');
  }

  close(): void {
    clearInterval(this.#heart);
    if (this.#fd >= 0) libc.close(this.#fd);
    this.#fd = -1;
  }

  #send(text: string): void {
    if (this.#fd < 0) return;
    const octets = new TextEncoder().encode(text);
    const message = Memory.alloc(octets.length);
    message.bytes.set(octets);
    libc.send(this.#fd, addressOf(message), octets.length, MSG_NOSIGNAL);
  }
}
