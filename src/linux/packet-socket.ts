import { Memory } from '../base/memory.ts';
import { type Duration, micros } from '../base/time.ts';
import type { CaptureStatistics, PacketHandler, PacketSource } from '../ports/packet-source.ts';
import type { Watchable } from '../ports/reactor.ts';
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
  PACKET_STATISTICS,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_TIMESTAMPNS,
  SOCK_DGRAM,
  SOL_PACKET,
  SOL_SOCKET,
} from './constants.ts';
import { EACCES, EAGAIN, EINTR, ENETDOWN, EPERM, NEED_NET_RAW, SystemError } from './errors.ts';
import { Gather } from './gather.ts';
import { findInterface } from './interfaces.ts';
import { addressOf, lastErrno, libc } from './libc.ts';
import { attachFilter, guarded } from './packet-filter.ts';
import { systemClock } from './reactor.ts';
import { BATCH, ReceiveBatch } from './receive-batch.ts';
import { sleep } from './sleep.ts';
import { SOCKADDR_ROOM, writeLink } from './sockaddr.ts';
import {
  getOptionStruct,
  openSocket,
  setBufferSize,
  setOption,
  setOptionStruct,
} from './socket.ts';
import { type Watch, watchFd } from './watch.ts';

export interface PacketSocketOptions {
  /** Names of interfaces; empty or absent: all of them, those that appear later included. */
  readonly interfaces?: readonly string[];
  /** What the kernel lets through, from the IP header on; absent: everything. */
  readonly filter?: Program;
  /** Octets that wait in the kernel for us, for each socket; default 64 MiB. */
  readonly receiveBuffer?: number;
  /** Fill in `receivedAt`. Costs the whole host a clock reading per packet. */
  readonly timestamps?: boolean;
  /** Capture what is addressed to other hosts too, as behind a mirror port. Needs named interfaces. */
  readonly promiscuous?: boolean;
  /** The longest that a packet may wait for others at high rates, see `gatherDelay`; default 0. */
  readonly gatherDelay?: Duration;
  /** Called with what a socket says of itself, such as that its interface went down. */
  readonly onError?: (error: SystemError) => void;
}

export interface PacketSocket extends PacketSource, Watchable {
  /**
   * At high rates, once watched, sleep so long between wake-ups that several packets come with each; 0: never. The sleep blocks
   * the event loop, so that what else arrives is gathered too. At low rates every packet wakes us at once. May be changed at
   * any time.
   */
  gatherDelay: Duration;
}

const DEFAULT_RECEIVE_BUFFER = 64 * 1024 * 1024;

/** The packets that a socket sees: of a protocol, on an interface (0: all). */
interface Binding {
  readonly protocol: number;
  readonly index: number;
  readonly name: string;
}

/**
 * Opens a capture of the IP packets that arrive at this host. The filter is in place before the first packet can enter. Throws
 * `SystemError`.
 *
 * Sockets are bound to IPv4 and IPv6, not to all protocols: the kernel hands such a socket every packet once, after VLAN, bond and
 * bridge have done their work, and never an outgoing one. A port of a bridge hands its packets to the bridge before that
 * point, so a named interface that has a master is bound to all protocols.
 */
export function openPacketSource(options: PacketSocketOptions = {}): PacketSocket {
  const bindings = chooseBindings(options.interfaces ?? []);
  const sockets: CaptureSocket[] = [];
  try {
    for (const binding of bindings) sockets.push(new CaptureSocket(binding, options));
  } catch (error) {
    for (const socket of sockets) socket.close();
    throw error;
  }
  return new PacketSocketSource(sockets, options);
}

function chooseBindings(names: readonly string[]): Binding[] {
  if (names.length === 0) {
    return [ETH_P_IP, ETH_P_IPV6].map((protocol) => ({ protocol, index: 0, name: '' }));
  }
  return [...new Set(names)].flatMap((name) => {
    const { index, master } = findInterface(name);
    const protocols = master === 0 ? [ETH_P_IP, ETH_P_IPV6] : [ETH_P_ALL];
    return protocols.map((protocol) => ({ protocol, index, name }));
  });
}

class CaptureSocket {
  readonly fd: number;
  readonly name: string;
  /** There may be something to read. Always so without a watch. */
  ready = true;
  watch: Watch | undefined;
  readonly #memory = Memory.alloc(SOCKADDR_ROOM);

  constructor(binding: Binding, options: PacketSocketOptions) {
    this.name = binding.name;
    this.fd = openSocket(AF_PACKET, SOCK_DGRAM, 0, failure('socket(AF_PACKET)'), hintFor);
    try {
      this.#prepare(binding, options);
      this.#bind(binding);
      if (options.promiscuous === true && binding.index !== 0) this.#watchOthers(binding.index);
    } catch (error) {
      libc.close(this.fd);
      throw error;
    }
  }

  #prepare(binding: Binding, options: PacketSocketOptions): void {
    const everyProtocol = binding.protocol === ETH_P_ALL;
    const otherHosts = options.promiscuous ?? false;
    const filter = guarded(options.filter, { everyProtocol, otherHosts });
    check('setsockopt(SO_ATTACH_FILTER)', attachFilter(this.fd, filter));
    check('setsockopt(PACKET_AUXDATA)', setOption(this.fd, SOL_PACKET, PACKET_AUXDATA, 1));
    // The filter drops outgoing packets anyway; kernels before 4.20 do not know this option, which saves it the work.
    if (everyProtocol) setOption(this.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    if (options.timestamps === true) {
      check('setsockopt(SO_TIMESTAMPNS)', setOption(this.fd, SOL_SOCKET, SO_TIMESTAMPNS, 1));
    }
    const octets = options.receiveBuffer ?? DEFAULT_RECEIVE_BUFFER;
    setBufferSize(this.fd, SO_RCVBUFFORCE, SO_RCVBUF, octets);
  }

