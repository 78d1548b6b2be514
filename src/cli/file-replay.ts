import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Duration } from '../base/time.ts';
import { openCaptureFiles } from '../linux/capture-files.ts';
import { systemClock } from '../linux/reactor.ts';
import type { Log } from '../ports/log.ts';
import type { Replayer } from '../replay/replayer.ts';
import { type Transfer, TransferTable } from '../replay/transfers.ts';
import { describeNothing, describeSurvey } from '../runtime/file-account.ts';
import { FilePlayer } from '../runtime/file-player.ts';
import { type FileSurvey, surveyFiles } from '../runtime/file-survey.ts';
import { ReplayGauge } from '../runtime/replay-gauge.ts';
import type { ReplayFiles, TcpcopyConfig } from './config.ts';
import { ExitCode, StartError } from './exit-codes.ts';
import { openTimer } from './process-parts.ts';

/**
 * Reads the files before anything is sent, and says what is in them; undefined for standard input, which can be read only once.
 * @throws StartError when nothing fits -x.
 */
export async function lookAtFiles(
  replay: ReplayFiles,
  transfers: readonly Transfer[],
  log: Log,
): Promise<FileSurvey | undefined> {
  if (replay.files.includes('-')) return undefined;
  const table = new TransferTable(transfers);
  const survey = await surveyFiles(openCaptureFiles(replay.files), table, replay, nextTurn);
  const found = survey.connections + survey.counts.datagrams;
  if (found === 0 && replay.shard === undefined) {
    throw new StartError(
      ExitCode.config,
      describeNothing(survey, table, replay.udp === true ? 'TCP or UDP' : 'TCP'),
      '"tcpdump -nr FILE" shows the ports; -x names the one that clients connected to.',
    );
  }
  const { found: text, warnings } = describeSurvey(survey);
  log.info(text);
  for (const warning of warnings) log.warn(warning);
  return survey;
}

/** What the player tells those who feed on it. */
export interface PlayerEvents {
  onRound(): void;
  onEnd(): void;
}

export function openPlayer(
  config: TcpcopyConfig,
  replay: ReplayFiles,
  replayer: Replayer,
  events: PlayerEvents,
): FilePlayer {
  const { limits, sessionTimeout } = config;
  const gauge = new ReplayGauge(replayer, systemClock, {
    maxConnections: limits.maxConnections,
    maxSegments: limits.maxHeldSegmentsTotal,
    maxOctets: limits.maxHeldOctetsTotal,
    isPaced: Number.isFinite(replay.speed),
    patience: sessionTimeout,
  });
  return new FilePlayer(
    {
      open: () => openCaptureFiles(replay.files),
      transfers: replayer.transfers,
      clock: systemClock,
      openTimer,
      hasRoom: () => gauge.hasRoom(),
      isDone: (since) => gauge.isDone(since),
      onRound: () => events.onRound(),
      onEnd: () => events.onEnd(),
    },
    replay,
  );
}

/** What waits for a client waits longer where a file is replayed slower than it was recorded. */
export function stretchTimeouts(config: TcpcopyConfig): TcpcopyConfig {
  const { replay, limits } = config;
  if (replay === undefined || replay.speed >= 1) return config;
  const longer = (time: Duration): Duration => (time / replay.speed) as Duration;
  return {
    ...config,
    sessionTimeout: longer(config.sessionTimeout),
    keepaliveTimeout: longer(config.keepaliveTimeout),
    limits: {
      ...limits,
      closeWaitTimeout: longer(limits.closeWaitTimeout),
      gapTimeout: longer(limits.gapTimeout),
    },
  };
}
