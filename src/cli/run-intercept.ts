import { randomBytes } from 'node:crypto';
import { type Duration, micros } from '../base/time.ts';
import { describeCounters, describeRoutes } from '../intercept/counters.ts';
import { Interceptor } from '../intercept/interceptor.ts';
import type { Program } from '../linux/bpf.ts';
import { openPacketSource } from '../linux/packet-socket.ts';
import { compileFilter } from '../linux/pcap-filter.ts';
import { systemClock } from '../linux/reactor.ts';
import { type Listener, listen } from '../linux/tcp-listener.ts';
import { listenTls } from '../linux/tls-listener.ts';
import { type FilterTarget, responseFilter } from '../linux/transfer-filter.ts';
import type { Log } from '../ports/log.ts';
import { interceptStatistics } from '../runtime/statistics.ts';
import { Interception } from '../runtime/interception.ts';
import type { InterceptConfig } from './config.ts';
import { readInterceptConfig } from './intercept-config.ts';
import { INTERCEPT } from './options-intercept.ts';
import { openTimer } from './process-parts.ts';
import type { ProgramShell, Running } from './run-program.ts';
import { readIdentity, readKey } from './secrets.ts';

/** Connections that wait to be accepted: a flood of strangers must leave room for a tcpcopy that comes back. */
const BACKLOG = 1024;
/**
 * Octets captured of each response: the longest IPv4 header with the longest TCP header, or an IPv6 header with some extension
 * headers. The payload stays in the kernel unless somebody wants it.
 */
const SNAP_LENGTH = 160;
const MAX_SNAP_LENGTH = 0xffff_ffff;
const NONCE_LENGTH = 32;

/** At high rates a packet may wait so long for others, which costs less CPU than a wake-up for each; see `Gather`. */
const GATHER_DELAY: Duration = micros(1500);

export const interceptShell: ProgramShell<InterceptConfig> = {
  spec: INTERCEPT,
  readConfig: readInterceptConfig,
  start: startIntercept,
};

async function startIntercept(
  config: InterceptConfig,
  log: Log,
): Promise<Running<InterceptConfig>> {
  const interceptor = newInterceptor(config, log);
  const source = openPacketSource({
    interfaces: config.interfaces,
    timestamps: true,
    gatherDelay: GATHER_DELAY,
    filter: filterFor(config, [], interceptor.wantedPayload),
    onError: (error) => log.warn(error.message),
    onRevived: (name) => log.info(`The interface '${name}' is back, and captured again`),
  });
  const interception = new Interception({
    interceptor,
    source,
    clock: systemClock,
    openTimer,
    onWanted: (sources, payload) => {
      source.setFilter(filterFor(config, sources, payload));
      if (config.filter === undefined) interceptor.noteCapture(systemClock.now());
    },
  });
  const listener = await openListener(config, interception, log);
  interception.start();
  sayWhoIsServed(config, listener.port, log);
  const account = (): string[] => {
    const { dropped } = source.statistics();
    return [
      ...describeCounters(interceptor.counters()),
      ...describeRoutes(interceptor.routes),
      ...(dropped > 0 ? [`lost before capture, the receive buffer was full: ${dropped}`] : []),
    ];
  };
  return {
    account,
    statistics: () => interceptStatistics(interceptor.counters(), interceptor.routes),
    stop: () => {
      listener.close();
      interception.stop();
      return account();
    },
  };
}

function newInterceptor(config: InterceptConfig, log: Log): Interceptor {
  const { keyFile, allowOriginal, limits, dnat, single, redirect, payloadMessages } = config;
  const key = keyFile === undefined ? null : readKey(keyFile);
  return new Interceptor(log, randomBytes(4).readInt32LE(), {
    ...limits,
    dnat,
    payloadMessages,
    access: { key, allowOriginal, makeNonce: () => randomBytes(NONCE_LENGTH) },
    ...(single && { single }),
    ...(redirect && { redirect }),
  });
}

/** What the kernel lets through: what -F says, or else what comes from the targets of those connected. */
function filterFor(
  { filter, dnat }: InterceptConfig,
  sources: readonly FilterTarget[],
  payload: number,
): Program {
  const snapLength = Math.min(SNAP_LENGTH + payload, MAX_SNAP_LENGTH);
  if (filter !== undefined) return compileFilter(filter, snapLength);
  // Where addresses change on the way, only the port tells a response.
  const visible = dnat ? sources.map(({ port }) => (port === undefined ? {} : { port })) : sources;
  return responseFilter(visible, snapLength);
}

function openListener(
  config: InterceptConfig,
  interception: Interception,
  log: Log,
): Listener | Promise<Listener> {
  const { bindAddress, port, tls } = config;
  const common = {
    ...(bindAddress !== undefined && { address: bindAddress }),
    port,
    backlog: BACKLOG,
    onConnection: interception.accept.bind(interception),
  };
  if (tls === undefined) return listen({ ...common, onError: (error) => log.warn(error.message) });
  return listenTls({
    ...common,
    ...readIdentity(tls),
    onRefused: (peer, reason) => interception.refuse(peer, reason),
    onError: (error) => log.warn(error.message),
  });
}

function sayWhoIsServed(config: InterceptConfig, port: number, log: Log): void {
  const { filter, keyFile, bindAddress, tls } = config;
  const by = filter === undefined ? 'as those connected ask for' : `by: ${filter}`;
  const over = tls === undefined ? '' : ' over TLS';
  log.info(`Listening for tcpcopy on port ${port}${over}, for responses ${by}`);
  if (keyFile !== undefined || bindAddress !== undefined) return;
  log.info('Serving any host that reaches the control port; -b, a firewall or --key-file limit it');
}
