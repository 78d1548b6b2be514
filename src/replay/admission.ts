import type { Random } from '../base/random.ts';
import { seqAdd } from '../base/seq.ts';
import { addTime, type Duration, type Instant, seconds } from '../base/time.ts';
import type { ChecksumState } from '../ports/packet-source.ts';
import type { SessionContext } from '../session/context.ts';
import { isIntact } from '../session/soundness.ts';
import type { CopyEndpoints, SynTemplate } from '../session/state.ts';
import { Verdict } from '../session/verdict.ts';
import { IpAddress } from '../wire/address.ts';
import type { PacketView } from '../wire/packet-view.ts';
import { PSH, SYN } from '../wire/tcp.ts';
import { Copy } from './copy.ts';
import type { CopyTable } from './copy-table.ts';
import { CopyNumber, lagOf } from './copy-number.ts';
import type { Ledger } from './ledger.ts';
import { type Budget, MemoryBudget } from './memory-budget.ts';
import { breaksLoopbackRule, type OwnPlaces, type PlacesConfig } from './own-places.ts';
import { Places } from './places.ts';
import { ALL, isSampled } from './sampling.ts';
import { type Ramp, Share } from './share.ts';
import { SynTemplates } from './syn-templates.ts';
import { NO_RATES, type Rates, Throttle } from './throttle.ts';
import type { Transfer } from './transfers.ts';

/** A synthesised SYN's hop limit and window: those of a Linux client. */
const SYNTHESISED_TTL = 64;
const SYNTHESISED_WINDOW = 65_535;
/** A client whose handshake was not captured counts as this far away: near, but not on the same machine. */
const JOINED_RTT = 1000 as Duration;
const SPREAD = seconds(5);

/** Verdicts on the first packet of a connection that should have been copied and is not. */
const REFUSALS: readonly Verdict[] = [
  Verdict.overLimit,
  Verdict.noFreePort,
  Verdict.loopback,
  Verdict.overRate,
  Verdict.overLoad,
  Verdict.overMemory,
];

export const isRefusal = (verdict: Verdict): boolean => REFUSALS.includes(verdict);

export interface AdmissionConfig extends PlacesConfig {
  readonly transfers: readonly Transfer[];
  /** -r; 0: all. */
  readonly percentage: number;
  /** -g: how the share comes to be that of -r. */
  readonly ramp?: Ramp;
  /** How far behind the first the last copy of a connection may be; 5 s when absent. */
  readonly spread?: Duration;
  /** -O: never join a connection after its SYN. */
  readonly onlyFromSyn: boolean;
  readonly maxCopies: number;
  /** Absent: no limits. */
  readonly rates?: Rates;
  /** Absent: no other limits than those above. */
  readonly memory?: Budget;
}

/** Which captured connections are copied, how often, and as whom. */
export class Admission {
  readonly #config: AdmissionConfig;
  readonly #context: SessionContext;
  readonly #copies: CopyTable;
  readonly #ledger: Ledger;
  readonly #random: Random;
  /** The online server has few addresses: each is made once. */
  readonly #online: IpAddress[] = [];
  readonly #syns = new SynTemplates();
  readonly share: Share;
  readonly #number: CopyNumber;
  readonly #places: Places;
  readonly throttle: Throttle;
  readonly memory: MemoryBudget;
  /** How many copies the connection shall have that begins with the packet in hand, as far as its first lane has been judged. */
  wanted = 0;
  /** Why the first copy of that connection may not begin yet: then none of the others may. */
  #refusal: Verdict | undefined;

  constructor(
    config: AdmissionConfig,
    context: SessionContext,
    copies: CopyTable,
    ledger: Ledger,
    random: Random,
  ) {
    this.#config = config;
    this.#context = context;
    this.#copies = copies;
    this.#ledger = ledger;
    this.#random = random;
    this.memory = new MemoryBudget(context.pool, config.memory);
    this.share = new Share(config.percentage, config.ramp);
    this.throttle = new Throttle(config.rates ?? NO_RATES);
    this.#number = new CopyNumber(config.copies ?? 1, random);
    this.#places = new Places(config, copies, random.uint32(), random.int(0, 512));
  }

  /** Where copies would be if they were alone. */
  get ownPlaces(): OwnPlaces {
    return this.#places.own;
  }

  /** A copy has left the tables. */
  release(now: Instant, copy: Copy): void {
    this.#places.leave(now, copy);
  }

  /** Another place for a copy whose own is another tcpcopy's, or undefined. */
  findAnotherPlace(now: Instant, copy: Copy): CopyEndpoints | undefined {
    return this.#places.findAnother(now, copy);
  }

  /** Before the packet in hand is judged in its first lane. */
  beginPacket(): void {
    this.wanted = 0;
    this.#refusal = undefined;
  }

  /** Whether a connection may be copied from its middle on. */
  get mayJoin(): boolean {
    return !this.#config.onlyFromSyn;
  }

  /** Whether a limit leaves room for one copy more. */
  hasRoom(): boolean {
    return this.#copies.size < this.#config.maxCopies;
  }

