import { type Duration, elapsed, type Instant, millis, seconds } from '../base/time.ts';
import type { Budget } from '../replay/memory-budget.ts';

/** How often the guard looks. */
export const GUARD_INTERVAL: Duration = millis(100);

const MIB = 1 << 20;
/** What the program takes when it copies and holds nothing, in octets: code, compiled code, buffers, young objects. */
const OWN = 96 * MIB;
/** Of what is left, for captured payload; the rest is for copies and garbage. */
const PAYLOAD_PART = 0.5;
/** The pool may grow beyond the budget by what one batch of packets brings, so that copies are shed before it is full. */
const POOL_SLACK = 8 * MIB;

/** Of the limit: above it nothing begins, */
const SHORT = 0.92;
/** and so far it must fall before something does again; */
const EASED = 0.85;
/** above this copies are let go of, until so much should be taken: */
const USED_UP = 0.97;
const AIM = 0.9;
/** Memory is given back so often at the most, since it costs time; and what was shed just before is free only then. */
const RELIEF_INTERVAL: Duration = seconds(1);
/** Where that is of no use, and nothing worse follows, it is tried twice as late each time, up to this. */
const MAX_RELIEF_INTERVAL: Duration = seconds(16);

/** What a limit on the process leaves, in octets: budgets, and the size of the pool from which payload is taken. */
export interface Shares {
  readonly budget: Budget;
  readonly pool: number;
}

/** `limit`: of the process (-m). `most`: of the pool, by an option of its own. */
export function shareMemory(limit: number, most: number): Shares {
  const payload = Math.max((limit - OWN) * PAYLOAD_PART, POOL_SLACK);
  const copies = Math.max(limit - OWN - payload, POOL_SLACK);
  return { budget: { payload, copies }, pool: Math.min(payload + POOL_SLACK, most) };
}

export interface GuardParts {
  /** Octets that the process takes now. */
  readonly resident: () => number;
  /** Gives back what is not used. */
  readonly relieve: () => void;
  /** Copies may begin, or may not. */
  readonly noteMemory: (isShort: boolean) => void;
  /** Lets go of the copies that began last, so many octets of them; returns how many. */
  readonly shed: (octets: number) => number;
  /** Copies that were not begun for want of memory, so far. */
  readonly refused: () => number;
}

/** Keeps the process within -m: what it takes is looked at, not reckoned, and the newest load goes first. Sentences out. */
export class MemoryGuard {
  readonly #parts: GuardParts;
  readonly #limit: number;
  #isShort = false;
  #relievedAt = Number.NEGATIVE_INFINITY as Instant;
  #pause: Duration = RELIEF_INTERVAL;
  /** While memory is short: copies refused before, and copies shed since. */
  #refusedBefore = 0;
  #shed = 0;

  /** `limit`: octets. */
  constructor(parts: GuardParts, limit: number) {
    this.#parts = parts;
    this.#limit = limit;
  }

  /** Nothing begins until there is enough again. */
  get isShort(): boolean {
    return this.#isShort;
  }

  /** What there is to say at `now`: once when memory runs short, and once when it is enough again. */
  look(now: Instant): string | undefined {
    const limit = this.#limit;
    let resident = this.#parts.resident();
    const pause = resident > USED_UP * limit ? RELIEF_INTERVAL : this.#pause;
    if (resident > SHORT * limit && elapsed(this.#relievedAt, now) >= pause) {
      this.#relievedAt = now;
      resident = this.#relieve();
    }
    const isShort = resident > (this.#isShort ? EASED : SHORT) * limit;
    if (isShort === this.#isShort) return undefined;
    this.#isShort = isShort;
    this.#parts.noteMemory(isShort);
    return isShort ? this.#describeShortage(resident) : this.#describeRelief(resident);
  }

  #relieve(): number {
    const limit = this.#limit;
    const { relieve, resident: measure, shed } = this.#parts;
    relieve();
    let resident = measure();
    if (resident > USED_UP * limit) {
      this.#shed += shed(resident - AIM * limit);
      relieve();
      resident = measure();
    }
    const isOfUse = resident <= SHORT * limit;
    this.#pause = isOfUse ? RELIEF_INTERVAL : longer(this.#pause);
    return resident;
  }

  #describeShortage(resident: number): string {
    this.#refusedBefore = this.#parts.refused();
    return (
      `Memory is short: the process takes ${megabytes(resident)} MB, and -m allows ${megabytes(this.#limit)} MB. ` +
      'Until it takes less, no copy begins, and those that began last are let go of if need be. Copy fewer connections (-r, -n), or allow more (-m)'
    );
  }

  #describeRelief(resident: number): string {
    const refused = this.#parts.refused() - this.#refusedBefore;
    const shed = this.#shed;
    this.#shed = 0;
    return `Memory is enough again: the process takes ${megabytes(resident)} MB. ${refused} copies were not begun meanwhile, ${shed} were let go of`;
  }
}

const longer = (pause: Duration): Duration => Math.min(2 * pause, MAX_RELIEF_INTERVAL) as Duration;

const megabytes = (octets: number): number => Math.round(octets / MIB);
