import { FlowKey } from '../base/flow-key.ts';
import type { Memory } from '../base/memory.ts';
import type { Instant } from '../base/time.ts';
import { InterceptEnd } from '../control/intercept-end.ts';
import type { Failure } from '../control/failure.ts';
import { CONTROL_VERSION } from '../control/registration.ts';
import { COMBINED, payloadRoomOf, type ResponseForm } from '../control/response-form.ts';
import { ByeCode } from '../control/small-frames.ts';
import type { Log } from '../ports/log.ts';
import type { CapturedPacket } from '../ports/packet-source.ts';
import { PacketError, PacketView } from '../wire/packet-view.ts';
import { FIN, RST, SYN } from '../wire/tcp.ts';
import { type InterceptCounters, Tally } from './counters.ts';
import { addCounts } from './far-counts.ts';
import { FoldedLog } from './folded-log.ts';
import { Notices } from './notices.ts';
import { type Access, ANYBODY, type InterceptorOptions, limitsOf } from './interceptor-options.ts';
import { originalKey } from './original-key.ts';
import type { Peer, PeerHost } from './peer.ts';
import { addressOfPeer } from './peer-limits.ts';
import { type FrameSink, Outbox } from './outbox.ts';
import { Peers } from './peers.ts';
import { Redirect } from './redirect.ts';
import { DEFAULT_MAX_ROUTES, Registered, RouteState, RouteTable } from './route-table.ts';
import { Joined, SingleGroup } from './single-group.ts';
import { type ResponseSource, TargetSet } from './target-set.ts';
import { TurnTaking } from './turn-taking.ts';
import { Cause, Unrouted } from './unrouted.ts';
import { Waiting } from './waiting.ts';

/**
 * The core of intercept: responses and registrations in, frames out; no I/O, no clock.
 *
 * Inputs: `handleConnection`, `handleControlData`, `handleDisconnect`, `handleResponse`, `handleTimeout`. After the inputs of
 * one wake-up: `pollTransmit`, then `pollTimeout` for when to call `handleTimeout`. `now` never goes back.
 */
export class Interceptor implements PeerHost {
  readonly #log: Log;
  readonly #folded: FoldedLog;
  readonly #notices: Notices;
  readonly #peers: Peers;
  readonly #routes: RouteTable<Peer>;
  readonly #waiting: Waiting;
  readonly #unrouted = new Unrouted();
  readonly #single: SingleGroup<Peer> | undefined;
  readonly #redirect: Redirect | undefined;
  readonly #dnat: boolean;
  readonly #access: Access;
  readonly #responseForm: ResponseForm;
  readonly #view = new PacketView();
  readonly #key = new FlowKey();
  readonly #tally = new Tally();
  readonly #outbox: Outbox;
  /** Of the input in hand. */
  #now = 0 as Instant;
  /** Whether the copies that are answered take quick turns. */
  readonly turns: TurnTaking = new TurnTaking();
  /** What the peers want captured. */
  readonly targets: TargetSet;

  /** `secret`: an unpredictable integer, see `FlowTable`. */
  constructor(log: Log, secret: number, options: InterceptorOptions = {}) {
    const { single, redirect } = options;
    this.#log = log;
    this.#folded = new FoldedLog(log);
    this.#notices = new Notices(this.#folded);
    this.#peers = new Peers(this.#notices, limitsOf(options));
    this.#outbox = new Outbox(this.#tally, this.#peers, this.#notices);
    this.#routes = new RouteTable(secret, options.maxRoutes ?? DEFAULT_MAX_ROUTES);
    this.#waiting = new Waiting(secret, this.#unrouted);
    this.targets = new TargetSet(secret);
    this.#single = single && new SingleGroup(single.protect);
    this.#redirect = redirect && new Redirect(redirect.from, redirect.to);
    this.#dnat = options.dnat ?? false;
    this.#access = options.access ?? ANYBODY;
    this.#responseForm = options.responseForm ?? COMBINED;
  }

