/** Handshakes at once: each costs memory and CPU before the peer has proved anything. */
const MAX_HANDSHAKES = 256;
/** From one address, so that one that never completes any keeps nobody else out; a tcpcopy makes eleven at the most. */
const MAX_PER_ADDRESS = 16;

/** The connections that have not agreed on TLS yet. */
export class Handshakes {
  /** The address of each, by its name. */
  readonly #addresses = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  /** A connection; why it is to be closed at once, when it is. */
  begin(peer: string, address: string): string | undefined {
    const count = this.#counts.get(address) ?? 0;
    if (count >= MAX_PER_ADDRESS) return 'too many TLS handshakes at once from one address';
    if (this.#addresses.size >= MAX_HANDSHAKES) return 'too many TLS handshakes at once';
    this.#addresses.set(peer, address);
    this.#counts.set(address, count + 1);
    return undefined;
  }

  /** It is done, or the connection is gone; false when that was known. */
  end(peer: string): boolean {
    const address = this.#addresses.get(peer);
    if (address === undefined) return false;
    this.#addresses.delete(peer);
    const count = (this.#counts.get(address) ?? 1) - 1;
    if (count === 0) this.#counts.delete(address);
    else this.#counts.set(address, count);
    return true;
  }
}
