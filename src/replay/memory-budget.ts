import type { Instant } from '../base/time.ts';
import type { SlabPool } from '../base/slab-pool.ts';
import { Outcome } from '../session/outcome.ts';
import type { Copy } from './copy.ts';
import type { Roster } from './roster.ts';

/** Of the budget for payload: above it nothing begins, */
const TIGHT = 0.9;
/** and so far it is brought down when it has been used up, lest it be so again at once. */
const EASED = 0.75;
/** Octets of memory that a copy takes besides what it holds, with its part of the tables and of what is not yet collected. */
const WEIGHT = 2560;
/** And that a captured piece takes besides its octets. */
const PIECE_WEIGHT = 160;

/** Octets of memory that copies may take. */
export interface Budget {
  /** For captured payload; above it the copies that began last are let go of. */
  readonly payload: number;
  /** For the copies themselves. */
  readonly copies: number;
}

/** What the process may take (-m), as far as copies are concerned: when it runs short, those that began last are let go of. */
export class MemoryBudget {
  readonly #pool: SlabPool;
  readonly #payload: number;
  readonly #copies: number;
  /** The process as a whole is short of memory, says its owner. */
  isShort = false;

  /** `budget`: absent where other limits are enough. */
  constructor(pool: SlabPool, budget: Budget | undefined) {
    this.#pool = pool;
    this.#payload = budget?.payload ?? Number.POSITIVE_INFINITY;
    this.#copies = (budget?.copies ?? Number.POSITIVE_INFINITY) / WEIGHT;
  }

  /** Whether no copy should begin, when there are `size` of them. */
  isTight(size: number): boolean {
    return this.isShort || size >= this.#copies || this.#pool.used > TIGHT * this.#payload;
  }

  get isUsedUp(): boolean {
    return this.#pool.used > this.#payload;
  }

  /** Lets go of copies that hold payload until there is room again; returns how many. */
  ease(now: Instant, roster: Roster): number {
    const aim = EASED * this.#payload;
    return shedNewest(now, roster, holdsPayload, () => this.#pool.used <= aim);
  }

  /** Lets go of copies that take `octets` together: of those that hold payload first; returns how many. */
  shed(now: Instant, roster: Roster, octets: number): number {
    let left = octets;
    const weigh = (copy: Copy): boolean => {
      left -= WEIGHT + copy.queue.octets + PIECE_WEIGHT * copy.queue.segments;
      return true;
    };
    const isEnough = (): boolean => left <= 0;
    const holders = (copy: Copy): boolean => holdsPayload(copy) && weigh(copy);
    return shedNewest(now, roster, holders, isEnough) + shedNewest(now, roster, weigh, isEnough);
  }
}

const holdsPayload = (copy: Copy): boolean => copy.queue.segments > 0;

/** Ends copies that `isChosen`, those that began last first, until `isEnough`; returns how many. */
function shedNewest(
  now: Instant,
  roster: Roster,
  isChosen: (copy: Copy) => boolean,
  isEnough: () => boolean,
): number {
  let count = 0;
  for (let c = roster.ages.newest; c !== null && !isEnough(); ) {
    const { older } = c;
    if (!c.hasEnded && isChosen(c)) {
      c.stop(now, Outcome.shed);
      roster.ages.remove(c);
      roster.ready.add(c);
      count++;
    }
    c = older;
  }
  return count;
}
