import type { Scheduled } from '../base/deadline-queue.ts';
import type { FlowKey } from '../base/flow-key.ts';
import type { Memory } from '../base/memory.ts';
import { type Instant, NEVER } from '../base/time.ts';
import type { InterceptEnd, InterceptEndHandler } from '../control/intercept-end.ts';
import type { PeerAccount } from './peer-limits.ts';
import { PeerPatience } from './peer-patience.ts';
import { RouteOwner } from './route-table.ts';
import type { ResponseSource } from './target-set.ts';
import type { WaitingHandler } from './waiting.ts';

/** Makes the protocol's end of a connection, which reports to the peer. */
export type OpenEnd = (peer: Peer) => InterceptEnd;

/** Whom a peer reports to. */
export interface PeerHost {
  introduced(peer: Peer, version: number): void;
  extended(peer: Peer, proven: boolean): void;
  registered(peer: Peer, key: FlowKey): void;
  unregistered(peer: Peer, key: FlowKey): void;
  declared(peer: Peer, targets: readonly ResponseSource[]): void;
  waited(
    peer: Peer,
    memory: Memory,
    offset: number,
    length: number,
    wireLength: number,
    receivedAt: number,
  ): void;
}

/** A tcpcopy: one control connection, what has been read of it and what is to be written. */
export class Peer extends RouteOwner implements InterceptEndHandler, WaitingHandler, Scheduled {
  readonly connection: number;
  /** "address:port", for messages. */
  readonly name: string;
  readonly account: PeerAccount;
  readonly end: InterceptEnd;
  readonly patience: PeerPatience;
  readonly #host: PeerHost;
  queueIndex = -1;
  queuedAt: Instant = NEVER;
  /** Listed among those with something to send. */
  ready = false;
  /** It has said, and proved if it must, that it is a tcpcopy. */
  isKnown = false;
  /** Messages read. */
  heard = 0;
  /** Responses sent to it. */
  sent = 0;
  /** Responses dropped because it does not read fast enough. */
  dropped = 0;
  /** That it does not read fast enough has been said; until it does again. */
  isSlow = false;

  constructor(
    now: Instant,
    connection: number,
    name: string,
    account: PeerAccount,
    host: PeerHost,
    openEnd: OpenEnd,
  ) {
    super(account.quota);
    this.connection = connection;
    this.name = name;
    this.account = account;
    this.patience = new PeerPatience(now);
    this.#host = host;
    this.end = openEnd(this);
  }

  handleVersion(version: number): void {
    this.heard++;
    this.#host.introduced(this, version);
  }

  handleExtended(proven: boolean): void {
    this.heard++;
    this.tellsEnds = true;
    this.#host.extended(this, proven);
  }

  handleInstance(instance: string): void {
    this.heard++;
    this.instance = instance;
  }

  handleSessionAdd(key: FlowKey): void {
    this.heard++;
    this.#host.registered(this, key);
  }

  handleSessionDelete(key: FlowKey): void {
    this.heard++;
    // An original never does this.
    this.tellsEnds = true;
    this.#host.unregistered(this, key);
  }

  handleTargets(targets: readonly ResponseSource[]): void {
    this.heard++;
    this.#host.declared(this, targets);
  }

  handlePayloadWanted(): void {
    this.heard++;
  }

  handlePong(): void {
    this.heard++;
  }

  handleWaiting(
    memory: Memory,
    offset: number,
    length: number,
    wireLength: number,
    receivedAt: number,
  ): void {
    this.#host.waited(this, memory, offset, length, wireLength, receivedAt);
  }
}
