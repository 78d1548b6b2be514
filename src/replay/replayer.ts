import type { FlowKey } from '../base/flow-key.ts';
import type { Memory } from '../base/memory.ts';
import type { Random } from '../base/random.ts';
import { SlabPool } from '../base/slab-pool.ts';
import { addTime, type Instant } from '../base/time.ts';
import type { PacketSink } from '../ports/packet-sink.ts';
import type { CapturedPacket } from '../ports/packet-source.ts';
import { NoRoute, type RouteRegistrar } from '../ports/route-registrar.ts';
import { type SessionConfig, SessionContext } from '../session/context.ts';
import { Outcome } from '../session/outcome.ts';
import { SegmentStore } from '../tcp/segment-store.ts';
import { PacketError, PacketView } from '../wire/packet-view.ts';
import { Admission, type AdmissionConfig } from './admission.ts';
import type { Copy } from './copy.ts';
import { CopyTable } from './copy-table.ts';
import type { CommonParts } from './datagrams.ts';
import { Intake } from './intake.ts';
import { Ledger } from './ledger.ts';
import { LeftOut } from './left-out.ts';
import { Relocation } from './relocation.ts';
import { parseResponse, parseWholeResponse } from './response-header.ts';
import { Roster } from './roster.ts';
import type { Ramp } from './share.ts';
import type { Succession } from './succession.ts';
import type { Rates } from './throttle.ts';
import { TransferTable } from './transfers.ts';

/** Copies that are polled together while there is a limit on what is sent: by so many it may be overdrawn. */
const TURN = 4;

export interface ReplayerConfig extends AdmissionConfig {
  readonly session: SessionConfig;
  /** Octets of captured payload held in all. */
  readonly maxPayload: number;
}

/**
 * The core of tcpcopy: captured packets and response headers in, packets for the targets out. No I/O, no clock, no randomness
 * of its own. After every `handle…` or command call `poll`, then `pollTimeout`; `now` never goes back.
 */
export class Replayer {
  readonly ledger: Ledger = new Ledger();
  readonly context: SessionContext;
  readonly transfers: TransferTable;
  readonly #admission: Admission;
  readonly #roster: Roster;
  readonly #intake: Intake;
  readonly #relocation: Relocation;
  /** Copies whose turn has come while others were being polled. */
  readonly #begun: Copy[] = [];
  readonly #view = new PacketView();

  constructor(config: ReplayerConfig, random: Random) {
    this.transfers = new TransferTable(config.transfers);
    const pool = new SlabPool(config.maxPayload);
    this.context = new SessionContext(config.session, new SegmentStore(), pool);
    const lanes = Math.ceil(config.copies ?? 1);
    const copies = new CopyTable(random.uint32(), lanes);
    const leftOut = new LeftOut(random.uint32());
    const { context, ledger, transfers } = this;
    const admission = new Admission(config, context, copies, ledger, random);
    this.#admission = admission;
    this.#roster = new Roster(copies, leftOut, admission, ledger);
    this.#relocation = new Relocation(admission, copies, this.#roster.abandonedRoutes, ledger);
    this.#intake = new Intake(context, transfers, admission, this.#roster, lanes);
  }

  /** `callback` is told of every copy that has ended, with its outcome. */
  onEnded(callback: (copy: Copy) => void): void {
    this.#roster.onEnded = callback;
  }

  /** Copies in the table, those included that have ended and linger. */
  get size(): number {
    return this.#roster.copies.size;
  }

  /** For whoever copies datagrams beside the connections. */
  get common(): CommonParts {
    const { ownPlaces, share, throttle } = this.#admission;
    return { transfers: this.transfers, ownPlaces, share, throttle, ledger: this.ledger };
  }

  /** Nothing is left of any copy, in whatever list. */
  get isEmpty(): boolean {
    const { copies, ages, ready, abandonedRoutes } = this.#roster;
    const isListed = ages.newest !== null || ready.first !== null || this.#begun.length > 0;
    return copies.isEmpty && !isListed && abandonedRoutes.isEmpty;
  }

