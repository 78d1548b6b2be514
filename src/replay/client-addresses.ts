import { type IpAddress, isV4Words } from '../wire/address.ts';
import type { IpView } from '../wire/ip-view.ts';

const SLOTS = 65_536;

/**
 * The addresses of -c. A client's address names one of 65,536 slots; a slot takes the next address of the list, round and
 * round, the first time it is used and keeps it: one client address always becomes the same one. For IPv4 the slot is the
 * original's (its §3.8 formula: octets a + c + 256·(b + d)).
 */
export class ClientAddresses {
  readonly #addresses: readonly IpAddress[];
  readonly #slots = new Int32Array(SLOTS).fill(-1);
  #next = 0;

  /** `addresses` must not be empty and must be of one family. */
  constructor(addresses: readonly IpAddress[]) {
    this.#addresses = addresses;
  }

  get count(): number {
    return this.#addresses.length;
  }

  /** The address that the sender of a captured packet appears under at the target; of several copies each `lane`, from 0, has the next one. */
  replace(p: IpView, lane: number): IpAddress {
    return this.at(this.indexOf(p) + lane);
  }

  /** The address of this number, from 0 on, round and round. */
  at(index: number): IpAddress {
    return this.#addresses[index % this.#addresses.length] as IpAddress;
  }

  /** The number of the address that the sender of a captured packet has. */
  indexOf(p: IpView): number {
    const slot = slotOf(p);
    let index = this.#slots[slot] as number;
    if (index < 0) {
      index = this.#next;
      this.#slots[slot] = index;
      this.#next = (index + 1) % this.#addresses.length;
    }
    return index;
  }
}

function slotOf(p: IpView): number {
  if (isV4Words(p.src0, p.src1, p.src2)) return fold(p.src3);
  return fold(p.src0 ^ p.src1 ^ p.src2 ^ p.src3);
}

/** a + c + 256·(b + d), modulo 65536, of the octets a.b.c.d of a word. */
function fold(word: number): number {
  const a = word >>> 24;
  const b = (word >>> 16) & 255;
  const c = (word >>> 8) & 255;
  const d = word & 255;
  return (a + c + 256 * (b + d)) & 0xffff;
}
