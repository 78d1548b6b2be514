import type { Instant } from '../base/time.ts';
import { PcapngWriter } from '../wire/pcapng-writer.ts';

/** Where packets of a simulated world are seen. */
export const POINTS = ['captured', 'to target', 'from target'] as const;
export type Point = (typeof POINTS)[number];

/** More packets than this, and the earliest are forgotten. */
const MAX_RECORDS = 50_000;

interface Entry {
  readonly point: Point;
  readonly at: Instant;
  readonly octets: Uint8Array;
  readonly wireLength: number;
}

/** The packets of a simulated world, to be looked at with tcpdump or Wireshark. */
export class Recording {
  readonly #records: Entry[] = [];

  /** The octets are kept, not copied. */
  add(point: Point, at: Instant, octets: Uint8Array, wireLength: number = octets.length): void {
    this.#records.push({ point, at, octets, wireLength });
    if (this.#records.length >= 2 * MAX_RECORDS) this.#records.splice(0, MAX_RECORDS);
  }

  /** The records as a file; times are those of the world. */
  toPcapng(): Uint8Array {
    const writer = new PcapngWriter('tcpcopy simulator');
    for (const point of POINTS) writer.addInterface(point);
    for (const { point, at, octets, wireLength } of this.#records) {
      writer.addPacket(POINTS.indexOf(point), at, octets, wireLength);
    }
    return writer.take();
  }
}
