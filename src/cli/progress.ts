import type { FilePlayer } from '../runtime/file-player.ts';
import type { FileSurvey } from '../runtime/file-survey.ts';
import type { ReplayFiles } from './config.ts';

const INTERVAL_MS = 500;
const BAR = 24;
/** Back to the beginning of the line, and what stands there is erased. */
const ERASE = '\r\x1b[K';

/** How far a replay has come, shown to a person at a terminal; elsewhere nothing is. */
export class Progress {
  readonly #player: FilePlayer;
  readonly #replay: ReplayFiles;
  /** Microseconds of a round; undefined when nobody has looked. */
  readonly #span: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #startedAt = 0;

  constructor(player: FilePlayer, replay: ReplayFiles, survey: FileSurvey | undefined) {
    this.#player = player;
    this.#replay = replay;
    this.#span = survey && survey.last - survey.first;
  }

  start(): void {
    if (!process.stderr.isTTY) return;
    this.#startedAt = Date.now();
    this.#timer = setInterval(() => {
      const seconds = (Date.now() - this.#startedAt) / 1000;
      process.stderr.write(ERASE + this.#describe(seconds));
    }, INTERVAL_MS);
  }

  stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    process.stderr.write(ERASE);
  }

  #describe(seconds: number): string {
    const { received } = this.#player.statistics();
    return describeProgress({
      packets: received,
      seconds,
      rounds: this.#replay.rounds,
      round: this.#player.round,
      part: this.#span === undefined ? undefined : this.#player.position / Math.max(this.#span, 1),
    });
  }
}

export interface ProgressState {
  readonly packets: number;
  /** Since the beginning. */
  readonly seconds: number;
  readonly rounds: number;
  /** From 0 on. */
  readonly round: number;
  /** Of this round, 0 to 1; undefined when it is not known how long it is. */
  readonly part: number | undefined;
}

/** One line of at most 79 characters. */
export function describeProgress(state: ProgressState): string {
  const { packets, seconds, rounds, round, part } = state;
  const rate = `${packets} packets, ${Math.round(packets / Math.max(seconds, 0.001))}/s`;
  if (part === undefined) return rate;
  const done = Math.min((round + part) / rounds, 1);
  const full = Math.floor(done * BAR);
  const bar = `[${'='.repeat(full)}${' '.repeat(BAR - full)}]`;
  const left = done > 0 ? Math.round((seconds / done) * (1 - done)) : undefined;
  const time = left === undefined ? '' : `, ${left} s left`;
  return `${bar} ${Math.floor(done * 100)} %  ${rate}${time}`;
}