  /**
   * A connection has been accepted. `connection` is any number that no open connection has; `name` is "address:port" of the
   * other side; `channelBinding` is what both ends of a TLS connection know and nobody else (RFC 9266). False when the
   * connection must be closed at once; the reason has been logged.
   */
  handleConnection(
    now: Instant,
    connection: number,
    name: string,
    channelBinding?: Uint8Array,
  ): boolean {
    const openEnd = (peer: Peer): InterceptEnd => this.#openEnd(peer, channelBinding);
    return this.#peers.open(now, connection, name, this, openEnd) !== undefined;
  }

  /** A connection has failed before it could be used, as where no TLS was agreed on. */
  handleRefused(now: Instant, name: string, reason: string): void {
    this.#notices.refused(now, name, addressOfPeer(name), reason);
  }

  /** Octets of a control connection, at `memory[0 … length)`. */
  handleControlData(now: Instant, connection: number, memory: Memory, length: number): void {
    const peer = this.#peers.find(connection);
    if (peer === undefined) return;
    this.#now = now;
    this.#waiting.expire(now);
    const { end } = peer;
    const goesOn = end.handleData(memory, length);
    this.#outbox.note(peer);
    if (!goesOn) {
      const { bye, reason } = end.failure as Failure;
      if (bye === ByeCode.done) this.#takeLeave(now, peer, reason);
      else this.#close(now, peer, ByeCode.malformed, reason);
      return;
    }
    peer.patience.heard(now, peer.heard, end.isMidMessage, end.isReady);
    this.#peers.bear(peer);
    if (end.isReady && !peer.isKnown) this.#welcome(peer);
  }

  /** A control connection is gone: what gathered for it is dropped and its routes lead nowhere. */
  handleDisconnect(now: Instant, connection: number, reason: string): void {
    const peer = this.#peers.find(connection);
    if (peer === undefined) return;
    this.#peers.lost(now, peer, reason);
    this.#outbox.discard(peer);
    this.#release(now, peer);
  }

