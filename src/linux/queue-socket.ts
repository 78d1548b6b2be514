import { readFileSync } from 'node:fs';
import { Memory } from '../base/memory.ts';
import {
  AF_NETLINK,
  NETLINK_NETFILTER,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_TIMESTAMPNS,
  SOCK_RAW,
  SOL_SOCKET,
} from './constants.ts';
import { EACCES, EBUSY, EINVAL, EPERM, EPROTONOSUPPORT, SystemError } from './errors.ts';
import { addressOf, lastErrno, libc } from './libc.ts';
import { CONFIG_ROOM } from './queue-message.ts';
import { openSocket, setBufferSize, setOption } from './socket.ts';

/** Octets of messages that wait in the kernel for us. */
const RECEIVE_BUFFER = 64 * 1024 * 1024;
const SOCKADDR_NL_LENGTH = 12;
/** What the kernel tells of each queue, a line each. */
const QUEUES_FILE = '/proc/net/netfilter/nfnetlink_queue';

const NEED_NET_ADMIN = [
  'the capability CAP_NET_ADMIN is missing; run as root,',
  'or start it from systemd with AmbientCapabilities=CAP_NET_ADMIN',
].join(' ');
const NO_MODULE =
  'this kernel has no nfnetlink_queue; try "modprobe nfnetlink_queue", or leave --queue, -x and -q out to capture the responses';

/** The netlink socket of one queue. */
export class QueueSocket {
  readonly fd: number;
  readonly queue: number;
  readonly #memory: Memory = Memory.alloc(CONFIG_ROOM);
  #sequence = 0;

  /** Throws `SystemError`. */
  constructor(queue: number) {
    this.queue = queue;
    this.fd = openSocket(
      AF_NETLINK,
      SOCK_RAW,
      NETLINK_NETFILTER,
      { call: 'socket(NETLINK_NETFILTER)', doing: doingWith(queue) },
      (errno) => (errno === EPROTONOSUPPORT ? NO_MODULE : undefined),
    );
    setBufferSize(this.fd, SO_RCVBUFFORCE, SO_RCVBUF, RECEIVE_BUFFER);
    // The kernel notes when packets arrive as long as any socket wants to know.
    setOption(this.fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    const address = Memory.alloc(SOCKADDR_NL_LENGTH);
    address.view.setUint16(0, AF_NETLINK, true);
    if (libc.bind(this.fd, addressOf(address), SOCKADDR_NL_LENGTH) === 0) return;
    const error = this.failure('bind(AF_NETLINK)', lastErrno());
    this.close();
    throw error;
  }

  /** Sends the configuration that `write` builds; returns the number under which the kernel answers. Throws `SystemError`. */
  configure(write: (memory: Memory, queue: number, sequence: number) => number): number {
    const length = write(this.#memory, this.queue, ++this.#sequence);
    const errno = this.send(this.#memory, length);
    if (errno !== 0) throw this.failure('send(AF_NETLINK)', errno);
    return this.#sequence;
  }

  /** Sends `memory[0 … length)`; returns 0 or the error number. */
  send(memory: Memory, length: number): number {
    return libc.send(this.fd, addressOf(memory), length, 0) < 0 ? lastErrno() : 0;
  }

  /** `call` has failed for this queue. The kernel says EPERM as well when the queue is another program's. */
  failure(call: string, errno: number): SystemError {
    const doing = doingWith(this.queue);
    // Of the first request, with which the queue is taken.
    const isTaking = this.#sequence <= 1;
    const owner = isTaking && errno === EPERM ? queueStatus(this.queue)?.owner : undefined;
    if (owner !== undefined) {
      const hint = `another program has this queue (port ${owner} in ${QUEUES_FILE}); end it, or choose another number here and in the rule`;
      return new SystemError({ call, errno: EBUSY, doing, hint });
    }
    if (errno === EPERM || errno === EACCES) {
      return new SystemError({ call, errno, doing, hint: NEED_NET_ADMIN });
    }
    if (isTaking && errno === EINVAL) {
      return new SystemError({ call, errno, doing, hint: NO_MODULE });
    }
    return new SystemError({ call, errno, doing });
  }

  close(): void {
    libc.close(this.fd);
  }
}

const doingWith = (queue: number): string => `take packets from the netfilter queue ${queue}`;

export interface QueueStatus {
  /** Netlink port of the program that has it, mostly its process number. */
  readonly owner: number;
  /** Packets dropped because the queue was full, or the program's receive buffer. */
  readonly dropped: number;
}

/** What the kernel tells of a queue; undefined when nobody has it, or the kernel does not tell. */
export function queueStatus(queue: number): QueueStatus | undefined {
  let text: string;
  try {
    text = readFileSync(QUEUES_FILE, 'utf8');
  } catch {
    return undefined;
  }
  return readQueueStatus(text, queue);
}

/** Number, owner, waiting packets, copy mode, copy range, dropped as the queue was full, as the buffer was, last id, 1. */
export function readQueueStatus(text: string, queue: number): QueueStatus | undefined {
  for (const line of text.split('\n')) {
    const fields = line.trim().split(/\s+/).map(Number);
    const [number, owner, , , , full, lost] = fields;
    if (number !== queue || fields.length < 7 || fields.some(Number.isNaN)) continue;
    return { owner: owner as number, dropped: (full as number) + (lost as number) };
  }
  return undefined;
}
