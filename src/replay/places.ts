import { Random } from '../base/random.ts';
import type { Seq } from '../base/seq.ts';
import { addTime, type Instant, millis } from '../base/time.ts';
import { Outcome } from '../session/outcome.ts';
import { Phase } from '../session/phase.ts';
import type { CopyEndpoints } from '../session/state.ts';
import { IpAddress } from '../wire/address.ts';
import type { PacketView } from '../wire/packet-view.ts';
import type { ClientAddresses } from './client-addresses.ts';
import type { Copy } from './copy.ts';
import type { CopyTable } from './copy-table.ts';
import { Contest } from './contest.ts';
import { TimeWaits } from './time-waits.ts';
import type { Transfer } from './transfers.ts';

/** First octet of the IPv4 addresses that mean this very host. */
export const LOOPBACK_NETWORK = 127;
/** Ports below belong to services. */
const FIRST_PORT = 1024;
const PORTS = 65_536;
/** The original places its further copies 32, 96, 160 … ports above the client's, and a random number. */
const SPACING = 32;
/** Ports of one -f: 31 such ranges lie above that of the services. */
const RANGE = 2048;
/** A prime, so that it visits each port of a range, and neighbours end far apart. */
const STRIDE = 40_507;
/** Looks at the address that is a copy's own before others are asked; */
const OWN_LOOKS = 16;
/** and at all of them. Two ranges of ports are searched wholly; of more, 99 % in use, one search in 10^17 misses a free place. */
const LOOKS = 4096;
/** After a search in vain there is no other for this long: each costs half a millisecond. */
const PAUSE = millis(100);

export interface PlacesConfig {
  /** -c, by family; undefined: the clients keep their addresses. */
  readonly clientAddresses: {
    readonly v4: ClientAddresses | undefined;
    readonly v6: ClientAddresses | undefined;
  };
  /** -H, IPv4: from where clients at loopback addresses are copied to other hosts, when `clientAddresses` says nothing. */
  readonly localhostAddress?: IpAddress;
  /** -n, perhaps with a fraction; 1 when absent. */
  readonly copies?: number;
  /** -f, 1 to 31: only the 2048 ports from 2048 times this on are used; 0: all from 1024 on. */
  readonly portRange?: number;
}

/**
 * The addresses and ports of copies at the targets: never two live ones on the same, and none before the target has
 * forgotten the one before.
 *
 * Of several copies of a connection the first keeps the client's port. The others get the port that the original would give
 * them, and the addresses of -c in turn, so that each has an address that depends on the client alone. Where that is taken,
 * they get another one. Where another tcpcopy has the same clients, all ports are moved up by one number: see `Contest`.
 */
export class Places {
  readonly #config: PlacesConfig;
  readonly #copies: CopyTable;
  readonly #waits: TimeWaits;
  readonly #low: number;
  readonly #size: number;
  /** The original's random shift, 0 to 511. */
  readonly #shift: number;
  readonly #random: Random;
  readonly #contest = new Contest();
  /** By how much all ports of copies lie above those that they would have. */
  #offset = 0;
  /** Where a search was in vain, and until when nobody searches there. */
  #full: CopyEndpoints | undefined;
  #fullUntil = 0 as Instant;

  /** `secret` must be unpredictable; `shift` is 0 to 511. */
  constructor(config: PlacesConfig, copies: CopyTable, secret: number, shift: number) {
    this.#config = config;
    this.#copies = copies;
    this.#waits = new TimeWaits(secret);
    this.#shift = shift;
    this.#random = new Random(secret);
    const range = config.portRange ?? 0;
    this.#low = range === 0 ? FIRST_PORT : range * RANGE;
    this.#size = range === 0 ? PORTS - FIRST_PORT : RANGE;
  }

  /** The address that copy number `lane` of the client's connections should have; undefined: the client's. */
  addressOf(p: PacketView, transfer: Transfer, lane: number): IpAddress | undefined {
    const addresses = this.#addresses(p.family);
    if (addresses !== undefined) return addresses.replace(p, lane);
    if (transfer.loopbackOnly || p.family !== 4) return undefined;
    return p.src3 >>> 24 === LOOPBACK_NETWORK ? this.#config.localhostAddress : undefined;
  }

