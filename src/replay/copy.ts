import type { Instant } from '../base/time.ts';
import type { SessionContext } from '../session/context.ts';
import { Session } from '../session/session.ts';
import type { CopyEndpoints, SynNumbers, SynTemplate } from '../session/state.ts';
import type { IpAddress } from '../wire/address.ts';
import type { Succession } from './succession.ts';

/** Both ends of the captured connection. */
export interface CapturedEndpoints {
  readonly client: IpAddress;
  readonly clientPort: number;
  readonly online: IpAddress;
  readonly onlinePort: number;
}

/** A session, the captured connection that it copies, and its place in the replayer's lists. */
export class Copy extends Session implements CapturedEndpoints {
  readonly client: IpAddress;
  readonly clientPort: number;
  readonly online: IpAddress;
  readonly onlinePort: number;
  /** Which of the copies of the captured connection it is, from 0. */
  readonly lane: number;
  /** Its place among others of the same client port, while some of them wait. */
  succession: Succession | null = null;
  /** The next copy that has something to do; see `ReadyList`. */
  nextReady: Copy | null = null;
  isReady = false;
  /** Those that began just before and just after; see `Ages`. */
  older: Copy | null = null;
  newer: Copy | null = null;
  isAging = false;
  /** What the registrar wants to hear when the route is given up. */
  routeSlot = -1;
  /** How often its place was another tcpcopy's. */
  moves = 0;
  /** Its outcome is in the ledger. */
  isCounted = false;
  /** What is captured of its client port belongs to a later connection, which has no copy in this lane. */
  isOrphan = false;
  /** Out of the tables: another copy may have its tuple. */
  isDetached = false;

  constructor(
    context: SessionContext,
    captured: CapturedEndpoints,
    ends: CopyEndpoints,
    syn: SynTemplate,
    numbers: SynNumbers,
    now: Instant,
    ipId: number,
    lane = 0,
  ) {
    super(context, ends, syn, numbers, now, ipId);
    this.lane = lane;
    this.client = captured.client;
    this.clientPort = captured.clientPort;
    this.online = captured.online;
    this.onlinePort = captured.onlinePort;
  }

  /** Another copy has its address and port at the target, and must end before it begins. */
  get isWaiting(): boolean {
    return this.succession !== null && this.succession.live !== this;
  }
}

/** Copies that have something to do, each once, first come first served; linked through the copies themselves. */
export class ReadyList {
  #first: Copy | null = null;
  #last: Copy | null = null;

  get first(): Copy | null {
    return this.#first;
  }

  add(copy: Copy): void {
    if (copy.isReady) return;
    copy.isReady = true;
    if (this.#last === null) this.#first = copy;
    else this.#last.nextReady = copy;
    this.#last = copy;
  }

  take(): Copy | null {
    const copy = this.#first;
    if (copy === null) return null;
    this.#first = copy.nextReady;
    if (this.#first === null) this.#last = null;
    copy.nextReady = null;
    copy.isReady = false;
    return copy;
  }
}
