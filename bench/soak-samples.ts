import type { Program } from '../lab/programs.ts';
import type { Lab } from '../lab/topology.ts';
import { type Weight, weigh } from '../lab/weigh.ts';
import { grows, type Tolerance } from './growth.ts';

/** Resident memory has the collector's leisure in it; the heap is weighed after a collection; beside it lie whole chunks of payload memory. */
const TOLERANCE: Readonly<Record<keyof Weight, Tolerance>> = {
  rss: { share: 0.05, octets: 4 << 20 },
  heap: { share: 0.05, octets: 512 << 10 },
  external: { share: 0.05, octets: 2 << 20 },
};
const NAMES: Readonly<Record<keyof Weight, string>> = {
  rss: 'resident memory',
  heap: 'heap',
  external: 'memory beside the heap',
};

/** What the programs held, over time. */
export class Samples {
  readonly #lab: Lab;
  readonly #programs: readonly Program[];
  /** By program. */
  readonly #weights: Weight[][];
  readonly #times: number[] = [];

  constructor(lab: Lab, programs: readonly Program[]) {
    this.#lab = lab;
    this.#programs = programs;
    this.#weights = programs.map(() => []);
  }

  /** Takes a sample, and returns it as a line; `seconds` since the load began. */
  async take(seconds: number): Promise<string> {
    this.#times.push(seconds);
    const cells = [seconds.toFixed(0).padStart(5)];
    for (const [i, program] of this.#programs.entries()) {
      const weight = await weigh(this.#lab, program);
      this.#weights[i]?.push(weight);
      cells.push(megaoctets(weight.rss), megaoctets(weight.heap), megaoctets(weight.external));
    }
    return cells.join(' ');
  }

  get header(): string {
    const names = this.#programs.map(({ child }) => `${child.name} MB: rss    heap  beside`);
    return `    s ${names.join(' ')}`;
  }

  /** What still grew after `from` seconds, in words. */
  growth(from: number): string[] {
    return this.#programs.flatMap(({ child }, i) => {
      const after = this.#weights[i]?.filter((_, at) => (this.#times[at] ?? 0) >= from) ?? [];
      return (['rss', 'heap', 'external'] as const)
        .filter((what) =>
          grows(
            after.map((w) => w[what]),
            TOLERANCE[what],
          ),
        )
        .map((what) => `${child.name}: ${NAMES[what]} still grows`);
    });
  }
}

const megaoctets = (octets: number): string => (octets / 1e6).toFixed(2).padStart(8);
