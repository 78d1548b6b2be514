import { Memory } from '../base/memory.ts';
import { VERDICT_LENGTH, type Verdict, writeVerdict } from './queue-message.ts';

/**
 * The verdicts of one batch of packets, to be sent at once. A message decides on every packet up to a number that has no verdict yet,
 * so packets in a row that have the same one need one message.
 */
export class Verdicts {
  readonly memory: Memory;
  readonly #queue: number;
  #runs = 0;
  #last: Verdict | undefined;

  /** At most `packets` of one batch. */
  constructor(queue: number, packets: number) {
    this.memory = Memory.alloc(packets * VERDICT_LENGTH);
    this.#queue = queue;
  }

  /** Octets to be sent, from the start of `memory`. */
  get length(): number {
    return this.#runs * VERDICT_LENGTH;
  }

  /** Packets come in the order of their numbers. */
  note(id: number, verdict: Verdict): void {
    if (verdict !== this.#last) this.#runs++;
    this.#last = verdict;
    writeVerdict(this.memory, (this.#runs - 1) * VERDICT_LENGTH, this.#queue, id, verdict);
  }

  clear(): void {
    this.#runs = 0;
    this.#last = undefined;
  }
}
