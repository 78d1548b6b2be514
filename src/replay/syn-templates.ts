import type { SynTemplate } from '../session/state.ts';

/** Kinds remembered; clients differ by system and by distance, and most of them are of a few kinds. */
const KINDS = 64;

/** What the SYNs of clients said, each kind once: it would be 80 octets of every copy otherwise. */
export class SynTemplates {
  readonly #known: SynTemplate[] = [];
  #oldest = 0;

  /** One that says the same as `syn`: itself, when none was known. */
  share(syn: SynTemplate): SynTemplate {
    for (const known of this.#known) if (isSame(known, syn)) return known;
    this.#known[this.#oldest] = syn;
    this.#oldest = (this.#oldest + 1) % KINDS;
    return syn;
  }
}

const isSame = (a: SynTemplate, b: SynTemplate): boolean =>
  a.window === b.window &&
  a.ttl === b.ttl &&
  a.trafficClass === b.trafficClass &&
  a.mss === b.mss &&
  a.windowScale === b.windowScale &&
  a.sackPermitted === b.sackPermitted &&
  a.timestamps === b.timestamps &&
  a.captured === b.captured;
