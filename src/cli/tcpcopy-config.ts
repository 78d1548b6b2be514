import { resolve } from 'node:path';
import { millis, seconds, type Duration } from '../base/time.ts';
import type { Ramp, RampShape } from '../replay/share.ts';
import { shareMemory } from '../runtime/memory-guard.ts';
import { type IpAddress, parseAddress } from '../wire/address.ts';
import type { Direction, Limits, ServerAddress, TcpcopyConfig, Transfer } from './config.ts';
import { addressProblem, isLoopback } from './address-kind.ts';
import { UsageError } from './exit-codes.ts';
import { GAP_POLICIES } from './options-limits.ts';
import type { OptionValues } from './option-values.ts';
import { parseClientAddresses, type ClientAddresses } from './parse-client-addresses.ts';
import { outputWarnings, readOutput } from './output.ts';
import { parseInterfaces } from './parse-interfaces.ts';
import { readReplay } from './parse-replay.ts';
import { parseServers } from './parse-servers.ts';
import {
  type HostAddresses,
  namesInTransfers,
  parseTransfers,
  type Transfers,
} from './parse-transfers.ts';
import { readFilter, readProcessConfig } from './process-config.ts';
import { readResponseForm } from './response-form.ts';
import { resolveHost } from './resolve-servers.ts';
import { refuseSelfCopy } from './self-copy.ts';

const MIB = 1 << 20;
/** Of --max-held-octets-total. */
const DEFAULT_HELD = 512 * MIB;
/** Octets of the longest packet (RFC 791 §3.1). */
const WHOLE = 65_535;

/**
 * The addresses of the host names in -x, all asked for at once.
 * @throws StartError for a name without an address.
 */
export async function resolveTransfers(values: OptionValues): Promise<HostAddresses> {
  const names = namesInTransfers(values.text('transfer') ?? '');
  const addresses = await Promise.all(names.map((name) => resolveHost(name, '-x')));
  return new Map(names.map((name, i) => [name, addresses[i] as IpAddress]));
}

/**
 * The configuration that the options of tcpcopy spell.
 * @param localAddresses addresses of this host, to refuse copies that would come back
 * @param names what the host names in -x were resolved to
 * @throws UsageError
 */
export function readTcpcopyConfig(
  values: OptionValues,
  localAddresses: readonly IpAddress[],
  names: HostAddresses = new Map(),
): TcpcopyConfig {
  const { transfers, warnings: transferWarnings } = readTransfers(values, names);
  const replay = readReplay(values);
  // What was recorded is not captured again.
  const direction: Direction = values.text('direction') === 'out' ? 'out' : 'in';
  if (replay === undefined) refuseSelfCopy(transfers, localAddresses, direction);
  const servers = parseServers(requiredServers(values), values.integer('port'));
  const targets = transfers.map(({ target }) => target.address);
  const clients = readClientAddresses(values, targets);
  const sessionTimeout = seconds(values.integer('session-timeout'));
  const filter = readFilter(values);
  const rtt = values.has('default-rtt') ? values.integer('default-rtt') : 0;
  const localhost = parseLocalhostAddress(values.text('localhost-address'));
  const buffer = values.has('capture-buffer') ? values.integer('capture-buffer') << 20 : undefined;
  const device = values.text('output-interface');
  const output = device === undefined ? undefined : readOutput(device.trim(), transfers);
  const snapLength = values.has('snap-length') ? values.integer('snap-length') : undefined;
  const keyFile = values.text('key-file');
  const tlsCa = values.text('tls-ca');
  return {
    ...readProcessConfig('tcpcopy', values, [
      ...transferWarnings,
      ...(servers.warning === undefined ? [] : [servers.warning]),
      ...clients.warnings,
      ...loopbackWarnings(transfers, clients),
      ...clientWarnings(clients, servers.value, localAddresses),
      ...serverWarnings(servers.value, targets),
      ...memoryWarnings(values),
      ...outputWarnings(output, transfers),
      ...directionWarnings(direction, clients),
      ...snapWarnings(snapLength),
    ]),
    transfers,
    servers: servers.value,
    connectionsPerServer: values.integer('connections'),
    lonely: values.has('lonely'),
    single: values.has('single'),
    responseForm: readResponseForm(values),
    ...(keyFile !== undefined && { keyFile: resolve(keyFile) }),
    ...(tlsCa !== undefined && { tlsCa: resolve(tlsCa) }),
    clientAddresses: clients.addresses,
    ...(localhost && { localhostAddress: localhost }),
    clientRanges: clients.ranges,
    ...readAmount(values),
    mtu: values.integer('mtu'),
    mss: values.integer('mss'),
    sessionTimeout,
    keepaliveTimeout: readKeepaliveTimeout(values, sessionTimeout),
    limits: readLimits(values, sessionTimeout),
    memoryLimit: values.integer('memory-limit') * MIB,
    holdRequests: !values.has('dont-wait'),
    simulateLatency: !values.has('no-latency'),
    ...(rtt > 0 && { clientRtt: millis(rtt) }),
    onlyNewConnections: values.has('only-new'),
    udp: values.has('udp'),
    interfaces: replay === undefined ? readInterfaces(values) : [],
    ...(replay !== undefined && { replay }),
    direction,
    ...(snapLength !== undefined && { snapLength }),
    ...(output !== undefined && { output }),
    ...(buffer !== undefined && { captureBuffer: buffer }),
    ...(filter !== undefined && { filter }),
  };
}

