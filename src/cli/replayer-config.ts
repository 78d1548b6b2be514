import { ClientAddresses } from '../replay/client-addresses.ts';
import type { ReplayerConfig } from '../replay/replayer.ts';
import type { Transfer } from '../replay/transfers.ts';
import { shareMemory } from '../runtime/memory-guard.ts';
import type { SessionConfig } from '../session/context.ts';
import type { TcpcopyConfig } from './config.ts';

/** What of the configuration the core is to know. */
export function replayerConfig(
  config: TcpcopyConfig,
  transfers: readonly Transfer[],
): ReplayerConfig {
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
    session: {
      ...sessionConfig(config),
      isPoolByMemoryLimit: pool < config.limits.maxHeldOctetsTotal,
    },
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