  /**
   * Where copy number `lane`, from 0, of the connection of `p` may begin with a SYN numbered `iss`; undefined when everything is
   * taken. `former`, the copy of the connection before, leaves its place to this one.
   */
  find(
    now: Instant,
    p: PacketView,
    transfer: Transfer,
    lane: number,
    iss: Seq,
    former: Copy | undefined,
  ): CopyEndpoints | undefined {
    if (former !== undefined) {
      const heir = this.#copies.findByEnds(former.ends);
      if (heir === undefined || heir === former) return former.ends;
    }
    const { target, targetPort, path } = transfer;
    const source =
      this.addressOf(p, transfer, lane) ?? new IpAddress(p.src0, p.src1, p.src2, p.src3);
    const sourcePort = this.#ownPort(p.sourcePort, lane);
    const own = { source, sourcePort, target, targetPort, path };
    const owner = this.#copies.findByEnds(own);
    // One that has ended makes room, unless another waits behind it.
    const mayTake = owner === undefined || (lane === 0 && owner.hasEnded && !owner.succession);
    this.#contest.noteWanted();
    if (mayTake && this.#waits.allows(now, own, iss)) return own;
    const first = (this.#addresses(p.family)?.indexOf(p) ?? 0) + lane;
    return this.#search(now, own, iss, first);
  }

  /**
   * Another place for a copy whose own is another tcpcopy's, and will be left alone for a while; undefined when everything is taken.
   * Searched from anywhere, so that two that ran into each other do not go the same way together.
   */
  findAnother(now: Instant, { ends, iss }: Copy): CopyEndpoints | undefined {
    this.#waits.addHeld(now, ends);
    if (this.#contest.noteRefused()) this.#offset = this.#random.int(0, this.#size);
    const sourcePort = this.#low + this.#random.int(0, this.#size);
    const count = this.#addresses(ends.target.family)?.count ?? 1;
    return this.#search(now, { ...ends, sourcePort }, iss, this.#random.int(0, count));
  }

  /** Looks at places further and further from `own`; with -c, after some looks, also at addresses from number `first` on. */
  #search(now: Instant, own: CopyEndpoints, iss: Seq, first: number): CopyEndpoints | undefined {
    const addresses = this.#addresses(own.target.family);
    if (now < this.#fullUntil && this.#isFull(own, addresses !== undefined)) return undefined;
    const place = { ...own };
    for (let look = 1; look < OWN_LOOKS + LOOKS; look++) {
      const step = Math.max(0, look - OWN_LOOKS);
      if (step > 0 && addresses !== undefined) place.source = addresses.at(first + step);
      const turn = look - step + Math.floor(step / (addresses?.count ?? 1));
      place.sourcePort = this.#inRange(own.sourcePort + turn * STRIDE);
      const isTaken = this.#copies.findByEnds(place) !== undefined;
      if (!isTaken && this.#waits.allows(now, place, iss)) return place;
    }
    this.#full = own;
    this.#fullUntil = addTime(now, PAUSE);
    return undefined;
  }

  /** A copy has left its place. */
  leave(now: Instant, copy: Copy): void {
    // Where each copy has its client's port, that client's kernel knows which SYN a server takes.
    const isClients = this.#low === FIRST_PORT && (this.#config.copies ?? 1) <= 1;
    if (isClients && copy.moves === 0) return;
    // Through LAST-ACK: the target had closed first.
    const hasTimeWait = copy.outcome === Outcome.completed && copy.phase === Phase.closed;
    if (hasTimeWait) this.#waits.add(now, copy.ends, copy.sndMax);
  }

  /** The first keeps the port of the client, unless -f says where it has to be, or another tcpcopy wants the same. */
  #ownPort(port: number, lane: number): number {
    const own = port + this.#offset;
    if (lane > 0) return this.#inRange(own + (2 * lane - 1) * SPACING + this.#shift);
    return this.#low === FIRST_PORT && this.#offset === 0 ? port : this.#inRange(own);
  }

  #inRange(port: number): number {
    const offset = (port - this.#low) % this.#size;
    return this.#low + (offset < 0 ? offset + this.#size : offset);
  }

  #addresses(family: 4 | 6): ClientAddresses | undefined {
    const { v4, v6 } = this.#config.clientAddresses;
    return family === 4 ? v4 : v6;
  }

  /** Whether the search in vain was for the same place, or for one of -c at the same target. */
  #isFull(own: CopyEndpoints, hasAddresses: boolean): boolean {
    const full = this.#full;
    if (full === undefined || full.targetPort !== own.targetPort) return false;
    if (!full.target.equals(own.target)) return false;
    return hasAddresses || full.source.equals(own.source);
  }
}
