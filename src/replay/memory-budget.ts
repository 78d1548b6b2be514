import type { Instant } from '../base/time.ts';
import type { SlabPool } from '../base/slab-pool.ts';
import { Outcome } from '../session/outcome.ts';
import type { Copy } from './copy.ts';
import type { Roster } from './roster.ts';

/** Of the budget for payload: above it nothing begins, */
const TIGHT = 0.9;
/** and so far it is brought down when it has been used up, lest it be so again at once. */
const EASED = 0.75;
/** Octets of memory that a copy takes besides what it holds. */
const WEIGHT = 2048;
/** And that a captured piece takes besides its octets. */
const PIECE_WEIGHT = 160;

/** What the process may take (-m), as far as copies are concerned: when it runs short, those that began last are let go of. */
export class MemoryBudget {
  readonly #pool: SlabPool;
  readonly #payload: number;
  /** The process as a whole is short of memory, says its owner. */
  isShort = false;

  /** `payload`: octets of `pool` that may be in use; Infinity where its own limit is enough. */
  constructor(pool: SlabPool, payload: number) {
    this.#pool = pool;
    this.#payload = payload;
  }

  /** No copy should begin. */
  get isTight(): boolean {
    return this.isShort || this.#pool.used > TIGHT * this.#payload;
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
