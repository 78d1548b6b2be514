import { Memory } from '../base/memory.ts';
import type { Program } from './bpf.ts';
import {
  AF_PACKET,
  ETH_P_ALL,
  ETH_P_IP,
  ETH_P_IPV6,
  PACKET_ADD_MEMBERSHIP,
  PACKET_AUXDATA,
  PACKET_IGNORE_OUTGOING,
  PACKET_MR_PROMISC,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_TIMESTAMPNS,
  SOCK_DGRAM,
  SOL_PACKET,
  SOL_SOCKET,
} from './constants.ts';
import { ENETDOWN, netRawHint, SystemError } from './errors.ts';
import { findInterface, lookUpInterface } from './interfaces.ts';
import { addressOf, lastErrno, libc } from './libc.ts';
import { attachFilter, guarded } from './packet-filter.ts';
import { SOCKADDR_ROOM, writeLink } from './sockaddr.ts';
import { openSocket, setBufferSize, setOption, setOptionStruct } from './socket.ts';
import type { Watch } from './watch.ts';

export interface CaptureOptions {
  /** Internet protocols to capture; default both. Each costs a socket, and a system call whenever the other is read. */
  readonly families?: readonly (4 | 6)[];
  /** What the kernel lets through, from the IP header on; absent: everything. */
  readonly filter?: Program;
  /** Octets that wait in the kernel for us, for each socket; default 64 MiB. */
  readonly receiveBuffer?: number;
  /** Capture what this host sends, in place of what it receives. */
  readonly outgoing?: boolean;
  /** Fill in `receivedAt`. Costs the whole host a clock reading per packet. */
  readonly timestamps?: boolean;
  /** Capture what is addressed to other hosts too, as behind a mirror port. Needs named interfaces. */
  readonly promiscuous?: boolean;
}

const DEFAULT_RECEIVE_BUFFER = 64 * 1024 * 1024;

/** The packets that a socket sees: of a protocol, on an interface (0: all). */
export interface Binding {
  readonly protocol: number;
  readonly index: number;
  readonly name: string;
}

/**
 * The sockets that a capture on `names` needs; on all interfaces when there are none. Throws `SystemError` for a name that no
 * interface has.
 *
 * Sockets are bound to IPv4 and IPv6, not to all protocols: the kernel hands such a socket every packet once, after VLAN, bond and
 * bridge have done their work, and never an outgoing one. A port of a bridge hands its packets to the bridge before that
 * point, so a named interface that has a master is bound to all protocols. Outgoing packets come to such sockets only.
 */
export function chooseBindings(
  names: readonly string[],
  families: readonly (4 | 6)[],
  outgoing = false,
): Binding[] {
  const internet = outgoing
    ? [ETH_P_ALL]
    : families.map((family) => (family === 4 ? ETH_P_IP : ETH_P_IPV6));
  if (names.length === 0) {
    return internet.map((protocol) => ({ protocol, index: 0, name: '' }));
  }
  return [...new Set(names)].flatMap((name) => {
    const { index, master } = findInterface(name);
    const protocols = master === 0 ? internet : [ETH_P_ALL];
    return protocols.map((protocol) => ({ protocol, index, name }));
  });
}

/** One AF_PACKET socket, ready to be read. */
export class CaptureSocket {
  readonly fd: number;
  readonly name: string;
  /** There may be something to read. Always so without a watch. */
  ready = true;
  watch: Watch | undefined;
  readonly #memory = Memory.alloc(SOCKADDR_ROOM);
  #binding: Binding;
  readonly #options: CaptureOptions;

  constructor(binding: Binding, options: CaptureOptions) {
    this.name = binding.name;
    this.#binding = binding;
    this.#options = options;
    this.fd = openSocket(AF_PACKET, SOCK_DGRAM, 0, captureFailure('socket(AF_PACKET)'), netRawHint);
    try {
      this.#prepare(binding, options);
      this.#bind(binding);
      if (options.promiscuous === true && binding.index !== 0) this.#watchOthers(binding.index);
    } catch (error) {
      libc.close(this.fd);
      throw error;
    }
  }

  #prepare(binding: Binding, options: CaptureOptions): void {
    const everyProtocol = binding.protocol === ETH_P_ALL;
    this.setFilter(options.filter);
    check('setsockopt(PACKET_AUXDATA)', setOption(this.fd, SOL_PACKET, PACKET_AUXDATA, 1));
    // The filter drops outgoing packets anyway; kernels before 4.20 do not know this option, which saves it the work.
    if (everyProtocol && options.outgoing !== true) {
      setOption(this.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    }
    if (options.timestamps === true) {
      check('setsockopt(SO_TIMESTAMPNS)', setOption(this.fd, SOL_SOCKET, SO_TIMESTAMPNS, 1));
    }
    const octets = options.receiveBuffer ?? DEFAULT_RECEIVE_BUFFER;
    setBufferSize(this.fd, SO_RCVBUFFORCE, SO_RCVBUF, octets);
  }

  /** Puts `filter` in the place of the present one; no packet passes between them. Throws `SystemError`. */
  setFilter(filter: Program | undefined): void {
    const everyProtocol = this.#binding.protocol === ETH_P_ALL;
    const program = guarded(filter, {
      everyProtocol,
      families: this.#options.families ?? [4, 6],
      otherHosts: this.#options.promiscuous ?? false,
      outgoing: this.#options.outgoing ?? false,
    });
    check('setsockopt(SO_ATTACH_FILTER)', attachFilter(this.fd, program));
  }

  #bind(binding: Binding): void {
    const length = writeLink(this.#memory, 0, binding.protocol, binding.index);
    if (libc.bind(this.fd, addressOf(this.#memory), length) === 0) return;
    const errno = lastErrno();
    if (errno === ENETDOWN) return; // It receives once the interface is up.
    check('bind(AF_PACKET)', errno, binding.name === '' ? '' : ` on '${binding.name}'`);
  }

  /**
   * Whether the interface of this name is there and up. A socket follows its interface by number: one that was made anew under
   * the name has another, and the socket is bound to it here. Throws `SystemError` when the kernel refuses that.
   */
  revive(): boolean {
    const found = lookUpInterface(this.name);
    if (found === undefined || !found.up) return false;
    if (found.index !== this.#binding.index) {
      this.#binding = { ...this.#binding, index: found.index };
      this.#bind(this.#binding);
    }
    return true;
  }

  /** struct packet_mreq: interface, type, address length, address. */
  #watchOthers(index: number): void {
    this.#memory.view.setInt32(0, index, true);
    this.#memory.view.setUint16(4, PACKET_MR_PROMISC, true);
    this.#memory.view.setUint16(6, 0, true);
    const errno = setOptionStruct(this.fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, this.#memory, 16);
    check('setsockopt(PACKET_ADD_MEMBERSHIP)', errno);
  }

  close(): void {
    this.watch?.close();
    libc.close(this.fd);
  }
}

/** What a `SystemError` of a capture has in common. */
export const captureFailure = (call: string, where = ''): { call: string; doing: string } => ({
  call,
  doing: `capture packets${where}`,
});

function check(call: string, errno: number, where = ''): void {
  if (errno === 0) return;
  const hint = netRawHint(errno);
  const failed = { ...captureFailure(call, where), errno };
  throw new SystemError(hint === undefined ? failed : { ...failed, hint });
}
