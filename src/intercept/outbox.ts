import type { Instant } from '../base/time.ts';
import { AddResult } from '../control/frame.ts';
import type { Memory } from '../base/memory.ts';
import type { PacketView } from '../wire/packet-view.ts';
import type { Tally } from './counters.ts';
import type { Notices } from './notices.ts';
import type { Peer } from './peer.ts';
import type { Peers } from './peers.ts';

/** Takes out what the core has for its peers. */
export interface FrameSink {
  /** Sends whole frames on a connection in one write. False when it took nothing because the peer does not read. */
  sendFrames(connection: number, memory: Memory, offset: number, length: number): boolean;
  /** Closes a connection, of which the core knows nothing any more. */
  closeConnection(connection: number): void;
}

/** What has gathered for the peers: each peer's own output, sent in one write, and the fate of every response in it. */
export class Outbox {
  readonly #tally: Tally;
  readonly #peers: Peers;
  readonly #notices: Notices;
  /** Peers with something to send: the first `#count` entries. */
  readonly #ready: Peer[] = [];
  #count = 0;

  constructor(tally: Tally, peers: Peers, notices: Notices) {
    this.#tally = tally;
    this.#peers = peers;
    this.#notices = notices;
  }

  /** Puts a response into what is sent to `peer`; counted wherever it ends. As `InterceptEnd.addResponse`. */
  add(now: Instant, peer: Peer, view: PacketView, captured: number, receivedAt: number): void {
    const result = peer.end.addResponse(view, captured, receivedAt);
    if (result === AddResult.ok) {
      this.#tally.queued++;
      if (!peer.ready) this.note(peer);
    } else if (result === AddResult.full) {
      this.#drop(now, peer, 1);
    } else {
      this.#tally.unroutable++;
    }
  }

  /** The output of `peer` may have something in it. */
  note(peer: Peer): void {
    if (peer.ready || peer.end.length === 0) return;
    peer.ready = true;
    this.#ready[this.#count++] = peer;
  }

  /** `peer` is gone, and what has gathered for it is lost. */
  discard(peer: Peer): void {
    const { packets, refusals } = peer.end;
    this.#tally.refusalsLost += refusals;
    this.#tally.queued -= packets;
    this.#tally.peerGone += packets;
    peer.end.clear();
  }

  /** Hands over what has gathered, one write for each peer. */
  send(now: Instant, sink: FrameSink): void {
    for (let i = 0; i < this.#count; i++) {
      const peer = this.#ready[i] as Peer;
      peer.ready = false;
      if (peer.end.length > 0) this.#sendTo(now, peer, sink);
    }
    this.#count = 0;
  }

  #sendTo(now: Instant, peer: Peer, sink: FrameSink): void {
    const tally = this.#tally;
    const { memory, length, packets, refusals } = peer.end;
    // Clearing leaves the octets where they are; the sink may well tell of a disconnect from within the call.
    peer.end.clear();
    tally.queued -= packets;
    const taken = sink.sendFrames(peer.connection, memory, 0, length);
    if (taken) {
      tally.forwarded += packets;
      if (packets > 0) tally.writes++;
      peer.sent += packets;
      peer.isSlow = false;
    } else {
      tally.refusalsLost += refusals;
      this.#drop(now, peer, packets);
    }
    if (peer.gone) return;
    peer.patience.offered(now, taken);
    this.#peers.bear(peer);
  }

  #drop(now: Instant, peer: Peer, packets: number): void {
    this.#tally.slowPeer += packets;
    peer.dropped += packets;
    if (packets === 0 || peer.isSlow) return;
    peer.isSlow = true;
    this.#notices.tooSlow(now, peer);
  }
}
