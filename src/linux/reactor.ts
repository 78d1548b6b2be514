import { performance } from 'node:perf_hooks';
import { Memory } from '../base/memory.ts';
import { type Instant, NEVER } from '../base/time.ts';
import type { Clock, WakeTimer } from '../ports/reactor.ts';
import { CLOCK_MONOTONIC, TFD_CLOEXEC, TFD_NONBLOCK } from './constants.ts';
import { SystemError } from './errors.ts';
import { addressOf, lastErrno, libc, writeWord } from './libc.ts';
import { type Watch, watchFd } from './watch.ts';

/** CLOCK_MONOTONIC since the process started. */
export const systemClock: Clock = {
  now: (): Instant => (performance.now() * 1e3) as Instant,
};

/** CLOCK_REALTIME in microseconds, as it was at the start and has run since. */
export const wallClock = (): number => (performance.timeOrigin + performance.now()) * 1e3;

/** A timer of microseconds; Node's own know milliseconds only. Throws `SystemError`. */
export const openWakeTimer = (callback: () => void, clock: Clock = systemClock): WakeTimer =>
  new FdTimer(callback, clock);

const ITIMERSPEC_SIZE = 32;
/** Where the seconds and nanoseconds of the first expiry lie; the interval before them stays 0. */
const SECONDS = 16;
const NANOSECONDS = 24;
/** Farther deadlines are approached in steps. */
const LONGEST_STEP = 1e12;

class FdTimer implements WakeTimer {
  readonly #callback: () => void;
  readonly #clock: Clock;
  readonly #fd: number;
  readonly #memory = Memory.alloc(ITIMERSPEC_SIZE + 8);
  readonly #watch: Watch;
  /** What was asked for. */
  #deadline: Instant = NEVER;
  /** When the kernel will wake us; at or before the deadline. */
  #armed: Instant = NEVER;
  #closed = false;

  constructor(callback: () => void, clock: Clock) {
    this.#callback = callback;
    this.#clock = clock;
    this.#fd = libc.timerfdCreate(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (this.#fd < 0) {
      throw new SystemError({
        call: 'timerfd_create',
        errno: lastErrno(),
        doing: 'make a timer',
      });
    }
    this.#watch = watchFd(this.#fd, () => this.#expire());
  }

  /**
   * A deadline that moves back costs nothing: the kernel's timer is left as it is, wakes us early and is set again then. As
   * deadlines mostly move back with every packet, that spares a system call for nearly each of them.
   */
  arm(at: Instant): void {
    if (this.#closed) return;
    this.#deadline = at;
    if (at < this.#armed) this.#set(at);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.close();
    libc.close(this.#fd);
  }

  #expire(): void {
    libc.read(this.#fd, addressOf(this.#memory) + ITIMERSPEC_SIZE, 8);
    this.#armed = NEVER;
    if (this.#deadline === NEVER) return;
    if (this.#clock.now() < this.#deadline) {
      this.#set(this.#deadline);
      return;
    }
    this.#deadline = NEVER;
    this.#callback();
  }

  #set(at: Instant): void {
    const wait = Math.min(Math.max(at - this.#clock.now(), 0), LONGEST_STEP);
    const whole = Math.floor(wait / 1e6);
    writeWord(this.#memory, SECONDS, whole);
    // 0 would disarm: a deadline that has passed is a nanosecond ahead.
    const nanoseconds = Math.max(Math.ceil((wait - whole * 1e6) * 1e3), 1);
    writeWord(this.#memory, NANOSECONDS, Math.min(nanoseconds, 999_999_999));
    libc.timerfdSettime(this.#fd, 0, addressOf(this.#memory), 0);
    this.#armed = at;
  }
}