  handleClientPacket(now: Instant, packet: CapturedPacket): void {
    this.ledger.captured++;
    const view = this.#view;
    view.seenAt = packet.receivedAt > 0 ? (packet.receivedAt as Instant) : now;
    const error = view.parse(packet.memory, packet.offset, packet.length, packet.wireLength);
    if (error !== PacketError.none) this.ledger.countError(error);
    else this.ledger.countVerdict(this.#intake.handle(now, view, packet.checksum));
  }

  /**
   * The headers of a target's segment, `length` octets at `offset`, perhaps with payload behind them, of a packet that had
   * `wireLength` octets; where that is 0, they are a message of control protocol version 6: 64 octets, zero padded.
   */
  handleTargetHeader(
    now: Instant,
    memory: Memory,
    offset: number,
    length: number,
    wireLength: number,
  ): void {
    const view = this.#view;
    const isReadable =
      wireLength === 0
        ? parseResponse(view, memory, offset)
        : parseWholeResponse(view, memory, offset, length, wireLength);
    if (!isReadable) {
      this.ledger.malformedResponses++;
      return;
    }
    const copy = this.#roster.copies.findByTargetPacket(view);
    if (copy === undefined) {
      this.ledger.unknownResponses++;
      return;
    }
    try {
      copy.handleTargetHeader(now, view);
    } catch (fault) {
      this.#roster.contain(now, copy, fault);
    }
    this.#roster.ready.add(copy);
  }

  /** An intercept has refused a session because another tcpcopy has it; the near end of `key` is that of the copy. */
  handleTaken(now: Instant, key: FlowKey): void {
    try {
      const copy = this.#relocation.handleTaken(now, key);
      if (copy !== undefined) this.#roster.ready.add(copy);
    } catch (fault) {
      const copy = this.#roster.copies.findByKey(key);
      if (copy !== undefined) this.#roster.contain(now, copy, fault);
    }
  }

  handleTimeout(now: Instant): void {
    const { deadlines, ready } = this.#roster;
    const { throttle } = this.#admission;
    for (let c = deadlines.popDue(now); c !== undefined; c = deadlines.popDue(now)) {
      // One that waits for its turn is looked at then.
      if (c.isReady && throttle.isLimiting) continue;
      ready.add(c);
      this.#expire(now, c);
    }
  }

  /** The turn of a copy has come, which may have waited for it: time begins to run for its handshake, and other timers may have expired. */
  #catchUp(now: Instant, copy: Copy): void {
    const isAboutToSpeak = copy.synDue && !copy.routeDue && !copy.hasEnded && !copy.isWaiting;
    if (isAboutToSpeak) {
      const from = copy.notBefore > now ? copy.notBefore : now;
      copy.lifeAt = addTime(from, this.context.config.handshakeTimeout);
    }
    if (copy.pollTimeout() <= now) this.#expire(now, copy);
  }

