import { FlowKey } from '../base/flow-table.ts';
import type { Memory } from '../base/memory.ts';
import type { Instant } from '../base/time.ts';
import { AddResult } from '../control/frame.ts';
import { CONTROL_VERSION, RegistrationError } from '../control/registration.ts';
import type { Log } from '../ports/log.ts';
import type { CapturedPacket } from '../ports/packet-source.ts';
import { PacketError, PacketView } from '../wire/packet-view.ts';
import { type InterceptCounters, Tally } from './counters.ts';
import { Peer, type PeerHost } from './peer.ts';
import { RouteTable } from './route-table.ts';
import { TurnTaking } from './turn-taking.ts';
import { Waiting } from './waiting.ts';

/** Takes the frames out. */
export interface FrameSink {
  /** Sends whole frames on a connection in one write. False when it took nothing because the peer does not read. */
  sendFrames(connection: number, memory: Memory, offset: number, length: number): boolean;
}

/**
 * The core of intercept: responses and registrations in, frames out; no I/O, no clock.
 *
 * Inputs: `handleConnection`, `handleControlData`, `handleDisconnect`, `handleResponse`, `handleTimeout`. After the inputs of
 * one wake-up: `pollTransmit`, then `pollTimeout` for when to call `handleTimeout`. `now` never goes back.
 */
export class Interceptor implements PeerHost {
  readonly #log: Log;
  readonly #routes: RouteTable<Peer>;
  readonly #waiting: Waiting;
  readonly #peers = new Map<number, Peer>();
  readonly #view = new PacketView();
  readonly #key = new FlowKey();
  /** Peers with something to send: the first `#readyCount` entries. */
  readonly #ready: Peer[] = [];
  #readyCount = 0;
  readonly #tally = new Tally();
  /** Whether the copies that are answered take quick turns. */
  readonly turns: TurnTaking = new TurnTaking();

  /** `secret`: an unpredictable integer, see `FlowTable`. */
  constructor(log: Log, secret: number) {
    this.#log = log;
    this.#routes = new RouteTable(secret);
    this.#waiting = new Waiting(secret);
  }

  /** A tcpcopy has connected. `connection` is any number that no open connection has; `name` is for messages. */
  handleConnection(connection: number, name: string): void {
    this.#peers.set(connection, new Peer(connection, name, this));
  }

  /** Octets of a control connection, at `memory[0 … length)`. False when it must be closed; the reason has been logged. */
  handleControlData(now: Instant, connection: number, memory: Memory, length: number): boolean {
    const peer = this.#peers.get(connection);
    if (peer === undefined) return false;
    this.#waiting.expire(now);
    if (peer.decoder.error !== RegistrationError.none) return false;
    if (peer.decoder.push(memory, length, peer) === RegistrationError.none) return true;
    this.#log.warn(
      `closing control connection ${peer.name}: its first message is not a version message (all zero but the type), so it is no tcpcopy or one from before protocol version ${CONTROL_VERSION}; check what connects to this port`,
    );
    return false;
  }

  /** A control connection is gone: what gathered for it is dropped and its routes lead nowhere. */
  handleDisconnect(connection: number): void {
    const peer = this.#peers.get(connection);
    if (peer === undefined) return;
    this.#peers.delete(connection);
    const { packets } = peer.encoder;
    this.#tally.queued -= packets;
    this.#tally.peerGone += packets;
    peer.encoder.clear();
    peer.closed = true;
    this.#routes.releaseOwner(peer);
  }

  /** A packet from the target has been captured. */
  handleResponse(now: Instant, packet: CapturedPacket): void {
    const view = this.#view;
    const tally = this.#tally;
    tally.received++;
    const error = view.parse(packet.memory, packet.offset, packet.length, packet.wireLength);
    // The capture takes headers only, so that the payload is cut off is the ordinary case.
    if (error !== PacketError.none && error !== PacketError.cutByCapture) {
      tally.unusable[error] = (tally.unusable[error] as number) + 1;
      return;
    }
    this.turns.note(now, view);
    const key = this.#key;
    key.setAddress(0, view.dst0, view.dst1, view.dst2, view.dst3);
    key.setAddress(4, view.src0, view.src1, view.src2, view.src3);
    key.setPorts(view.destinationPort, view.sourcePort);
    const peer = this.#routes.find(key);
    if (peer !== undefined) this.#queued(peer, peer.encoder.add(view));
    else if (view.family === 4) this.#waiting.add(now, key, view);
    else tally.unroutable++;
  }

  handleTimeout(now: Instant): void {
    this.#waiting.expire(now);
  }

  /** Hands over what has gathered, one write for each connection. */
  pollTransmit(sink: FrameSink): void {
    const tally = this.#tally;
    for (let i = 0; i < this.#readyCount; i++) {
      const peer = this.#ready[i] as Peer;
      peer.ready = false;
      const { memory, length, packets } = peer.encoder;
      if (length === 0) continue;
      // Clearing leaves the octets where they are; the sink may well tell of a disconnect from within the call.
      peer.encoder.clear();
      tally.queued -= packets;
      if (sink.sendFrames(peer.connection, memory, 0, length)) tally.forwarded += packets;
      else tally.slowPeer += packets;
    }
    this.#readyCount = 0;
  }

  /** When `handleTimeout` is due; `NEVER` when nothing waits. */
  pollTimeout(): Instant {
    return this.#waiting.deadline;
  }

  /** A snapshot. */
  counters(): InterceptCounters {
    return this.#tally.snapshot(this.#waiting);
  }

  get connectionCount(): number {
    return this.#peers.size;
  }

  get routeCount(): number {
    return this.#routes.size;
  }

  /** Routes given up for want of room: see `RouteTable`. */
  get routesForgotten(): number {
    return this.#routes.forgotten;
  }

  // What peers report, once they have read it from their octets.

  registered(peer: Peer, key: FlowKey): void {
    this.#routes.set(key, peer);
    this.#waiting.deliver(key, peer);
  }

  /** A session that has moved to another connection meanwhile keeps its route. */
  unregistered(peer: Peer, key: FlowKey): void {
    this.#routes.delete(key, peer);
  }

  queueMessage(peer: Peer, memory: Memory, offset: number): void {
    this.#queued(peer, peer.encoder.addMessage(memory, offset));
  }

  versionDiffers(peer: Peer, version: number): void {
    this.#log.warn(
      `control connection ${peer.name} speaks protocol version ${version}, this intercept speaks ${CONTROL_VERSION}: going on as with version ${CONTROL_VERSION}; use the same release on both sides`,
    );
  }

  #queued(peer: Peer, result: AddResult): void {
    if (result === AddResult.ok) {
      this.#tally.queued++;
      if (peer.ready) return;
      peer.ready = true;
      this.#ready[this.#readyCount++] = peer;
    } else if (result === AddResult.full) {
      this.#tally.slowPeer++;
    } else {
      this.#tally.unroutable++;
    }
  }
}