const readInterfaces = (values: OptionValues): readonly string[] =>
  values.has('interface') ? parseInterfaces(values.text('interface') ?? '') : [];

function readTransfers(values: OptionValues, names: HostAddresses): Transfers {
  const text = values.text('transfer');
  if (text !== undefined) return parseTransfers(text, names);
  throw new UsageError(
    'Cannot start without -x: it says which port is copied to which target',
    'For example: tcpcopy -x 80-192.168.0.2:8080 -s 192.168.0.3. "tcpcopy -h" lists the options.',
  );
}

function requiredServers(values: OptionValues): string {
  const text = values.text('intercept');
  if (text !== undefined) return text;
  throw new UsageError(
    'Cannot start without -s: it names the host where intercept runs',
    'Start intercept on the assistant server, and give its address: -s 192.168.0.3.',
  );
}

function readClientAddresses(values: OptionValues, targets: readonly IpAddress[]): ClientAddresses {
  const text = values.text('client-address');
  if (text === undefined) return { addresses: [], ranges: [], warnings: [] };
  return parseClientAddresses(text, targets);
}

type Amount = Pick<TcpcopyConfig, 'percentage' | 'ramp' | 'copies' | 'spread' | 'portRange'>;

/** How many connections are copied, and how often. */
const readAmount = (values: OptionValues): Amount => ({
  percentage: values.percentage('percentage'),
  ...(isGradual(values) && { ramp: readRamp(values) }),
  copies: readCopies(values),
  spread: millis(values.integer('spread')),
  portRange: values.integer('port-shift'),
});

/** Each option of the ramp asks for it, unless it is said to be off. */
const isGradual = (values: OptionValues): boolean =>
  !values.isOff('gradual') &&
  ['gradual', 'gradual-time', 'gradual-shape'].some((name) => values.has(name));

const readRamp = (values: OptionValues): Ramp => ({
  time: seconds(values.integer('gradual-time')),
  shape: values.text('gradual-shape') as RampShape,
});

/** 0 means 1, as in the original. */
function readCopies(values: OptionValues): number {
  const copies = values.decimal('copies') || 1;
  if (copies >= 1) return copies;
  throw new UsageError(
    `Cannot use -n ${copies}: below 1, some connections would have no copy`,
    `Use -r ${copies * 100} to copy this part of them.`,
  );
}

/** The address of -H: packets from a loopback address leave no host. */
function parseLocalhostAddress(text: string | undefined): IpAddress | undefined {
  if (text === undefined) return undefined;
  const address = parseAddress(text.trim());
  const problem = addressProblem(text.trim(), false, address);
  if (address?.family === 4 && problem === undefined && !isLoopback(address)) return address;
  throw new UsageError(
    `Cannot use -H "${text}": expected the IPv4 address of a host, not a loopback address`,
    'Choose one whose way back from the target leads to the assistant server, as for -c.',
  );
}

