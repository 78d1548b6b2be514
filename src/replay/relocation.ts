import type { FlowKey } from '../base/flow-key.ts';
import type { Instant } from '../base/time.ts';
import { Outcome } from '../session/outcome.ts';
import type { Admission } from './admission.ts';
import type { Copy } from './copy.ts';
import type { CopyTable } from './copy-table.ts';
import type { Ledger } from './ledger.ts';
import type { AbandonedRoutes } from './abandoned-routes.ts';

/** Moves of one copy at the most: half of all places taken, one search in 65,536 ends here. */
const MAX_MOVES = 16;

/**
 * Copies whose place is another tcpcopy's. An intercept has refused their registration, so that no response would ever come:
 * they begin from another address and port. What was captured meanwhile waits in the copy, and what the target says to the former
 * place is the other tcpcopy's.
 */
export class Relocation {
  readonly #admission: Admission;
  readonly #copies: CopyTable;
  readonly #left: AbandonedRoutes;
  readonly #ledger: Ledger;

  constructor(admission: Admission, copies: CopyTable, left: AbandonedRoutes, ledger: Ledger) {
    this.#admission = admission;
    this.#copies = copies;
    this.#left = left;
    this.#ledger = ledger;
  }

  /** An intercept has refused the session with the ends in `key`. Returns the copy for which there is something to do. */
  handleTaken(now: Instant, key: FlowKey): Copy | undefined {
    const copy = this.#copies.findByKey(key);
    // One that has a connection has got its answers by another intercept, or from before the other tcpcopy came.
    if (copy === undefined || !copy.isMovable) {
      this.#ledger.lateRefusals++;
      return undefined;
    }
    const mayMove = copy.moves < MAX_MOVES;
    const place = mayMove ? this.#admission.findAnotherPlace(now, copy) : undefined;
    if (place === undefined) {
      copy.abandon(now, Outcome.noFreePort);
      return copy;
    }
    if (copy.moves === 0) this.#ledger.moved++;
    copy.moves++;
    // Other intercepts may have taken the registration.
    this.#left.leave(copy);
    this.#copies.move(copy, place);
    return copy;
  }
}
