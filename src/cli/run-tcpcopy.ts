import { isDeepStrictEqual } from 'node:util';
import { type Duration, micros } from '../base/time.ts';
import type { Program } from '../linux/bpf.ts';
import { openPacketSource } from '../linux/packet-socket.ts';
import { pathMtu } from '../linux/path-mtu.ts';
import { compileFilter } from '../linux/pcap-filter.ts';
import { systemClock, wallClock } from '../linux/reactor.ts';
import { newRandom, openTimer } from './process-parts.ts';
import { transferFilter, WHOLE_PACKET } from '../linux/transfer-filter.ts';
import type { Log } from '../ports/log.ts';
import type { PacketSource } from '../ports/packet-source.ts';
import type { Watchable } from '../ports/reactor.ts';
import { ClientAddresses } from '../replay/client-addresses.ts';
import { Datagrams } from '../replay/datagrams.ts';
import { Replayer, type ReplayerConfig } from '../replay/replayer.ts';
import type { Transfer } from '../replay/transfers.ts';
import { Copier } from '../runtime/copier.ts';
import { describeFarSide } from '../runtime/far-side.ts';
import { describeFiles } from '../runtime/file-account.ts';
import type { FileSurvey } from '../runtime/file-survey.ts';
import { shareMemory } from '../runtime/memory-guard.ts';
import { describeReplay } from '../runtime/summary.ts';
import { replayStatistics } from '../runtime/statistics.ts';
import { WATCH_INTERVAL, Watchdog } from '../runtime/watchdog.ts';
import type { SessionConfig } from '../session/context.ts';
import { formatEndpoint } from '../wire/address.ts';
import { IPPROTO_TCP } from '../wire/tcp.ts';
import { IPPROTO_UDP } from '../wire/udp.ts';
import { localAddresses } from './command-line.ts';
import type { ReplayFiles, TcpcopyConfig } from './config.ts';
import { ExitCode } from './exit-codes.ts';
import { lookAtFiles, openPlayer, stretchTimeouts } from './file-replay.ts';
import { guardMemory } from './guard-memory.ts';
import { openLinks } from './open-links.ts';
import { openSender } from './open-sender.ts';
import { TCPCOPY } from './options-tcpcopy.ts';
import { Progress } from './progress.ts';
import type { ProgramShell, Running } from './run-program.ts';
import { readTcpcopyConfig, resolveTransfers } from './tcpcopy-config.ts';

/** A path's MTU is asked for again at most so often, however many packets turn out too long. */
const MTU_REFRESH_MS = 1000;

/** At high rates a packet may wait so long for others, which costs less CPU than a wake-up for each; see `Gather`. */
const GATHER_DELAY: Duration = micros(1500);

export const tcpcopyShell: ProgramShell<TcpcopyConfig> = {
  spec: TCPCOPY,
  readConfig: async (values) =>
    readTcpcopyConfig(values, localAddresses(), await resolveTransfers(values)),
  start: startTcpcopy,
};

type Source = PacketSource & Watchable;