  #bind(binding: Binding): void {
    const length = writeLink(this.#memory, 0, binding.protocol, binding.index);
    if (libc.bind(this.fd, addressOf(this.#memory), length) === 0) return;
    const errno = lastErrno();
    if (errno === ENETDOWN) return; // It receives once the interface is up.
    check('bind(AF_PACKET)', errno, binding.name === '' ? '' : ` on '${binding.name}'`);
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

const failure = (call: string, where = ''): { call: string; doing: string } => ({
  call,
  doing: `capture packets${where}`,
});

const hintFor = (errno: number): string | undefined =>
  errno === EPERM || errno === EACCES ? NEED_NET_RAW : undefined;

function check(call: string, errno: number, where = ''): void {
  if (errno === 0) return;
  const hint = hintFor(errno);
  const failed = { ...failure(call, where), errno };
  throw new SystemError(hint === undefined ? failed : { ...failed, hint });
}

class PacketSocketSource implements PacketSocket {
  readonly #sockets: readonly CaptureSocket[];
  readonly #onError: ((error: SystemError) => void) | undefined;
  readonly #batch = new ReceiveBatch();
  readonly #counters = Memory.alloc(8);
  #received = 0;
  #dropped = 0;
  /** Whose turn it is to be read first. */
  #first = 0;
  readonly #gather: Gather;
  #callback: () => void = () => {};
  /** Packets since the last wake-up. */
  #arrived = 0;
  /** The last call brought as many as it could: there may be more. */
  #full = false;
  #gathering = false;
  #closed = false;

  constructor(sockets: readonly CaptureSocket[], options: PacketSocketOptions) {
    this.#sockets = sockets;
    this.#onError = options.onError;
    this.#gather = new Gather(options.gatherDelay ?? micros(0));
  }

  get gatherDelay(): Duration {
    return this.#gather.maxDelay;
  }

  set gatherDelay(delay: Duration) {
    this.#gather.maxDelay = delay;
  }

  /**
   * As the port says; moreover at most 64 packets a call, and their octets stay where they are until the next call, so that a
   * sink may refer to them until it is flushed.
   */
  receive(handler: PacketHandler, budget: number): number {
    const limit = budget < BATCH ? budget : BATCH;
    const sockets = this.#sockets;
    let total = 0;
    for (let i = 0; i < sockets.length && total < limit && !this.#closed; i++) {
      const at = this.#first + i;
      const socket = sockets[at < sockets.length ? at : at - sockets.length] as CaptureSocket;
      if (!socket.ready) continue;
      const wanted = limit - total;
      const count = this.#batch.receive(socket.fd, total, wanted);
      // Fewer than wanted: it is empty now, and the event loop will tell when it is not.
      if (count < wanted) socket.ready = socket.watch === undefined;
      if (count < 0) {
        this.#handleError(socket, lastErrno());
        continue;
      }
      this.#batch.deliver(handler, total, count);
      total += count;
    }
    this.#first = this.#first + 1 < sockets.length ? this.#first + 1 : 0;
    this.#arrived += total;
    this.#full = total === limit;
    return total;
  }

  /** Calls back on arrival. Whoever receives less than all is called again. */
  onReadable(callback: () => void): void {
    this.#callback = callback;
    for (const socket of this.#sockets) {
      socket.ready = false;
      socket.watch = watchFd(socket.fd, () => {
        socket.ready = true;
        this.#wake();
      });
    }
  }

  /** On arrival: serves it, and goes over to gathering when packets come fast. */
  #wake(): void {
    this.#callback();
    if (this.#nextDelay() === 0 || this.#gathering || this.#closed) return;
    this.#gathering = true;
    for (const { watch } of this.#sockets) watch?.watchReadable(false);
    setImmediate(this.#cycle);
  }

  /**
   * One round of gathering. As the next one is an immediate, the event loop looks after everything else in between without
   * falling asleep itself: one wake-up a round, not one more for each stream that has something to say.
   */
  readonly #cycle = (): void => {
    if (this.#closed) return;
    if (!this.#full) sleep(this.gatherDelay);
    for (const socket of this.#sockets) socket.ready = true;
    this.#callback();
    if (this.#closed) return;
    if (this.#nextDelay() > 0) {
      setImmediate(this.#cycle);
      return;
    }
    this.#gathering = false;
    for (const { watch } of this.#sockets) watch?.watchReadable(true);
  };

  #nextDelay(): Duration {
    const packets = this.#arrived;
    this.#arrived = 0;
    return this.#gather.next(systemClock.now(), packets);
  }

  statistics(): CaptureStatistics {
    if (!this.#closed) for (const socket of this.#sockets) this.#addStatistics(socket.fd);
    return { received: this.#received, dropped: this.#dropped };
  }

  close(): void {
    if (this.#closed) return;
    this.statistics();
    this.#closed = true;
    for (const socket of this.#sockets) socket.close();
  }

  /** The kernel's counters start again at each reading; its count of received ones includes the dropped ones. */
  #addStatistics(fd: number): void {
    if (!getOptionStruct(fd, SOL_PACKET, PACKET_STATISTICS, this.#counters, 8)) return;
    this.#received += this.#counters.view.getUint32(0, true);
    this.#dropped += this.#counters.view.getUint32(4, true);
  }

  #handleError(socket: CaptureSocket, errno: number): void {
    if (errno === EAGAIN || errno === EINTR) return;
    const where = socket.name === '' ? '' : ` on '${socket.name}'`;
    const hint =
      errno === ENETDOWN ? 'the interface went down; capture goes on when it is up again' : '';
    this.#onError?.(new SystemError({ ...failure('recvmmsg', where), errno, hint }));
  }
}
