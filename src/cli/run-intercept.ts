import { randomBytes } from 'node:crypto';
import { describeCounters, describeRoutes } from '../intercept/counters.ts';
import { Interceptor } from '../intercept/interceptor.ts';
import { systemClock } from '../linux/reactor.ts';
import { type Listener, listen } from '../linux/tcp-listener.ts';
import { listenTls } from '../linux/tls-listener.ts';
import type { Log } from '../ports/log.ts';
import { interceptStatistics } from '../runtime/statistics.ts';
import { Interception } from '../runtime/interception.ts';
import type { InterceptConfig } from './config.ts';
import { readInterceptConfig } from './intercept-config.ts';
import { INTERCEPT } from './options-intercept.ts';
import { openTimer } from './process-parts.ts';
import { openResponses, type Responses } from './responses.ts';
import type { ProgramShell, Running } from './run-program.ts';
import { readIdentity, readKey } from './secrets.ts';

/** Connections that wait to be accepted: a flood of strangers must leave room for a tcpcopy that comes back. */
const BACKLOG = 1024;
const NONCE_LENGTH = 32;

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
  const responses = openResponses(config, log, interceptor.wantedPayload);
  const interception = new Interception({
    interceptor,
    source: responses.source,
    clock: systemClock,
    openTimer,
    onWanted: (sources, payload) => {
      try {
        responses.want(sources, payload);
      } catch (error) {
        // What a peer asks for must not end the program for all others.
        log.error(error instanceof Error ? error.message : String(error));
        return;
      }
      if (responses.isAsked) interceptor.noteCapture(systemClock.now());
    },
  });
  const listener = await openListener(config, interception, log);
  interception.start();
  sayWhoIsServed(config, listener.port, responses, log);
  const account = (): string[] => [
    ...describeCounters(interceptor.counters()),
    ...describeRoutes(interceptor.routes),
    ...responses.account(),
  ];
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
  const { keyFile, allowOriginal, limits, dnat, single, redirect, responseForm } = config;
  const key = keyFile === undefined ? null : readKey(keyFile);
  return new Interceptor(log, randomBytes(4).readInt32LE(), {
    ...limits,
    dnat,
    responseForm,
    access: { key, allowOriginal, makeNonce: () => randomBytes(NONCE_LENGTH) },
    ...(single && { single }),
    ...(redirect && { redirect }),
  });
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

function sayWhoIsServed(
  config: InterceptConfig,
  port: number,
  { described }: Responses,
  log: Log,
): void {
  const { keyFile, bindAddress, tls } = config;
  const over = tls === undefined ? '' : ' over TLS';
  log.info(`Listening for tcpcopy on port ${port}${over}, for responses ${described}`);
  if (keyFile !== undefined || bindAddress !== undefined) return;
  log.info('Serving any host that reaches the control port; -b, a firewall or --key-file limit it');
}