  /** A packet from the target has been captured. */
  handleResponse(now: Instant, packet: CapturedPacket): void {
    const view = this.#view;
    const tally = this.#tally;
    this.#now = now;
    tally.received++;
    if (this.#redirect !== undefined) this.#redirect.apply(packet);
    const error = view.parse(packet.memory, packet.offset, packet.length, packet.wireLength);
    // The capture may take headers only, so that the payload is cut off is the ordinary case.
    if (error !== PacketError.none && error !== PacketError.cutByCapture) {
      tally.unusable[error] = (tally.unusable[error] as number) + 1;
      return;
    }
    this.turns.note(now, view);
    this.#readKey(view);
    if (this.#single !== undefined) {
      this.#distribute(this.#single, packet);
      return;
    }
    const routes = this.#routes;
    const row = routes.find(this.#key);
    if (row >= 0 && routes.stateOf(row) === RouteState.live) {
      routes.use(now, row, (view.flags & (FIN | RST)) !== 0);
      this.#outbox.add(now, routes.ownerOf(row), view, packet.length, packet.receivedAt);
    } else {
      this.#wait(now, row, packet);
    }
  }

  handleTimeout(now: Instant): void {
    this.#waiting.expire(now);
    this.#routes.expire(now);
    this.targets.expire(now);
    for (let peer = this.#peers.nextOverdue(now); peer; peer = this.#peers.nextOverdue(now)) {
      const reason = peer.patience.overdue(now);
      if (reason === undefined) this.#peers.bear(peer);
      else this.#close(now, peer, ByeCode.slow, reason);
    }
    this.#folded.flush(now);
    this.#unrouted.report(now, this.#log);
  }

  /** Hands over what has gathered, one write for each connection, and closes those that must be closed. */
  pollTransmit(now: Instant, sink: FrameSink): void {
    this.#outbox.send(now, sink);
    for (let peer = this.#peers.nextClosing(); peer; peer = this.#peers.nextClosing()) {
      sink.closeConnection(peer.connection);
    }
  }

  /**
   * Puts the counts that the ledger of tcpcopy needs into what is sent to every peer that understands them; `lost`: packets lost
   * between the kernel and us.
   */
  reportCounts(lost: number): void {
    const counters = this.counters();
    for (const peer of this.#peers.all()) {
      if (!peer.end.isExtended) continue;
      addCounts(peer, counters, lost);
      this.#outbox.note(peer);
    }
  }

  /** The capture listens for the responses of `targets` from now on, which is told in the log. */
  noteCapture(now: Instant): void {
    this.#notices.capturing(now, this.targets);
  }

  /** When `handleTimeout` is due; `NEVER` when nothing waits. */
  pollTimeout(): Instant {
    return Math.min(
      this.#waiting.deadline,
      this.#routes.deadline,
      this.targets.deadline,
      this.#peers.deadline,
      this.#folded.deadline,
      this.#unrouted.deadline,
    ) as Instant;
  }

  /** A snapshot. */
  counters(): InterceptCounters {
    return this.#tally.snapshot(this.#unrouted, this.#waiting.size);
  }

  get connectionCount(): number {
    return this.#peers.size;
  }

  /** Connections refused because there were too many. */
  get connectionsRefused(): number {
    return this.#peers.refused;
  }

  /** For counts and memory. */
  get routes(): Readonly<RouteTable<Peer>> {
    return this.#routes;
  }

  /** Octets of payload that the peer with the largest wish wants of each response. */
  get wantedPayload(): number {
    let wanted = payloadRoomOf(this.#responseForm);
    for (const { end } of this.#peers.all()) wanted = Math.max(wanted, end.payloadWanted);
    return wanted;
  }

  // What peers report, once they have read it from their octets.

  introduced(peer: Peer, version: number): void {
    if (version !== CONTROL_VERSION) this.#notices.versionDiffers(this.#now, peer, version);
  }

  extended(peer: Peer, proven: boolean): void {
    const key = proven ? 'proved the key' : 'no key';
    this.#log.debug(`${peer.name} speaks the extended protocol, ${key}`);
  }

  registered(peer: Peer, told: FlowKey): void {
    if (this.#single !== undefined) return;
    const key = this.#routeKey(told);
    this.targets.note(key, peer);
    const row = this.#routes.find(key);
    const former =
      row >= 0 && this.#routes.stateOf(row) === RouteState.live ? this.#routes.ownerOf(row) : peer;
    const result = this.#routes.add(this.#now, key, peer);
    if (result === Registered.taken) {
      this.#refuse(peer, told, former);
      return;
    }
    if (result === Registered.refused) this.#notices.noRoom(this.#now, peer, this.#routes.size);
    else this.#waiting.deliver(key, peer);
    // Connections of one address take over from each other whenever one is lost.
    if (result === Registered.moved && former.account !== peer.account) {
      this.#notices.takenOver(this.#now, peer, former);
    }
  }

  /** `holder` has the session on lease. */
  #refuse(peer: Peer, key: FlowKey, holder: Peer): void {
    if (!peer.end.addTaken(key)) this.#tally.refusalsLost++;
    this.#notices.taken(this.#now, peer, holder);
  }

  /** A session that has moved to another connection meanwhile keeps its route. */
  unregistered(peer: Peer, told: FlowKey): void {
    if (this.#single !== undefined) return;
    this.#routes.end(this.#now, this.#routeKey(told), peer);
  }

  declared(peer: Peer, targets: readonly ResponseSource[]): void {
    this.targets.declare(this.#now, targets, peer);
  }

  waited(
    peer: Peer,
    memory: Memory,
    offset: number,
    length: number,
    wireLength: number,
    receivedAt: number,
  ): void {
    this.#view.parse(memory, offset, length, wireLength);
    this.#outbox.add(this.#now, peer, this.#view, length, receivedAt);
  }

  #openEnd(peer: Peer, channelBinding: Uint8Array | undefined): InterceptEnd {
    const { key, allowOriginal, makeNonce } = this.#access;
    const responseForm = this.#responseForm;
    const nonce = makeNonce();
    return new InterceptEnd({ key, allowOriginal, nonce, channelBinding, responseForm }, peer);
  }

  /** With --dnat the address of the target is another when it answers. */
  #routeKey(told: FlowKey): FlowKey {
    if (!this.#dnat) return told;
    const key = this.#key;
    key.words.set(told.words);
    key.setAddress(4, 0, 0, 0, 0);
    return key;
  }

  #readKey(view: PacketView): void {
    const key = this.#key;
    key.setAddress(0, view.dst0, view.dst1, view.dst2, view.dst3);
    if (this.#dnat) key.setAddress(4, 0, 0, 0, 0);
    else key.setAddress(4, view.src0, view.src1, view.src2, view.src3);
    key.setPorts(view.destinationPort, view.sourcePort);
  }

  #wait(now: Instant, row: number, packet: CapturedPacket): void {
    const view = this.#view;
    const key = this.#key;
    let cause: Cause = Cause.orphaned;
    if (row < 0) {
      cause = this.targets.knows(key) ? Cause.neverRegistered : Cause.foreign;
    } else if (this.#routes.stateOf(row) === RouteState.ended) {
      if ((view.flags & SYN) === 0) {
        this.#unrouted.note(Cause.ended, key.words);
        return;
      }
      // The port is used again, and this is ahead of the registration: what follows it shall wait, too.
      this.#routes.forget(row);
      cause = Cause.neverRegistered;
    }
    this.#waiting.add(now, key, packet, view.ipHeaderLength + view.tcpHeaderLength, cause);
  }

  #close(now: Instant, peer: Peer, code: ByeCode, reason: string): void {
    this.#peers.close(now, peer, code, reason);
    this.#outbox.note(peer);
    this.#release(now, peer);
  }

  /** The peer has said that it ends the connection, and has nothing more to get. */
  #takeLeave(now: Instant, peer: Peer, reason: string): void {
    this.#peers.leave(now, peer, reason);
    this.#outbox.discard(peer);
    this.#release(now, peer);
  }

  #release(now: Instant, peer: Peer): void {
    this.#routes.release(peer);
    this.targets.release(now, peer);
    this.#single?.leave(peer);
  }

  #welcome(peer: Peer): void {
    peer.isKnown = true;
    this.#notices.connected(this.#now, peer);
    if (this.#single !== undefined) this.#join(this.#single, peer);
  }

  // --single

  #join(group: SingleGroup<Peer>, peer: Peer): void {
    const before = [...group.members];
    const joined = group.join(this.#now, peer, peer.account.address);
    if (joined === Joined.refused) {
      const reason = 'another tcpcopy is connected, and -c protects it';
      this.#close(this.#now, peer, ByeCode.limit, reason);
    } else if (joined === Joined.successor) {
      for (const old of before) {
        const reason = `tcpcopy at ${peer.name} takes its place (--single)`;
        this.#close(this.#now, old, ByeCode.done, reason);
      }
    }
  }

  #distribute(group: SingleGroup<Peer>, packet: CapturedPacket): void {
    const view = this.#view;
    const { words } = this.#key;
    const target = this.#dnat ? 0 : view.src3;
    const key = originalKey(view.dst3, view.destinationPort, target, view.sourcePort);
    const peer = group.pick(key);
    if (peer === undefined) this.#unrouted.note(Cause.nobody, words);
    else this.#outbox.add(this.#now, peer, view, packet.length, packet.receivedAt);
  }
}
