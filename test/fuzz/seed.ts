import { Random } from '../../src/base/random.ts';

/** The seed of every fuzz run; another one with FUZZ_SEED=n. */
export const SEED: number = Number(process.env.FUZZ_SEED ?? 20_241);

/** Inputs for each suite; more with FUZZ_RUNS=n. */
export const RUNS: number = Number(process.env.FUZZ_RUNS ?? 1_000_000);

/** Fails with everything that is needed to see it again. */
export function check(holds: boolean, claim: string): void {
  if (!holds) throw new Error(`does not hold: ${claim}`);
}

/** Runs `one` for every input; what it throws is told with the seed and the number of the input. */
export function fuzz(runs: number, one: (random: Random, n: number) => void): void {
  const random = new Random(SEED);
  for (let n = 0; n < runs; n++) {
    try {
      one(random, n);
    } catch (cause) {
      throw new Error(`input ${n} with FUZZ_SEED=${SEED}: ${String(cause)}`, { cause });
    }
  }
}
