import { isDeepStrictEqual } from 'node:util';
import { pathMtu } from '../linux/path-mtu.ts';
import { systemClock, wallClock } from '../linux/reactor.ts';
import type { Log } from '../ports/log.ts';
import { Datagrams } from '../replay/datagrams.ts';
import { Replayer } from '../replay/replayer.ts';
import type { Transfer } from '../replay/transfers.ts';
import { Copier } from '../runtime/copier.ts';
import { describeFarSide } from '../runtime/far-side.ts';
import { describeReplay } from '../runtime/summary.ts';
import { replayStatistics } from '../runtime/statistics.ts';
import { WATCH_INTERVAL, Watchdog } from '../runtime/watchdog.ts';
import { formatEndpoint } from '../wire/address.ts';
import { localAddresses } from './command-line.ts';
import type { TcpcopyConfig } from './config.ts';
import { ExitCode } from './exit-codes.ts';
import { openCapture, openFiles } from './feeds.ts';
import { lookAtFiles, stretchTimeouts } from './file-replay.ts';
import { guardMemory } from './guard-memory.ts';
import { openLinks } from './open-links.ts';
import { openSender } from './open-sender.ts';
import { TCPCOPY } from './options-tcpcopy.ts';
import { newRandom, openTimer } from './process-parts.ts';
import { replayerConfig } from './replayer-config.ts';
import type { ProgramShell, Running } from './run-program.ts';
import { readTcpcopyConfig, resolveTransfers } from './tcpcopy-config.ts';

/** A path's MTU is asked for again at most so often, however many packets turn out too long. */
const MTU_REFRESH_MS = 1000;

export const tcpcopyShell: ProgramShell<TcpcopyConfig> = {
  spec: TCPCOPY,
  readConfig: async (values) =>
    readTcpcopyConfig(values, localAddresses(), await resolveTransfers(values)),
  start: startTcpcopy,
};

async function startTcpcopy(
  given: TcpcopyConfig,
  log: Log,
  end: (status: ExitCode) => void,
): Promise<Running<TcpcopyConfig>> {
  const config = stretchTimeouts(given);
  const { replay } = config;
  const transfers = openPaths(config);
  const survey = replay && (await lookAtFiles(replay, transfers, log));
  const replayer = new Replayer(replayerConfig(config, transfers), newRandom());
  const datagrams = config.udp
    ? new Datagrams(replayer.common, config.copies, newRandom())
    : undefined;
  const feed =
    replay === undefined
      ? openCapture(config, log)
      : openFiles(config, replay, survey, replayer, log, end);
  const { source } = feed;
  const sink = await openSender(config, log, mtuRefresher(transfers, config, log));
  const copier = new Copier(
    { replayer, datagrams, source, sink, clock: systemClock, wallClock, log, openTimer },
    () => {
      log.error('Ending: no connection to any intercept is left, so no response would come back');
      end(ExitCode.unavailable);
    },
  );
  // Last: whoever answers here will be sent registrations from now on.
  const links = await openLinks(config, log, copier);
  feed.start(copier);
  copier.start(links);
  sayWhatIsCopied(config, transfers, log);
  const account = (): string[] => [
    ...feed.describe(),
    ...describeReplay(replayer, source.statistics(), sink.statistics(), datagrams),
    ...describeFarSide(links.counts(), copier.delays),
  ];
  const stopGuarding = guardMemory(replayer, copier, config.memoryLimit, log);
  const watchdog = new Watchdog(
    replayer,
    () => source.statistics(),
    systemClock.now(),
    () => sink.statistics().errors,
  );
  const watch = keepWatch(watchdog, log);
  return {
    account,
    statistics: () => replayStatistics(replayer, datagrams),
    reconfigure: (next, before) => reconfigure(copier, next, before),
    stop: () => {
      clearInterval(watch);
      // What has happened since it looked last is to be explained too.
      for (const line of watchdog.look(systemClock.now())) log.warn(line);
      stopGuarding();
      feed.stop();
      copier.stop();
      const lines = account();
      sink.close();
      return lines;
    },
  };
}

/** The share and the limits of a second may change while connections are copied. */
function reconfigure(copier: Copier, next: TcpcopyConfig, before: TcpcopyConfig): void {
  const share = ({ percentage, ramp }: TcpcopyConfig): unknown => [percentage, ramp];
  copier.command((replayer, now) => {
    if (!isDeepStrictEqual(share(next), share(before))) {
      replayer.changeShare(now, next.percentage, next.ramp);
    }
    if (!isDeepStrictEqual(next.limits.rates, before.limits.rates)) {
      replayer.changeRates(now, next.limits.rates);
    }
  });
}

function sayWhatIsCopied({ udp }: TcpcopyConfig, transfers: readonly Transfer[], log: Log): void {
  for (const t of transfers) {
    const from = t.address ? formatEndpoint(t.address, t.port) : `port ${t.port}`;
    const what = udp ? `TCP and UDP of ${from}` : from;
    log.info(`Copying ${what} to ${formatEndpoint(t.target, t.targetPort)}`);
  }
}

function keepWatch(watchdog: Watchdog, log: Log): NodeJS.Timeout {
  return setInterval(() => {
    for (const line of watchdog.look(systemClock.now())) log.warn(line);
  }, WATCH_INTERVAL / 1000);
}

function openPaths(config: TcpcopyConfig): Transfer[] {
  return config.transfers.map(({ source, target, loopbackOnly }) => ({
    address: source.address,
    port: source.port,
    target: target.address,
    targetPort: target.port,
    path: { mtu: Math.min(config.mtu, pathMtu(target.address, config.output?.device)) },
    loopbackOnly,
  }));
}

/** A route or an interface has changed: what the kernel says now holds for the packets to come. */
function mtuRefresher(transfers: readonly Transfer[], config: TcpcopyConfig, log: Log): () => void {
  let next = 0;
  return () => {
    if (Date.now() < next) return;
    next = Date.now() + MTU_REFRESH_MS;
    for (const { target, path } of transfers) {
      try {
        const mtu = Math.min(config.mtu, pathMtu(target, config.output?.device));
        if (mtu !== path.mtu) log.warn(`The path to ${target.toString()} takes ${mtu} octets now`);
        path.mtu = mtu;
      } catch (error) {
        log.warn(error instanceof Error ? error.message : String(error));
      }
    }
  };
}
