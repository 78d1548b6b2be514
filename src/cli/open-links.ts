import { randomBytes } from 'node:crypto';
import { INSTANCE_LENGTH } from '../control/extended-frame.ts';
import type { TcpcopyEndOptions } from '../control/tcpcopy-end.ts';
import { systemClock } from '../linux/reactor.ts';
import { connectStream } from '../linux/tcp-connect.ts';
import { connectTls } from '../linux/tls-connect.ts';
import type { KeyedHash } from '../ports/keyed-hash.ts';
import type { Log } from '../ports/log.ts';
import type { ByteStream } from '../ports/stream.ts';
import { InterceptLinks, type LinkEvents, LinkError } from '../runtime/intercept-links.ts';
import { formatEndpoint } from '../wire/address.ts';
import type { ServerAddress, TcpcopyConfig } from './config.ts';
import { ExitCode, StartError } from './exit-codes.ts';
import { newRandom, openTimer } from './process-parts.ts';
import { resolveServers } from './resolve-servers.ts';
import { readCertificates, readKey } from './secrets.ts';

/** How long an intercept may take to accept a connection, TLS included. */
const CONNECT_TIMEOUT_MS = 5000;
/** Octets that may wait for an intercept to read: all sessions at once, when it is back after an absence. */
const BACKLOG = 16 << 20;

const NONCE_LENGTH = 32;

/**
 * The connections to the intercepts of -s, all made and agreed on what to speak.
 * @throws StartError
 */
export async function openLinks(
  config: TcpcopyConfig,
  log: Log,
  events: LinkEvents,
): Promise<InterceptLinks> {
  const { servers, connectionsPerServer, lonely, single } = config;
  const key = config.keyFile === undefined ? null : readKey(config.keyFile);
  const trusted =
    config.tlsCa === undefined ? undefined : readCertificates(config.tlsCa, '--tls-ca');
  const connect = async (index: number): Promise<ByteStream> => {
    // A name is asked for again each time: the host may have moved.
    const [server] = await resolveServers([servers[index] as ServerAddress]);
    if (server === undefined) throw new Error('no server of this number');
    const { address, port, host } = server;
    if (trusted === undefined) return connectStream(address, port, CONNECT_TIMEOUT_MS, BACKLOG);
    return connectTls(address, port, CONNECT_TIMEOUT_MS, { host, trusted }, BACKLOG);
  };
  const names = servers.map(nameOf);
  const instance = randomBytes(INSTANCE_LENGTH);
  const links = new InterceptLinks(
    { names, connections: connectionsPerServer, lonely, single },
    {
      clock: systemClock,
      random: newRandom(),
      log,
      openTimer,
      connect,
      endOptions: (stream) => endOptions(config, key, instance, stream),
    },
  );
  try {
    await links.open(events);
  } catch (error) {
    throw refusal(error);
  }
  sayWhatIsSpoken(links, names, config, log);
  return links;
}

const nameOf = ({ host, port, address }: ServerAddress): string =>
  address === undefined ? `${host}:${port}` : formatEndpoint(address, port);

function endOptions(
  config: TcpcopyConfig,
  key: KeyedHash | null,
  instance: Uint8Array,
  stream: ByteStream,
): TcpcopyEndOptions {
  return {
    key,
    nonce: randomBytes(NONCE_LENGTH),
    channelBinding: stream.channelBinding ?? new Uint8Array(NONCE_LENGTH),
    instance,
    payload: 0,
    responseForm: config.responseForm,
    targets: config.transfers.map(({ target }) => target),
  };
}

function refusal(error: unknown): StartError {
  if (error instanceof StartError) return error;
  if (error instanceof LinkError && error.loss.isRefusal) {
    const { server, loss } = error;
    return new StartError(
      loss.isOfKeys ? ExitCode.noPermission : ExitCode.unavailable,
      `Cannot work with intercept ${server}: ${loss.reason}`,
      loss.isOfKeys ? 'The key is what --key-file names, on both hosts.' : '',
    );
  }
  return new StartError(
    ExitCode.unavailable,
    `intercept does not answer: ${error instanceof Error ? error.message : String(error)}`,
    'Start intercept on that host first, and check the address and port of -s ("ss -ltn" there shows the port when it runs).',
  );
}

/** Over IPv6 only those of ours can bring responses back. */
function sayWhatIsSpoken(
  links: InterceptLinks,
  names: readonly string[],
  config: TcpcopyConfig,
  log: Log,
): void {
  const v6 = config.transfers.find(({ target }) => target.address.family === 6);
  const originals = names.filter((_, i) => !links.isExtended(i));
  if (originals.length > 0) {
    log.info(`Speaking version 6 of the control protocol with ${originals.join(', ')}`);
  }
  if (v6 === undefined || originals.length < names.length) return;
  const { address, port } = v6.target;
  links.close();
  throw new StartError(
    ExitCode.unavailable,
    `Cannot copy to ${formatEndpoint(address, port)}: no intercept of -s speaks more than version 6 of the control protocol, which carries IPv4 only`,
    'Run an intercept of this project on the assistant server, or use an IPv4 target.',
  );
}
