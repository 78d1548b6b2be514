import { type Duration, micros } from '../base/time.ts';
import type { Program } from '../linux/bpf.ts';
import { openPacketSource } from '../linux/packet-socket.ts';
import { compileFilter } from '../linux/pcap-filter.ts';
import { transferFilter, WHOLE_PACKET } from '../linux/transfer-filter.ts';
import type { Log } from '../ports/log.ts';
import type { PacketSource } from '../ports/packet-source.ts';
import type { Watchable } from '../ports/reactor.ts';
import type { Replayer } from '../replay/replayer.ts';
import type { Copier } from '../runtime/copier.ts';
import { describeFiles } from '../runtime/file-account.ts';
import type { FileSurvey } from '../runtime/file-survey.ts';
import { IPPROTO_TCP } from '../wire/tcp.ts';
import { IPPROTO_UDP } from '../wire/udp.ts';
import type { ReplayFiles, TcpcopyConfig } from './config.ts';
import { ExitCode } from './exit-codes.ts';
import { openPlayer } from './file-replay.ts';
import { Progress } from './progress.ts';

/** At high rates a packet may wait so long for others, which costs less CPU than a wake-up for each; see `Gather`. */
const GATHER_DELAY: Duration = micros(1500);

type Source = PacketSource & Watchable;

/** Where the packets come from, and what the account says of it. */
export interface Feed {
  readonly source: Source;
  readonly describe: () => string[];
  /** Once the copying has begun. */
  readonly start: (copier: Copier) => void;
  readonly stop: () => void;
}

/** Live traffic. */
export function openCapture(config: TcpcopyConfig, log: Log): Feed {
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

/** Capture files. */
export function openFiles(
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
