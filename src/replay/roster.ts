import { DeadlineQueue } from '../base/deadline-queue.ts';
import type { Instant } from '../base/time.ts';
import { isForGood, Outcome } from '../session/outcome.ts';
import type { Admission } from './admission.ts';
import { Ages } from './ages.ts';
import { type Copy, ReadyList } from './copy.ts';
import type { CopyTable } from './copy-table.ts';
import type { Ledger } from './ledger.ts';
import type { LeftOut } from './left-out.ts';
import { AbandonedRoutes } from './abandoned-routes.ts';

/** The copies there are, and the lists in which each has its place. */
export class Roster {
  readonly ready: ReadyList = new ReadyList();
  readonly ages: Ages = new Ages();
  readonly deadlines: DeadlineQueue<Copy> = new DeadlineQueue();
  readonly copies: CopyTable;
  readonly leftOut: LeftOut;
  readonly abandonedRoutes: AbandonedRoutes;
  readonly ledger: Ledger;
  readonly #admission: Admission;
  /** Told of every copy that has ended. */
  onEnded: (copy: Copy) => void = () => undefined;
  /** The first fault of ours that was contained, for the log. */
  fault: unknown = undefined;

  constructor(copies: CopyTable, leftOut: LeftOut, admission: Admission, ledger: Ledger) {
    this.copies = copies;
    this.abandonedRoutes = new AbandonedRoutes(copies);
    this.leftOut = leftOut;
    this.#admission = admission;
    this.ledger = ledger;
  }

  /** Takes in a copy that begins. */
  add(copy: Copy): void {
    this.copies.add(copy);
    this.ages.add(copy);
    this.ready.add(copy);
  }

  /** Takes in a copy that begins when another one has ended. */
  addWaiting(copy: Copy): void {
    this.copies.addWaiting(copy);
    this.ages.add(copy);
    this.ready.add(copy);
  }

  /** Ends a copy whose place another takes. */
  replace(now: Instant, copy: Copy): void {
    copy.stop(now, Outcome.replaced);
    this.ready.add(copy);
    this.detach(now, copy);
  }

  /** A fault of ours ends one copy, not the process. */
  contain(now: Instant, copy: Copy, fault: unknown): void {
    this.fault ??= fault;
    copy.stop(now, Outcome.internalError);
  }

  /** Books what has become of a copy, if it has ended. */
  conclude(copy: Copy): void {
    if (!copy.hasEnded || copy.isCounted) return;
    copy.isCounted = true;
    this.ages.remove(copy);
    this.ledger.countOutcome(copy.outcome);
    this.onEnded(copy);
  }

  /** Takes a copy out of every list: its address and port may be another's. */
  detach(now: Instant, copy: Copy): void {
    this.conclude(copy);
    copy.isDetached = true;
    this.abandonedRoutes.leave(copy);
    this.copies.remove(copy);
    this.ages.remove(copy);
    this.#admission.release(now, copy);
    if (copy.isWaiting) copy.succession?.forget(copy);
    this.deadlines.remove(copy);
    const goesOn = !copy.finCaptured && copy.outcome !== Outcome.resetByClient;
    const mayReturn = this.#admission.mayJoin && !isForGood(copy.outcome);
    if (copy.lane === 0 && goesOn && !mayReturn) this.leftOut.remember(copy);
  }
}