  #expire(now: Instant, copy: Copy): void {
    try {
      copy.handleTimeout(now);
    } catch (fault) {
      this.#roster.contain(now, copy, fault);
    }
  }

  /** When `handleTimeout` must be called next, or `NEVER`. */
  pollTimeout(): Instant {
    return earlier(this.#roster.deadlines.next, this.#admission.throttle.nextAt);
  }

  /** Registers routes, then sends what is due: a route is on its way before the SYN that needs it. */
  poll(now: Instant, registrar: RouteRegistrar, sink: PacketSink): void {
    const { memory } = this.#admission;
    const { ready, abandonedRoutes } = this.#roster;
    if (memory.isUsedUp) memory.ease(now, this.#roster);
    if (ready.first === null && abandonedRoutes.isEmpty && this.#begun.length === 0) return;
    this.#pollReady(now, registrar, sink);
    while (this.#begun.length > 0 || !abandonedRoutes.isEmpty) {
      for (const copy of this.#begun.splice(0)) ready.add(copy);
      this.#pollReady(now, registrar, sink);
    }
    sink.flush();
  }

  /** All that are ready, or as many as may send now: the others keep their places. */
  #pollReady(now: Instant, registrar: RouteRegistrar, sink: PacketSink): void {
    const { ready, abandonedRoutes } = this.#roster;
    if (!abandonedRoutes.isEmpty) {
      abandonedRoutes.poll(registrar);
      registrar.flush();
    }
    const { throttle } = this.#admission;
    const most = throttle.isLimiting ? TURN : Number.POSITIVE_INFINITY;
    while (ready.first !== null && throttle.mayPass(now)) {
      let count = 0;
      for (let c: Copy | null = ready.first; c !== null && count < most; c = c.nextReady) {
        this.#updateRoute(now, c, registrar);
        if (throttle.isLimiting) this.#catchUp(now, c);
        count++;
      }
      registrar.flush();
      for (; count > 0; count--) this.#transmit(now, ready.take() as Copy, sink);
    }
    if (ready.first === null) throttle.noteNobodyWaits();
    else throttle.noteWaiting(now);
  }

  #transmit(now: Instant, copy: Copy, sink: PacketSink): void {
    const { counters } = this.context;
    const { sent, sentPacketOctets } = counters;
    try {
      copy.pollTransmit(now, sink);
    } catch (fault) {
      this.#roster.contain(now, copy, fault);
    }
    this.#settle(now, copy);
    const octets = counters.sentPacketOctets - sentPacketOctets;
    this.#admission.throttle.noteSent(counters.sent - sent, octets);
  }

  /** From `now` on, another share of the connections that begin, at once or by a ramp from the present one; see `Share.change`. */
  changeShare(now: Instant, percentage: number, ramp: Ramp | undefined): void {
    this.#admission.share.change(now, percentage, ramp);
  }

  /** From `now` on, other limits on what is sent in a second; call `poll` then. */
  changeRates(now: Instant, rates: Rates): void {
    this.#admission.throttle.set(now, rates);
  }

  /** The process is short of memory, or is so no longer: no copy begins while it is. */
  noteMemory(isShort: boolean): void {
    this.#admission.memory.isShort = isShort;
  }

  /** Whether no copy can begin for want of memory. */
  get isMemoryTight(): boolean {
    return this.#admission.memory.isTight(this.size);
  }

  /** Lets go of the copies that began last, until so many octets of memory should be free; returns how many. Call `poll` then. */
  shed(now: Instant, octets: number): number {
    return this.#admission.memory.shed(now, this.#roster, octets);
  }

  /** Whether what is begun or sent now would have to wait for its turn, or be refused. */
  isThrottled(now: Instant): boolean {
    return this.#admission.throttle.isBusy(now);
  }

  /** Tells the intercepts of every open copy again, after a connection to one of them was lost; call `poll` then. */
  renewRoutes(): void {
    this.#roster.copies.forEach((copy) => {
      if (copy.hasEnded) return;
      copy.routeDue = true;
      this.#roster.ready.add(copy);
    });
  }

  /** Ends every copy with a reset; call `poll` once more to send them. */
  stop(now: Instant): void {
    this.#admission.throttle.letPass();
    this.#roster.copies.forEach((copy) => {
      if (copy.hasEnded) return;
      copy.stop(now, Outcome.stopped);
      this.#roster.ready.add(copy);
    });
  }

  /**
   * Whether a copy has something to send, or waits for an answer or for its end: all but those that are open and idle. Visits every
   * copy.
   */
  get isBusy(): boolean {
    let isBusy = false;
    this.#roster.copies.forEach((copy) => {
      isBusy ||= copy.isWaiting || copy.isBusy;
    });
    return isBusy;
  }

  /** Visits every copy, those included that have ended and linger. */
  forEachCopy(visit: (copy: Copy) => void): void {
    this.#roster.copies.forEach(visit);
  }

  /** Lets go of every copy that has ended, though it may linger: what is captured next is of other connections. */
  forgetRound(now: Instant): void {
    this.#forget(now, (copy) => copy.hasEnded);
    this.#roster.leftOut.clear();
  }

  /** Lets go of the copies that were shed, though they may linger. */
  forgetShed(now: Instant): void {
    this.#forget(now, (copy) => copy.hasEnded && copy.outcome === Outcome.shed);
  }

  #forget(now: Instant, isChosen: (copy: Copy) => boolean): void {
    const chosen: Copy[] = [];
    this.#roster.copies.forEach((copy) => {
      if (isChosen(copy)) chosen.push(copy);
    });
    for (const copy of chosen) {
      if (copy.isDetached) continue;
      const { succession } = copy;
      if (succession !== null && this.#settleSuccession(now, copy, succession)) continue;
      this.#roster.detach(now, copy);
    }
  }

  /** The first fault of ours that was contained, for the log. */
  get fault(): unknown {
    return this.#roster.fault;
  }

  #updateRoute(now: Instant, copy: Copy, registrar: RouteRegistrar): void {
    if (copy.isDetached || copy.isWaiting) return;
    if (copy.isFinished) {
      registrar.unregister(copy.ends, copy.routeSlot);
      copy.routeSlot = NoRoute.now;
    } else if (copy.routeDue && !copy.hasEnded) {
      copy.routeSlot = registrar.register(copy.ends);
      if (copy.routeSlot === NoRoute.ever) copy.abandon(now, Outcome.unregistered);
      // Until an intercept is back the route stays due, and no SYN leaves.
      copy.routeDue = copy.routeSlot < 0;
    }
  }

  /** Books what has become of a copy, and when it must be looked at again. */
  #settle(now: Instant, copy: Copy): void {
    this.#roster.conclude(copy);
    if (copy.isDetached) return;
    const { succession } = copy;
    if (succession !== null && this.#settleSuccession(now, copy, succession)) return;
    if (copy.isFinished) this.#roster.detach(now, copy);
    else this.#roster.deadlines.schedule(copy, copy.pollTimeout());
  }

  /** Of a copy that waits, or that others wait for. Returns whether there is nothing more to be done for it. */
  #settleSuccession(now: Instant, copy: Copy, succession: Succession): boolean {
    if (succession.live !== copy) {
      if (copy.hasEnded) this.#roster.detach(now, copy);
      return copy.hasEnded;
    }
    if (!copy.hasEnded) {
      if (!succession.mustYield(now)) {
        this.#roster.deadlines.schedule(copy, earlier(copy.pollTimeout(), succession.deadline));
        return true;
      }
      copy.stop(now, Outcome.replaced);
      this.#roster.ready.add(copy);
      return true;
    }
    const next = succession.proceed(now);
    if (next === undefined) return false;
    this.#roster.detach(now, copy);
    next.lifeAt = addTime(now, this.context.config.handshakeTimeout);
    this.#roster.copies.admitWaiting(next);
    this.#begun.push(next);
    return true;
  }
}

const earlier = (a: Instant, b: Instant): Instant => (a < b ? a : b);