  /**
   * Copy number `lane` of the connection that `p`, a SYN or a packet of an unknown connection, belongs to; or why there is none.
   * `former`: the copy before of the same client port, whose ends it may have; what goes on after the end of that one has been
   * chosen already.
   */
  admit(
    now: Instant,
    p: PacketView,
    checksum: ChecksumState,
    transfer: Transfer,
    lane: number,
    former?: Copy,
  ): Copy | Verdict {
    const isSyn = (p.flags & SYN) !== 0;
    const isFirst = lane === 0;
    if (isFirst && !this.#isChosen(now, p, transfer, isSyn, former)) return Verdict.notSampled;
    if (!isSyn && (p.payloadLength === 0 || isProbe(p))) return Verdict.stray;
    if (!isSyn && this.#config.onlyFromSyn) return Verdict.strayData;
    // Whose connection it is cannot be believed either.
    if (!isSyn && !isIntact(p, checksum)) return Verdict.badChecksum;
    const ends = this.#ends(now, p, transfer, lane, former);
    const isRefused = typeof ends === 'number';
    // What goes on after the end of its copy, and in vain, is no further connection.
    const counts = isSyn || !isRefused || former === undefined;
    if (counts) this.#count(isSyn, isFirst, former);
    if (!isRefused) return this.#begin(now, p, ends, isSyn, lane);
    if (counts) this.#ledger.countRefused(ends);
    return ends;
  }

  /** Whether -r and -g choose the connection of `p`. */
  #isChosen(
    now: Instant,
    p: PacketView,
    transfer: Transfer,
    isSyn: boolean,
    former: Copy | undefined,
  ): boolean {
    const share = isSyn ? this.share.at(now) : former ? ALL : this.share.lowest;
    if (isSampled(p, this.#places.own.addressOf(p, transfer, 0), share)) return true;
    if (isSyn) {
      this.#ledger.connections++;
      this.#ledger.notSampled++;
    }
    return false;
  }

  /** A copy is to begin; with the first one, a connection. */
  #count(isSyn: boolean, isFirst: boolean, former: Copy | undefined): void {
    const ledger = this.#ledger;
    ledger.copies++;
    if (!isFirst) return;
    ledger.connections++;
    if (!isSyn) ledger.joined++;
    // In a connection that goes on, each copy goes on for itself.
    if (isSyn || former === undefined) this.wanted = this.#number.next();
  }

  /** The ends of the copy, or why there can be none. */
  #ends(
    now: Instant,
    p: PacketView,
    transfer: Transfer,
    lane: number,
    former: Copy | undefined,
  ): CopyEndpoints | Verdict {
    const replacement = this.#places.own.addressOf(p, transfer, lane);
    if (breaksLoopbackRule(p, transfer, replacement)) return Verdict.loopback;
    if (!this.hasRoom()) return Verdict.overLimit;
    if (this.memory.isTight(this.#copies.size)) return Verdict.overMemory;
    // A connection has all of its copies or none: the rate is overdrawn by them, and the next connections wait for that.
    if (lane === 0) this.#refusal = this.throttle.refusal(now);
    if (this.#refusal !== undefined) return this.#refusal;
    const iss = (p.flags & SYN) !== 0 ? p.seq : seqAdd(p.seq, -1);
    return this.#places.find(now, p, transfer, lane, iss, former) ?? Verdict.noFreePort;
  }

  #begin(now: Instant, p: PacketView, ends: CopyEndpoints, isSyn: boolean, lane: number): Copy {
    const captured = {
      client: this.#clientAddress(p, ends.source),
      clientPort: p.sourcePort,
      online: this.#onlineAddress(p),
      onlinePort: p.destinationPort,
    };
    const syn = isSyn ? this.#capturedSyn(p) : this.#synthesisedSyn();
    const { tsval } = this.#context.options;
    const numbers = isSyn ? { iss: p.seq, tsval } : { iss: seqAdd(p.seq, -1), tsval: 0 };
    const ipId = this.#random.uint32() & 0xffff;
    this.throttle.noteBegun();
    const copy = new Copy(this.#context, captured, ends, syn, numbers, now, ipId, lane);
    copy.lifeAt = (now + this.#context.config.handshakeTimeout) as Instant;
    copy.synSeenAt = copy.lastPieceAt = p.seenAt;
    if (!isSyn) copy.clientRtt = this.#context.config.clientRtt ?? JOINED_RTT;
    if (lane > 0) {
      copy.lag = lagOf(lane, this.#number.most, this.#config.spread ?? SPREAD);
      copy.notBefore = addTime(now, copy.lag);
      copy.lifeAt = addTime(copy.lifeAt, copy.lag);
    }
    return copy;
  }

  #capturedSyn(p: PacketView): SynTemplate {
    const { options } = this.#context;
    options.parse(p.memory as NonNullable<typeof p.memory>, p.optionsOffset, p.optionsLength);
    return this.#syns.share({
      window: p.window,
      ttl: p.ttl,
      trafficClass: p.trafficClass,
      mss: options.mss,
      windowScale: options.windowScale,
      sackPermitted: options.sackPermitted,
      timestamps: options.hasTimestamps,
      captured: true,
    });
  }

  #synthesisedSyn(): SynTemplate {
    return this.#syns.share({
      window: SYNTHESISED_WINDOW,
      ttl: SYNTHESISED_TTL,
      trafficClass: 0,
      mss: this.#context.config.synthesisedMss,
      windowScale: -1,
      sackPermitted: false,
      timestamps: false,
      captured: false,
    });
  }

  #clientAddress(p: PacketView, source: IpAddress): IpAddress {
    const client = new IpAddress(p.src0, p.src1, p.src2, p.src3);
    return client.equals(source) ? source : client;
  }

  #onlineAddress(p: PacketView): IpAddress {
    const address = new IpAddress(p.dst0, p.dst1, p.dst2, p.dst3);
    const known = this.#online.find((a) => a.equals(address));
    if (known) return known;
    this.#online.push(address);
    return address;
  }
}

/** A keep-alive with the octet before those to come (RFC 9293 §3.8.4). Whoever writes a single octet has it pushed. */
const isProbe = (p: PacketView): boolean => p.payloadLength === 1 && (p.flags & PSH) === 0;
