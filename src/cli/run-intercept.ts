import { randomBytes } from 'node:crypto';
import { type Duration, micros } from '../base/time.ts';
import { Interceptor } from '../intercept/interceptor.ts';
import { describeCounters, describeRoutes } from '../intercept/counters.ts';
import { openPacketSource } from '../linux/packet-socket.ts';
import { compileFilter } from '../linux/pcap-filter.ts';
import { openWakeTimer, systemClock } from '../linux/reactor.ts';
import { listen } from '../linux/tcp-listener.ts';
import type { Log } from '../ports/log.ts';
import { Interception } from '../runtime/interception.ts';
import type { InterceptConfig } from './config.ts';
import { readInterceptConfig } from './intercept-config.ts';
import { INTERCEPT } from './options-intercept.ts';
import type { ProgramShell, Running } from './run-program.ts';

/** Connections that wait to be accepted. */
const BACKLOG = 128;
/**
 * Octets captured of each response: the longest IPv4 header with the longest TCP header, or an IPv6 header with some extension
 * headers. The payload stays in the kernel.
 */
const SNAP_LENGTH = 160;

/** At high rates a packet may wait so long for others, which costs less CPU than a wake-up for each; see `Gather`. */
const GATHER_DELAY: Duration = micros(1500);

export const interceptShell: ProgramShell<InterceptConfig> = {
  spec: INTERCEPT,
  readConfig: readInterceptConfig,
  start: (config, log) => Promise.resolve(startIntercept(config, log)),
};

function startIntercept(config: InterceptConfig, log: Log): Running {
  const source = openPacketSource({
    interfaces: config.interfaces,
    families: [4],
    gatherDelay: GATHER_DELAY,
    filter: compileFilter(config.filter ?? 'tcp', SNAP_LENGTH),
    onError: (error) => log.warn(error.message),
    onRevived: (name) => log.info(`The interface '${name}' is back, and captured again`),
  });
  const interceptor = new Interceptor(log, randomBytes(4).readInt32LE(), {
    ...config.limits,
    dnat: config.dnat,
    ...(config.single && { single: config.single }),
    ...(config.redirect && { redirect: config.redirect }),
  });
  const openTimer = (callback: () => void) => openWakeTimer(callback);
  const interception = new Interception({
    interceptor,
    source,
    clock: systemClock,
    openTimer,
  });
  const listener = listen({
    ...(config.bindAddress !== undefined && { address: config.bindAddress }),
    port: config.port,
    backlog: BACKLOG,
    onConnection: (stream) => interception.accept(stream),
    onError: (error) => log.warn(error.message),
  });
  interception.start();
  if (config.keyFile === undefined && config.bindAddress === undefined) {
    log.info(
      'Serving any host that reaches the control port; -b, a firewall or --key-file limit it',
    );
  }
  log.info(`Listening for tcpcopy on port ${listener.port}, for responses by: ${config.filter}`);
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
    stop: () => {
      listener.close();
      interception.stop();
      return account();
    },
  };
}
