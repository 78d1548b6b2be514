import { Random } from '../base/random.ts';
import type { Seq } from '../base/seq.ts';
import { addTime, type Instant, millis } from '../base/time.ts';
import { Outcome } from '../session/outcome.ts';
import { Phase } from '../session/phase.ts';
import type { CopyEndpoints } from '../session/state.ts';
import { IpAddress } from '../wire/address.ts';
import type { PacketView } from '../wire/packet-view.ts';
import type { Copy } from './copy.ts';
import type { CopyTable } from './copy-table.ts';
import { Contest } from './contest.ts';
import { OwnPlaces, type PlacesConfig } from './own-places.ts';
import { TimeWaits } from './time-waits.ts';
import type { Transfer } from './transfers.ts';

/** A prime, so that it visits each port of a range, and neighbours end far apart. */
const STRIDE = 40_507;
/** Looks at the address that is a copy's own before others are asked; */
const OWN_LOOKS = 16;
/** and at all of them. Two ranges of ports are searched wholly; of more, 99 % in use, one search in 10^17 misses a free place. */
const LOOKS = 4096;
/** After a search in vain there is no other for this long: each costs half a millisecond. */
const PAUSE = millis(100);

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
  /** Where each copy would be if it were alone. */
  readonly own: OwnPlaces;
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
    this.own = new OwnPlaces(config, shift);
    this.#random = new Random(secret);
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
      this.own.addressOf(p, transfer, lane) ?? new IpAddress(p.src0, p.src1, p.src2, p.src3);
    const sourcePort = this.own.portOf(p.sourcePort, lane, this.#offset);
    const own = { source, sourcePort, target, targetPort, path };
    const owner = this.#copies.findByEnds(own);
    // One that has ended makes room, unless another waits behind it.
    const mayTake = owner === undefined || (lane === 0 && owner.hasEnded && !owner.succession);
    this.#contest.noteWanted();
    if (mayTake && this.#waits.allows(now, own, iss)) return own;
    const first = (this.own.addresses(p.family)?.indexOf(p) ?? 0) + lane;
    return this.#search(now, own, iss, first);
  }

  /**
   * Another place for a copy whose own is another tcpcopy's, and will be left alone for a while; undefined when everything is taken.
   * Searched from anywhere, so that two that ran into each other do not go the same way together.
   */
  findAnother(now: Instant, { ends, iss }: Copy): CopyEndpoints | undefined {
    this.#waits.addHeld(now, ends);
    if (this.#contest.noteRefused()) this.#offset = this.#random.int(0, this.own.ports);
    const sourcePort = this.own.anyPort(this.#random);
    const count = this.own.addresses(ends.target.family)?.count ?? 1;
    return this.#search(now, { ...ends, sourcePort }, iss, this.#random.int(0, count));
  }

  /** Looks at places further and further from `own`; with -c, after some looks, also at addresses from number `first` on. */
  #search(now: Instant, own: CopyEndpoints, iss: Seq, first: number): CopyEndpoints | undefined {
    const addresses = this.own.addresses(own.target.family);
    if (now < this.#fullUntil && this.#isFull(own, addresses !== undefined)) return undefined;
    const place = { ...own };
    for (let look = 1; look < OWN_LOOKS + LOOKS; look++) {
      const step = Math.max(0, look - OWN_LOOKS);
      if (step > 0 && addresses !== undefined) place.source = addresses.at(first + step);
      const turn = look - step + Math.floor(step / (addresses?.count ?? 1));
      place.sourcePort = this.own.inRange(own.sourcePort + turn * STRIDE);
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
    const isClients = this.own.keepsPorts && (this.#config.copies ?? 1) <= 1;
    if (isClients && copy.moves === 0 && this.#offset === 0) return;
    // Through LAST-ACK: the target had closed first.
    const hasTimeWait = copy.outcome === Outcome.completed && copy.phase === Phase.closed;
    if (hasTimeWait) this.#waits.add(now, copy.ends, copy.sndMax);
  }

  /** Whether the search in vain was for the same place, or for one of -c at the same target. */
  #isFull(own: CopyEndpoints, hasAddresses: boolean): boolean {
    const full = this.#full;
    if (full === undefined || full.targetPort !== own.targetPort) return false;
    if (!full.target.equals(own.target)) return false;
    return hasAddresses || full.source.equals(own.source);
  }
}
