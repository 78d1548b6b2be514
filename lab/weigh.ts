import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from './child.ts';
import { labProgram } from './paths.ts';
import type { Program } from './programs.ts';
import type { Lab } from './topology.ts';

/** What a program holds, in octets. */
export interface Weight {
  /** Resident as it stood, garbage included. */
  readonly rss: number;
  /** Reachable from JavaScript, and what hangs on it outside of the heap. */
  readonly heap: number;
  readonly external: number;
}

const folder = (lab: Lab): string => join(lab.folder, 'weights');
/** Milliseconds; a collection of a large heap in a busy program takes a good part of a second. */
const PATIENCE = 20_000;

/** Has programs that are started from now on answer to `weigh`. */
export function makeWeighable(lab: Lab): void {
  mkdirSync(folder(lab), { recursive: true });
  process.env['LAB_WEIGH'] = folder(lab);
  process.env['LAB_NODE_OPTIONS'] = `--import=${labProgram('weigh-preload')}`;
}

/** Has the program collect its garbage, and weighs what is left. */
export async function weigh(lab: Lab, { child }: Program): Promise<Weight> {
  const file = join(folder(lab), String(child.pid));
  const before = linesOf(file).length;
  process.kill(child.pid, 'SIGWINCH');
  for (const deadline = Date.now() + PATIENCE; Date.now() < deadline; ) {
    const lines = linesOf(file);
    if (lines.length > before) return JSON.parse(lines.at(-1)!) as Weight;
    await sleep(20);
  }
  throw new Error(`${child.name} was not weighed within ${PATIENCE} ms:\n${child.output()}`);
}

/** Complete lines. */
const linesOf = (file: string): string[] =>
  existsSync(file) ? readFileSync(file, 'latin1').split('\n').slice(0, -1) : [];
