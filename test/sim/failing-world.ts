import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomWorld, type WorldKind } from '../../src/testing/random-world.ts';
import { Recording } from '../../src/testing/recording.ts';
import { Simulation } from '../../src/testing/simulation.ts';

/** Where the packets of a world that fails are written. */
const DIRECTORY = process.env.SIM_PCAP_DIR ?? join(tmpdir(), 'tcpcopy-sim');

/**
 * An Error that tells all about a world that went wrong: which it was, how to see it again, what was on the wire, and `what`
 * with the dialogue in words. The world runs once more for its packets.
 */
export function failure(seed: number, kind: WorldKind, what: string): Error {
  const recording = new Recording();
  try {
    new Simulation(randomWorld(seed, kind), { recording }).run();
  } catch {
    // As it did before.
  }
  const name = kind.isKind ? 'kind' : 'unkind';
  const path = join(DIRECTORY, `${name}-${seed}.pcapng`);
  mkdirSync(DIRECTORY, { recursive: true });
  writeFileSync(path, recording.toPcapng());
  const lines = [
    `${name} world, seed ${seed}: ${what}`,
    `Packets in ${path}`,
    `Again with: SIM_SEED=${seed} npm run test:sim`,
  ];
  return new Error(lines.join('\n'));
}
