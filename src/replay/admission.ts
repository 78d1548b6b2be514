import type { Random } from '../base/random.ts';
import { seqAdd } from '../base/seq.ts';
import type { Duration, Instant } from '../base/time.ts';
import type { ChecksumState } from '../ports/packet-source.ts';
import type { SessionContext } from '../session/context.ts';
import { isIntact } from '../session/soundness.ts';
import type { CopyEndpoints, SynTemplate } from '../session/state.ts';
import { Verdict } from '../session/verdict.ts';
import { IpAddress } from '../wire/address.ts';
import type { PacketView } from '../wire/packet-view.ts';
import { PSH, SYN } from '../wire/tcp.ts';
import type { ClientAddresses } from './client-addresses.ts';
import { Copy } from './copy.ts';
import type { CopyTable } from './copy-table.ts';
import type { Ledger } from './ledger.ts';
import { samplePoint } from './sampling.ts';
import { type Ramp, Share } from './share.ts';
import { SynTemplates } from './syn-templates.ts';
import type { Transfer } from './transfers.ts';

/** A synthesised SYN's hop limit and window: those of a Linux client. */
const SYNTHESISED_TTL = 64;
const SYNTHESISED_WINDOW = 65_535;
/** A client whose handshake was not captured counts as this far away: near, but not on the same machine. */
const JOINED_RTT = 1000 as Duration;
const LOOPBACK_NETWORK = 127;
/** Percent. */
const ALL = 100;

export interface AdmissionConfig {
  readonly transfers: readonly Transfer[];
  /** -c, by family; undefined: the clients keep their addresses. */
  readonly clientAddresses: {
    readonly v4: ClientAddresses | undefined;
    readonly v6: ClientAddresses | undefined;
  };
  /** -r; 0: all. */
  readonly percentage: number;
  /** -g: how the share comes to be that of -r. */
  readonly ramp?: Ramp;
  /** -O: never join a connection after its SYN. */
  readonly onlyFromSyn: boolean;
  readonly maxCopies: number;
}

/** Which captured connections are copied, and as whom. */
export class Admission {
  readonly #config: AdmissionConfig;
  readonly #context: SessionContext;
  readonly #random: Random;
  /** The online server has few addresses: each is made once. */
  readonly #online: IpAddress[] = [];
  readonly #syns = new SynTemplates();
  readonly #share: Share;

  constructor(config: AdmissionConfig, context: SessionContext, random: Random) {
    this.#share = new Share(config.percentage, config.ramp);
    this.#config = config;
    this.#context = context;
    this.#random = random;
  }

  /** Whether a connection may be copied from its middle on. */
  get mayJoin(): boolean {
    return !this.#config.onlyFromSyn;
  }

  /** Whether a limit leaves room for one copy more. */
  hasRoom(copies: CopyTable): boolean {
    return copies.size < this.#config.maxCopies;
  }

  /**
   * A copy of the connection that `p`, a SYN or a packet of an unknown connection, belongs to; or why there is none. `former`: the copy before
   * of the same client port, whose ends it may have; what goes on after the end of that one has been chosen already.
   */
  admit(
    now: Instant,
    p: PacketView,
    checksum: ChecksumState,
    transfer: Transfer,
    copies: CopyTable,
    ledger: Ledger,
    former?: Copy,
  ): Copy | Verdict {
    const isSyn = (p.flags & SYN) !== 0;
    const replacement = this.#replacement(p);
    const share = isSyn ? this.#share.at(now) : former ? ALL : this.#share.lowest;
    if (!isSampled(p, replacement, share)) {
      if (isSyn) {
        ledger.connections++;
        ledger.notSampled++;
      }
      return Verdict.notSampled;
    }
    if (!isSyn && (p.payloadLength === 0 || isProbe(p))) return Verdict.stray;
    if (!isSyn && this.#config.onlyFromSyn) return Verdict.strayData;
    // Whose connection it is cannot be believed either.
    if (!isSyn && !isIntact(p, checksum)) return Verdict.badChecksum;
    const refusal = breaksLoopbackRule(p, transfer, replacement)
      ? Verdict.loopback
      : this.#refusal(p, transfer, replacement, copies, former);
    if (typeof refusal === 'number') {
      // Data of a connection that was refused is no further connection.
      if (isSyn) {
        ledger.connections++;
        ledger.countRefused(refusal);
      }
      return refusal;
    }
    ledger.connections++;
    if (!isSyn) ledger.joined++;
    return this.#begin(now, p, refusal, isSyn);
  }

  #replacement(p: PacketView): IpAddress | undefined {
    const { v4, v6 } = this.#config.clientAddresses;
    return (p.family === 4 ? v4 : v6)?.replace(p);
  }

  /** The ends of the copy, or why there can be none. */
  #refusal(
    p: PacketView,
    transfer: Transfer,
    replacement: IpAddress | undefined,
    copies: CopyTable,
    former: Copy | undefined,
  ): CopyEndpoints | Verdict {
    if (!this.hasRoom(copies)) return Verdict.overLimit;
    const ends: CopyEndpoints = {
      source: replacement ?? new IpAddress(p.src0, p.src1, p.src2, p.src3),
      sourcePort: p.sourcePort,
      target: transfer.target,
      targetPort: transfer.targetPort,
      path: transfer.path,
    };
    const owner = copies.findByEnds(ends);
    if (owner === undefined || owner === former) return ends;
    // Behind one that has ended another may wait, whose turn it is.
    return !owner.hasEnded || owner.succession !== null ? Verdict.tupleInUse : ends;
  }

  #begin(now: Instant, p: PacketView, ends: CopyEndpoints, isSyn: boolean): Copy {
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
    const copy = new Copy(this.#context, captured, ends, syn, numbers, now, ipId);
    copy.lifeAt = (now + this.#context.config.handshakeTimeout) as Instant;
    copy.synSeenAt = copy.lastPieceAt = p.seenAt;
    if (!isSyn) copy.clientRtt = JOINED_RTT;
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

function isSampled(p: PacketView, as: IpAddress | undefined, share: number): boolean {
  if (share >= ALL) return true;
  const point = as
    ? samplePoint(as.w0, as.w1, as.w2, as.w3, p.sourcePort)
    : samplePoint(p.src0, p.src1, p.src2, p.src3, p.sourcePort);
  return point < share;
}

/** A keep-alive with the octet before those to come (RFC 9293 §3.8.4). Whoever writes a single octet has it pushed. */
const isProbe = (p: PacketView): boolean => p.payloadLength === 1 && (p.flags & PSH) === 0;

/** A loopback address cannot leave this host, and a target at one can answer no other. */
function breaksLoopbackRule(p: PacketView, transfer: Transfer, as: IpAddress | undefined): boolean {
  const word = as ? as.w3 : p.src3;
  const isLoopback = p.family === 4 && word >>> 24 === LOOPBACK_NETWORK;
  return isLoopback !== transfer.loopbackOnly;
}
