import { Memory } from '../base/memory.ts';
import { AF_NETLINK, MSG_DONTWAIT, SOCK_RAW } from './constants.ts';
import { ENODATA } from './errors.ts';
import { addressOf, lastErrno, libc } from './libc.ts';
import { openSocket } from './socket.ts';

const NETLINK_ROUTE = 0;
const NLMSG_ERROR = 2;
const NLM_F_REQUEST = 1;
/** struct nlmsghdr: length, type, flags, sequence number, port. */
export const NETLINK_HEADER = 16;
const ATTRIBUTE_HEADER = 4;
const ROOM = 16_384;

const align4 = (n: number): number => (n + 3) & ~3;

/**
 * Questions to rtnetlink(7), one at a time: a request is written into `memory`, and the answer read there. The kernel answers
 * within `send`, so nothing waits.
 */
export class Netlink {
  readonly memory: Memory = Memory.alloc(ROOM);
  readonly #fd: number;
  #sequence = 0;
  #length = 0;
  /** Octets between the header and the first attribute of the message in hand. */
  #body = 0;

  /** `doing` is what the questions are for, to follow "Cannot". Throws `SystemError`. */
  constructor(doing: string) {
    this.#fd = openSocket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, {
      call: 'socket(AF_NETLINK)',
      doing,
    });
  }

  /** Begins a request whose body, of `body` octets that are zero, is to be filled in from `NETLINK_HEADER` on. */
  begin(type: number, flags: number, body: number): void {
    const { view, bytes } = this.memory;
    this.#body = body;
    this.#length = NETLINK_HEADER + body;
    bytes.fill(0, 0, this.#length);
    view.setUint16(4, type, true);
    view.setUint16(6, NLM_F_REQUEST | flags, true);
    view.setUint32(8, ++this.#sequence, true);
  }

  addBytes(type: number, value: Uint8Array): void {
    const { view, bytes } = this.memory;
    const at = this.#length;
    view.setUint16(at, ATTRIBUTE_HEADER + value.length, true);
    view.setUint16(at + 2, type, true);
    bytes.set(value, at + ATTRIBUTE_HEADER);
    this.#length = align4(at + ATTRIBUTE_HEADER + value.length);
  }

  addNumber(type: number, value: number): void {
    const octets = new Uint8Array(4);
    new DataView(octets.buffer).setUint32(0, value, true);
    this.addBytes(type, octets);
  }

  /** Asks. Returns 0 when the answer lies in `memory` (or is just "done"), else the error number. */
  ask(): number {
    const { view } = this.memory;
    view.setUint32(0, this.#length, true);
    if (libc.send(this.#fd, addressOf(this.memory), this.#length, 0) < 0) return lastErrno();
    for (;;) {
      const received = libc.recv(this.#fd, addressOf(this.memory), ROOM, MSG_DONTWAIT);
      if (received < 0) return lastErrno();
      if (view.getUint32(8, true) !== this.#sequence) continue;
      this.#length = Math.min(received, view.getUint32(0, true));
      if (view.getUint16(4, true) === NLMSG_ERROR) return -view.getInt32(NETLINK_HEADER, true);
      return this.#length < NETLINK_HEADER + this.#body ? ENODATA : 0;
    }
  }

  /** Type of the answer. */
  get type(): number {
    return this.memory.view.getUint16(4, true);
  }

  /** The value of an attribute of the answer, as a view of `memory`. */
  find(type: number): DataView | undefined {
    const { view } = this.memory;
    let at = NETLINK_HEADER + this.#body;
    while (at + ATTRIBUTE_HEADER <= this.#length) {
      const size = view.getUint16(at, true);
      if (size < ATTRIBUTE_HEADER || at + size > this.#length) return undefined;
      if (view.getUint16(at + 2, true) === type) {
        return new DataView(view.buffer, at + ATTRIBUTE_HEADER, size - ATTRIBUTE_HEADER);
      }
      at += align4(size);
    }
    return undefined;
  }

  close(): void {
    libc.close(this.#fd);
  }
}
