import koffi, { type node } from 'koffi';

/** Interest in one file descriptor on Node's own event loop. */
export interface Watch {
  /** Looks for writability too, or no more. */
  watchWritable(on: boolean): void;
  /** Looks for readability, or not for now. */
  watchReadable(on: boolean): void;
  /** Ends the interest. The descriptor must be closed after this, never before. */
  close(): void;
}

/**
 * Every open watch. The library's handle must stay strongly referenced: once collected, its callbacks stop without a word
 * (seen in half of the runs of an experiment).
 */
const open = new Set<FdWatch>();

class FdWatch implements Watch {
  readonly #handle: node.PollHandle;
  readonly #callback: (status: number, event: PollEvent) => void;
  readonly #interest = { readable: true, writable: false };
  #active = true;
  #closed = false;

  constructor(fd: number, onReadable: () => void, onWritable: (() => void) | undefined) {
    this.#callback = (status, event) => {
      // An error on the descriptor comes without events: reading or writing tells which it is, and takes it away.
      const failed = status < 0;
      try {
        if ((event.writable || failed) && this.#interest.writable) onWritable?.();
        if ((event.readable || failed) && this.#interest.readable) onReadable();
      } catch (error) {
        setImmediate(() => {
          throw error;
        });
      }
      // libuv stops a watch that has met an error: a capture would never hear of its interface being up again.
      if (failed) this.#update();
    };
    this.#handle = koffi.node.poll(fd, this.#interest, this.#callback as Typed);
    open.add(this);
  }

  watchWritable(on: boolean): void {
    if (this.#interest.writable === on) return;
    this.#interest.writable = on;
    this.#update();
  }

  watchReadable(on: boolean): void {
    if (this.#interest.readable === on) return;
    this.#interest.readable = on;
    this.#update();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#interest.readable = false;
    this.#interest.writable = false;
    this.#handle.close();
    open.delete(this);
  }

  #update(): void {
    if (this.#closed) return;
    const { readable, writable } = this.#interest;
    if (readable || writable) {
      this.#handle.start(this.#interest, this.#callback as Typed);
    } else if (this.#active) this.#handle.stop();
    this.#active = readable || writable;
  }
}

/** The library's declaration leaves out the status that it passes first. */
type Typed = never;

interface PollEvent {
  readonly readable: boolean;
  readonly writable: boolean;
}

/**
 * The library calls JavaScript from the bare event loop, outside Node's own callback scope: promises and `nextTick` wait for the
 * next ordinary callback, and an exception would surface there too, in somebody else's name. So exceptions are re-thrown from
 * `setImmediate` above, and whoever settles a promise in a callback of a watch does it in `settleSoon`. An immediate costs one
 * more turn of the loop (a system call), which is why not every callback gets one.
 */
export const settleSoon = (settle: () => void): void => {
  setImmediate(settle);
};

/** Calls back whenever `fd` is readable, and writable when asked for, until closed. Keeps the process alive. */
export const watchFd = (fd: number, onReadable: () => void, onWritable?: () => void): Watch =>
  new FdWatch(fd, onReadable, onWritable);
