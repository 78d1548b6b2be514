import { Memory } from '../base/memory.ts';
import { type Duration, micros } from '../base/time.ts';
import type { CaptureStatistics, PacketHandler, PacketSource } from '../ports/packet-source.ts';
import type { Watchable } from '../ports/reactor.ts';
import type { Program } from './bpf.ts';
import {
  type CaptureOptions,
  captureFailure,
  CaptureSocket,
  chooseBindings,
} from './capture-socket.ts';
import { PACKET_STATISTICS, SOL_PACKET } from './constants.ts';
import { EAGAIN, EINTR, ENETDOWN, SystemError } from './errors.ts';
import { Gather } from './gather.ts';
import { lastErrno } from './libc.ts';
import { systemClock } from './reactor.ts';
import { BATCH, ReceiveBatch } from './receive-batch.ts';
import { sleep } from './sleep.ts';
import { getOptionStruct } from './socket.ts';
import { watchFd } from './watch.ts';

export interface PacketSocketOptions extends CaptureOptions {
  /** Names of interfaces; empty or absent: all of them, those that appear later included. */
  readonly interfaces?: readonly string[];
  /** The longest that a packet may wait for others at high rates, see `gatherDelay`; default 0. */
  readonly gatherDelay?: Duration;
  /** Called with what a socket says of itself, such as that its interface went down. */
  readonly onError?: (error: SystemError) => void;
  /** Called with the name of an interface that had gone and is captured again. */
  readonly onRevived?: (name: string) => void;
}

export interface PacketSocket extends PacketSource, Watchable {
  /**
   * At high rates, once watched, sleep so long between wake-ups that several packets come with each; 0: never. The sleep blocks
   * the event loop, so that what else arrives is gathered too. At low rates every packet wakes us at once. May be changed at
   * any time.
   */
  gatherDelay: Duration;
  /** Lets `filter` decide from now on what the kernel lets through. Throws `SystemError`. */
  setFilter(filter: Program): void;
}

/**
 * Opens a capture of the IP packets that arrive at this host. The filter is in place before the first packet can enter. Throws
 * `SystemError`.
 */
export function openPacketSource(options: PacketSocketOptions = {}): PacketSocket {
  const bindings = chooseBindings(
    options.interfaces ?? [],
    options.families ?? [4, 6],
    options.outgoing,
  );
  const sockets: CaptureSocket[] = [];
  try {
    for (const binding of bindings) sockets.push(new CaptureSocket(binding, options));
  } catch (error) {
    for (const socket of sockets) socket.close();
    throw error;
  }
  return new PacketSocketSource(sockets, options);
}

/** How often an interface that went away is looked for. */
const REVIVAL_MS = 500;

class PacketSocketSource implements PacketSocket {
  readonly keepsBatch = true;
  readonly #sockets: readonly CaptureSocket[];
  readonly #onError: ((error: SystemError) => void) | undefined;
  readonly #onRevived: ((name: string) => void) | undefined;
  /** Sockets whose interface is down or gone. */
  readonly #dead = new Set<CaptureSocket>();
  #revival: NodeJS.Timeout | undefined;
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
    this.#onRevived = options.onRevived;
    this.#gather = new Gather(options.gatherDelay ?? micros(0));
  }

  get gatherDelay(): Duration {
    return this.#gather.maxDelay;
  }

  set gatherDelay(delay: Duration) {
    this.#gather.maxDelay = delay;
  }

  setFilter(filter: Program): void {
    for (const socket of this.#sockets) socket.setFilter(filter);
  }

  noteWaiting(waiting: boolean): void {
    this.#gather.noteWaiting(waiting);
  }

  /** As the port says; moreover at most 64 packets a call. */
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
    clearInterval(this.#revival);
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
      errno === ENETDOWN ? 'the interface is down or gone; capture goes on when it is back' : '';
    this.#onError?.(new SystemError({ ...captureFailure('recvmmsg', where), errno, hint }));
    if (errno !== ENETDOWN || socket.name === '') return;
    this.#dead.add(socket);
    this.#revival ??= setInterval(() => this.#revive(), REVIVAL_MS);
  }

  #revive(): void {
    for (const socket of this.#dead) {
      try {
        if (!socket.revive()) continue;
        this.#onRevived?.(socket.name);
      } catch (error) {
        if (!(error instanceof SystemError)) throw error;
        this.#onError?.(error);
        continue;
      }
      this.#dead.delete(socket);
    }
    if (this.#dead.size > 0) return;
    clearInterval(this.#revival);
    this.#revival = undefined;
  }
}