/** Where the packets come from, and what the account says of it. */
interface Feed {
  readonly source: Source;
  readonly describe: () => string[];
  /** Once the copying has begun. */
  readonly start: (copier: Copier) => void;
  readonly stop: () => void;
}

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
  const watch = keepWatch(
    new Watchdog(
      replayer,
      () => source.statistics(),
      systemClock.now(),
      () => sink.statistics().errors,
    ),
    log,
  );
  return {
    account,
    statistics: () => replayStatistics(replayer, datagrams),
    reconfigure: (next, before) => reconfigure(copier, next, before),
    stop: () => {
      clearInterval(watch);
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

function openCapture(config: TcpcopyConfig, log: Log): Feed {
  const source = openPacketSource({
    interfaces: config.interfaces,
    families: familiesOf(config),
    outgoing: config.direction === 'out',
    timestamps: true,
    ...(config.captureBuffer !== undefined && { receiveBuffer: config.captureBuffer }),
    gatherDelay: GATHER_DELAY,
    filter: chooseFilter(config),
    onError: (error) => log.warn(error.message),
    onRevived: (name) => log.info(`The interface '${name}' is back, and captured again`),
  });
  const nothing = (): void => undefined;
  return { source, describe: () => [], start: nothing, stop: nothing };
}

function openFiles(
  config: TcpcopyConfig,
  replay: ReplayFiles,
  survey: FileSurvey | undefined,
  replayer: Replayer,
  log: Log,
  end: (status: ExitCode) => void,
): Feed {
  let copier: Copier | undefined;
  const source = openPlayer(config, replay, replayer, {
    onRound: () => copier?.endRound(),
    onEnd: () => {
      for (const fault of source.faults) log.error(`The replay is not whole: ${fault}`);
      log.info('Ending: the capture has been replayed, and the last copy has ended');
      end(source.faults.length > 0 ? ExitCode.failure : ExitCode.ok);
    },
  });
  const progress = new Progress(source, replay, survey);
  return {
    source,
    describe: () => describeFiles(source),
    start: (used) => {
      copier = used;
      progress.start();
    },
    stop: () => progress.stop(),
  };
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

function chooseFilter(config: TcpcopyConfig): Program {
  if (config.filter !== undefined) return compileFilter(config.filter, config.snapLength);
  return transferFilter(
    config.transfers.map(({ source: { address, port } }) =>
      address === undefined ? { port } : { address, port },
    ),
    config.snapLength ?? WHOLE_PACKET,
    config.udp ? [IPPROTO_TCP, IPPROTO_UDP] : [IPPROTO_TCP],
  );
}

/** Clients are of the family of the target that they are copied to. */
function familiesOf({ transfers }: TcpcopyConfig): (4 | 6)[] {
  return [...new Set(transfers.map(({ target }) => target.address.family))];
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

function replayerConfig(config: TcpcopyConfig, transfers: readonly Transfer[]): ReplayerConfig {
  const v4 = config.clientAddresses.filter((a) => a.family === 4);
  const v6 = config.clientAddresses.filter((a) => a.family === 6);
  const { budget, pool } = shareMemory(config.memoryLimit, config.limits.maxHeldOctetsTotal);
  return {
    transfers,
    clientAddresses: {
      v4: v4.length > 0 ? new ClientAddresses(v4) : undefined,
      v6: v6.length > 0 ? new ClientAddresses(v6) : undefined,
    },
    ...(config.localhostAddress && { localhostAddress: config.localhostAddress }),
    percentage: config.percentage,
    ...(config.ramp !== undefined && { ramp: config.ramp }),
    copies: config.copies,
    spread: config.spread,
    portRange: config.portRange,
    onlyFromSyn: config.onlyNewConnections,
    maxCopies: config.limits.maxConnections,
    rates: config.limits.rates,
    maxPayload: pool,
    memory: budget,
    session: sessionConfig(config),
  };
}

function sessionConfig({ limits, ...config }: TcpcopyConfig): SessionConfig {
  return {
    synthesisedMss: config.mss,
    holdRequests: config.holdRequests,
    simulateLatency: config.simulateLatency,
    ...(config.clientRtt !== undefined && { clientRtt: config.clientRtt }),
    sessionTimeout: config.sessionTimeout,
    keepAliveTimeout: config.keepaliveTimeout,
    handshakeTimeout: limits.handshakeTimeout,
    gapTimeout: limits.gapTimeout,
    onGap: limits.onGap,
    lingerTime: limits.lingerTime,
    closeWaitTime: limits.closeWaitTimeout,
    closingTimeout: limits.closingTimeout,
    maxSegments: limits.maxHeldSegments,
    maxOctets: limits.maxHeldOctets,
    maxSegmentsTotal: limits.maxHeldSegmentsTotal,
    maxRetransmissions: limits.maxRetransmissions,
    maxReconnections: limits.maxReconnections,
  };
}