/** As in the original: two minutes more than the session timeout, when -k does not say. */
function readKeepaliveTimeout(values: OptionValues, sessionTimeout: Duration): Duration {
  if (values.has('keepalive-timeout')) return seconds(values.integer('keepalive-timeout'));
  return (sessionTimeout + seconds(120)) as Duration;
}

function readLimits(values: OptionValues, sessionTimeout: Duration): Limits {
  const time = (name: string): Duration => seconds(values.integer(name));
  return {
    maxConnections: values.integer('max-connections'),
    rates: {
      connections: values.integer('max-connections-per-second'),
      packets: values.integer('max-packets-per-second'),
      octets: values.integer('max-octets-per-second'),
    },
    maxHeldSegments: values.integer('max-held-segments'),
    maxHeldOctets: values.integer('max-held-octets'),
    maxHeldSegmentsTotal: values.integer('max-held-segments-total'),
    maxHeldOctetsTotal: values.integer('max-held-octets-total'),
    maxRetransmissions: values.integer('max-retransmissions'),
    maxReconnections: values.integer('max-reconnections'),
    handshakeTimeout: time('handshake-timeout'),
    closeWaitTimeout: time('close-wait-timeout'),
    closingTimeout: values.has('closing-timeout') ? time('closing-timeout') : sessionTimeout,
    gapTimeout: time('gap-timeout'),
    onGap: GAP_POLICIES.find((policy) => policy === values.text('on-gap')) ?? 'reset',
    lingerTime: time('linger-time'),
  };
}

/** A limit that another one makes meaningless. */
function memoryWarnings(values: OptionValues): string[] {
  const asked = values.integer('max-held-octets-total');
  // The default is not asked for, even where it is written down.
  if (asked === DEFAULT_HELD) return [];
  const { pool } = shareMemory(values.integer('memory-limit') * MIB, asked);
  if (pool >= asked) return [];
  return [
    `--max-held-octets-total ${asked} is more than -m ${values.integer('memory-limit')} leaves for it: ${pool} octets hold`,
  ];
}

/** Addresses that belong to a host of the set-up work in special cases only, so they are pointed out. */
function clientWarnings(
  clients: ClientAddresses,
  servers: readonly ServerAddress[],
  localAddresses: readonly IpAddress[],
): string[] {
  const names = new Set(clients.addresses.map(String));
  const warnings: string[] = [];
  for (const { address } of servers) {
    if (!address || !names.has(address.toString())) continue;
    warnings.push(
      `-c includes ${address.toString()}, where intercept runs: choose addresses that no host has`,
    );
  }
  for (const local of localAddresses) {
    if (!names.has(local.toString())) continue;
    warnings.push(
      `-c includes ${local.toString()}, an address of this host: its own connections to the target may be disturbed`,
    );
  }
  return warnings;
}

/** Capture leaves out what the host itself sends, so the responses must come in from outside. */
function serverWarnings(
  servers: readonly ServerAddress[],
  targets: readonly IpAddress[],
): string[] {
  return servers
    .filter(({ address }) => address && targets.some((target) => target.equals(address)))
    .map(
      ({ host }) =>
        `-s ${host} is also a target of -x: intercept belongs on another host, to which the target sends its responses`,
    );
}

function directionWarnings(direction: Direction, clients: ClientAddresses): string[] {
  if (direction === 'in' || clients.addresses.length > 0) return [];
  return [
    '--direction out without -c: copies have the address of this host, so that the target must send its responses to the assistant server all the same, and not here',
  ];
}

function snapWarnings(snapLength: number | undefined): string[] {
  if (snapLength === undefined || snapLength === WHOLE) return [];
  return [
    `-S ${snapLength}: longer packets cannot be copied, and their requests are lost; an interface has packets as long as its MTU, and of up to ${WHOLE} octets where the kernel merges them`,
  ];
}

function loopbackWarnings(transfers: readonly Transfer[], clients: ClientAddresses): string[] {
  const loopback = transfers.find((transfer) => transfer.loopbackOnly);
  if (loopback === undefined) return [];
  const target = loopback.target.address.toString();
  if (clients.addresses.length > 0) {
    return [
      `-c and the target ${target} do not fit: the kernel drops packets to a loopback address from any other`,
    ];
  }
  return [
    `The target ${target} is a loopback address: only connections from a loopback address are copied to it`,
  ];
}
