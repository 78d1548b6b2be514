import { DeadlineQueue } from '../base/deadline-queue.ts';
import type { Instant } from '../base/time.ts';
import type { Notices } from './notices.ts';
import { ByeCode } from '../control/small-frames.ts';
import { type OpenEnd, Peer, type PeerHost } from './peer.ts';
import { addressOfPeer, PeerAccount, PeerLimits, type PeerLimitValues } from './peer-limits.ts';

/** The control connections: who may come, how long they are borne with, and who is to be closed. */
export class Peers {
  readonly #notices: Notices;
  readonly #limits: PeerLimits;
  readonly #peers = new Map<number, Peer>();
  readonly #patience = new DeadlineQueue<Peer>();
  readonly #closing: Peer[] = [];

  constructor(notices: Notices, limits: PeerLimitValues) {
    this.#notices = notices;
    this.#limits = new PeerLimits(limits);
  }

  get size(): number {
    return this.#peers.size;
  }

  get refused(): number {
    return this.#limits.refused;
  }

  /** When `nextOverdue` has something to tell. */
  get deadline(): Instant {
    return this.#patience.next;
  }

  find(connection: number): Peer | undefined {
    return this.#peers.get(connection);
  }

  all(): Iterable<Peer> {
    return this.#peers.values();
  }

  /** A connection: the peer, or undefined when it is to be closed at once, which has been logged. */
  open(
    now: Instant,
    connection: number,
    name: string,
    host: PeerHost,
    openEnd: OpenEnd,
  ): Peer | undefined {
    const address = addressOfPeer(name);
    const account = this.#limits.admit(address);
    if (!(account instanceof PeerAccount)) {
      this.#notices.refused(now, name, address, account);
      return undefined;
    }
    const peer = new Peer(now, connection, name, account, host, openEnd);
    this.#peers.set(connection, peer);
    this.bear(peer);
    return peer;
  }

  /** The peer's patience has changed. */
  bear(peer: Peer): void {
    const { deadline } = peer.patience;
    if (deadline !== peer.queuedAt) this.#patience.schedule(peer, deadline);
  }

  /** A peer that has taken too long for something, one after another; undefined when there is no further one. */
  nextOverdue(now: Instant): Peer | undefined {
    return this.#patience.popDue(now);
  }

  /**
   * The peer is to be closed by us, once its output is sent; `reason` is a sentence fragment, `code` what the peer is told if
   * it was not told yet.
   */
  close(now: Instant, peer: Peer, code: ByeCode, reason: string): void {
    // What ends in order is no reason to warn.
    if (peer.end.failure?.bye === ByeCode.done) this.#notices.disconnected(now, peer, reason);
    else this.#notices.closing(now, peer, reason);
    peer.end.bye(code, reason);
    this.#forget(peer);
    this.#closing.push(peer);
  }

  /** The peer has closed, or its connection has failed. */
  lost(now: Instant, peer: Peer, reason: string): void {
    this.#notices.disconnected(now, peer, reason);
    this.#forget(peer);
  }

  /** The peer has said that it goes: closed by us, as nothing more will come. */
  leave(now: Instant, peer: Peer, reason: string): void {
    this.lost(now, peer, reason);
    this.#closing.push(peer);
  }

  /** The peers that `close` and `leave` have named since the last call, one after another. */
  nextClosing(): Peer | undefined {
    return this.#closing.pop();
  }

  #forget(peer: Peer): void {
    this.#peers.delete(peer.connection);
    this.#patience.remove(peer);
    this.#limits.release(peer.account);
  }
}
