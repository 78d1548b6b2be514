/** A refusal weighs as much as so many places that were not refused. */
const WEIGHT = 16;
/** Nine refusals in a row, or more among others. */
const LIMIT = 8 * WEIGHT;

/**
 * Whether another tcpcopy wants the places of our copies so often that it must have the same clients, as one on the same host
 * has. Each refusal costs a registration and a SYN that the other one's connection meets at the target; by chance two come to
 * want the same place too seldom to matter.
 */
export class Contest {
  #score = 0;

  /** A copy wants the place that is its own. */
  noteWanted(): void {
    if (this.#score > 0) this.#score--;
  }

  /** A place was another tcpcopy's. Returns whether more than one in 16 is; then counts anew. */
  noteRefused(): boolean {
    this.#score += WEIGHT;
    if (this.#score <= LIMIT) return false;
    this.#score = 0;
    return true;
  }
}
