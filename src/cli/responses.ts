import { type Duration, micros } from '../base/time.ts';
import type { Program } from '../linux/bpf.ts';
import { openNetfilterQueue } from '../linux/netfilter-queue.ts';
import { openPacketSource } from '../linux/packet-socket.ts';
import { compileFilter } from '../linux/pcap-filter.ts';
import { type FilterTarget, responseFilter } from '../linux/transfer-filter.ts';
import type { Log } from '../ports/log.ts';
import type { PacketSource } from '../ports/packet-source.ts';
import type { Watchable } from '../ports/reactor.ts';
import type { InterceptConfig, QueueConfig } from './config.ts';

/**
 * Octets taken of each response: the longest IPv4 header with the longest TCP header, or an IPv6 header with some extension
 * headers. The payload stays in the kernel unless somebody wants it.
 */
const SNAP_LENGTH = 160;
const MAX_SNAP_LENGTH = 0xffff_ffff;

/** At high rates a packet may wait so long for others, which costs less CPU than a wake-up for each; see `Gather`. */
const GATHER_DELAY: Duration = micros(1500);

/** Where intercept has its responses from. */
export interface Responses {
  readonly source: PacketSource & Watchable;
  /** Responses of `sources` are wanted from now on, and so many octets of payload of each. */
  want(sources: readonly FilterTarget[], payload: number): void;
  /** Which responses, to follow "for responses ". */
  readonly described: string;
  /** Whether those connected decide which responses come. */
  readonly isAsked: boolean;
  /** What the account says of it. */
  account(): string[];
}

/** Opens the capture, or with --queue the netfilter queue. `payload`: octets that are wanted now. Throws `SystemError`. */
export const openResponses = (config: InterceptConfig, log: Log, payload: number): Responses =>
  config.queue === undefined
    ? openCapture(config, log, payload)
    : openQueue(config.queue, log, payload);

function openCapture(config: InterceptConfig, log: Log, payload: number): Responses {
  const source = openPacketSource({
    interfaces: config.interfaces,
    timestamps: true,
    gatherDelay: GATHER_DELAY,
    filter: filterFor(config, [], payload),
    onError: (error) => log.warn(error.message),
    onRevived: (name) => log.info(`The interface '${name}' is back, and captured again`),
  });
  return {
    source,
    want: (sources, octets) => source.setFilter(filterFor(config, sources, octets)),
    described: config.filter === undefined ? 'as those connected ask for' : `by: ${config.filter}`,
    isAsked: config.filter === undefined,
    account: () => lost(source, 'lost before capture, the receive buffer was full'),
  };
}

function openQueue(config: QueueConfig, log: Log, payload: number): Responses {
  const { number, length, passThrough } = config;
  let wanted = payload;
  const source = openNetfilterQueue({
    queue: number,
    maxLength: length,
    copyRange: SNAP_LENGTH + payload,
    passThrough,
    onError: (error) => log.warn(error.message),
    onLoss: (packets) => log.warn(`${packets} packets ${LOST}: -q makes it longer`),
    onOwnPacket: () => log.warn(OWN_PACKETS),
  });
  return {
    source,
    want: (_, octets) => {
      if (octets === wanted) return;
      wanted = octets;
      source.setCopyRange(SNAP_LENGTH + octets);
    },
    described: `that the firewall puts into its queue ${number}`,
    isAsked: false,
    account: () => [
      ...counted(source.letThrough.onList, 'let through, to an address of -x'),
      ...counted(source.letThrough.unreadable, 'let through, not readable as TCP'),
      ...lost(source, LOST),
    ],
  };
}

const LOST = 'dropped unseen, the queue of the firewall was full';
/** Not worse: the sender's TCP is not told when a packet dies in a queue, as it is when a rule drops it. */
const OWN_PACKETS =
  'The rule of the firewall queues packets that this very host makes: intercept then shares the processors of the target, ' +
  'and holds up each of its packets until it has decided. Better let another host be the next hop of the responses, and ' +
  'queue there what it forwards or receives';

const counted = (count: number, text: string): string[] => (count > 0 ? [`${text}: ${count}`] : []);

const lost = (source: PacketSource, text: string): string[] =>
  counted(source.statistics().dropped, text);

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
