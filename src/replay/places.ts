import type { Seq } from '../base/seq.ts';
import { addTime, type Instant, millis } from '../base/time.ts';
import { Outcome } from '../session/outcome.ts';
import { Phase } from '../session/phase.ts';
import type { CopyEndpoints } from '../session/state.ts';
import { IpAddress } from '../wire/address.ts';
import type { PacketView } from '../wire/packet-view.ts';
import type { Copy } from './copy.ts';
import type { CopyTable } from './copy-table.ts';
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
 * they get another one.
 */
export class Places {
  readonly #config: PlacesConfig;
  readonly #copies: CopyTable;
  readonly #waits: TimeWaits;
  /** Where each copy would be if it were alone. */
  readonly own: OwnPlaces;
  /** Where a search was in vain, and until when nobody searches there. */
  #full: CopyEndpoints | undefined;
  #fullUntil = 0 as Instant;

  /** `secret` must be unpredictable; `shift` is 0 to 511. */
  constructor(config: PlacesConfig, copies: CopyTable, secret: number, shift: number) {
    this.#config = config;
    this.#copies = copies;
    this.#waits = new TimeWaits(secret);
    this.own = new OwnPlaces(config, shift);
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
    const sourcePort = this.own.portOf(p.sourcePort, lane);
    const own = { source, sourcePort, target, targetPort, path };
    const owner = this.#copies.findByEnds(own);
    // One that has ended makes room, unless another waits behind it.
    const mayTake = owner === undefined || (lane === 0 && owner.hasEnded && !owner.succession);
    if (mayTake && this.#waits.allows(now, own, iss)) return own;
    return this.#search(now, p, lane, iss, own);
  }

  #search(
    now: Instant,
    p: PacketView,
    lane: number,
    iss: Seq,
    own: CopyEndpoints,
  ): CopyEndpoints | undefined {
    if (now < this.#fullUntil && this.#isFull(p, own)) return undefined;
    const addresses = this.own.addresses(p);
    const place = { ...own };
    for (let look = 1; look < OWN_LOOKS + LOOKS; look++) {
      const step = Math.max(0, look - OWN_LOOKS);
      if (step > 0 && addresses !== undefined) place.source = addresses.replace(p, lane + step);
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
    if (this.own.keepsPorts && (this.#config.copies ?? 1) <= 1) return;
    // Through LAST-ACK: the target had closed first.
    const hasTimeWait = copy.outcome === Outcome.completed && copy.phase === Phase.closed;
    if (hasTimeWait) this.#waits.add(now, copy.ends, copy.sndMax);
  }

  /** Whether the search in vain was for the same place, or for one of -c at the same target. */
  #isFull(p: PacketView, own: CopyEndpoints): boolean {
    const full = this.#full;
    if (full === undefined || full.targetPort !== own.targetPort) return false;
    if (!full.target.equals(own.target)) return false;
    return this.own.addresses(p) !== undefined || full.source.equals(own.source);
  }
}
