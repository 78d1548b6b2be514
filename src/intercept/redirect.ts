import type { CapturedPacket } from '../ports/packet-source.ts';
import type { IpAddress } from '../wire/address.ts';
import { updateChecksum32 } from '../wire/checksum.ts';

/** Of the destination address in an IPv4 header, and of the checksum. */
const DESTINATION = 16;
const CHECKSUM = 10;
const HEADER_LENGTH = 20;

/**
 * Responses to one address are treated as responses to another (`-D a-b`): where the target sits behind an address
 * translation that the copies pass and their responses do not. IPv4, as in the original.
 */
export class Redirect {
  readonly #from: number;
  readonly #to: number;

  constructor(from: IpAddress, to: IpAddress) {
    this.#from = from.w3;
    this.#to = to.w3;
  }

  /** Rewrites the destination in the captured packet itself, and the IP header's checksum with it. */
  apply({ memory, offset, length }: CapturedPacket): void {
    if (length < HEADER_LENGTH || (memory.bytes[offset] as number) >>> 4 !== 4) return;
    const { view } = memory;
    if (view.getInt32(offset + DESTINATION) !== this.#from) return;
    view.setInt32(offset + DESTINATION, this.#to);
    const check = view.getUint16(offset + CHECKSUM);
    view.setUint16(offset + CHECKSUM, updateChecksum32(check, this.#from, this.#to));
  }
}
