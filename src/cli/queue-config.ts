import { type IpAddress, parseAddress } from '../wire/address.ts';
import type { QueueConfig } from './config.ts';
import { UsageError } from './exit-codes.ts';
import type { OptionValues } from './option-values.ts';
import { splitList } from './split-list.ts';

/** Enough for a tenth of a second of 80,000 packets: an interruption that does no harm otherwise. */
export const DEFAULT_QUEUE_LENGTH = 8192;
/** Every packet that waits is compared with all of them. */
const MAX_ADDRESSES = 256;

/**
 * What --queue, -x and -q say; undefined when responses are captured. The last two are known only to builds of the original that take
 * packets from queue 0, so they ask for it.
 * @throws UsageError
 */
export function readQueue(values: OptionValues): QueueConfig | undefined {
  const given = ['queue', 'pass-through', 'queue-length'].filter((name) => values.has(name));
  if (given.length === 0) return undefined;
  const by = values.source(given[0] as string);
  for (const name of ['filter', 'interface']) {
    if (!values.has(name)) continue;
    throw new UsageError(
      `Cannot use ${values.source(name)} with ${by}: nothing is captured, responses come from the queue of the firewall`,
      'Let the rule of the firewall choose the packets, or leave --queue, -x and -q out.',
    );
  }
  if (values.has('user')) {
    throw new UsageError(
      `Cannot use ${values.source('user')} with ${by}: each verdict on a packet needs CAP_NET_ADMIN, which that user does not have`,
      'Start it as that user with the capability, as systemd does with User= and AmbientCapabilities=CAP_NET_ADMIN.',
    );
  }
  const list = values.text('pass-through');
  return {
    number: values.has('queue') ? values.integer('queue') : 0,
    length: (values.has('queue-length') && values.integer('queue-length')) || DEFAULT_QUEUE_LENGTH,
    passThrough: list === undefined ? [] : parsePassThrough(list),
  };
}

/**
 * The addresses of intercept's `-x`, none twice.
 * @throws UsageError for what is not an address, or more than 256.
 */
function parsePassThrough(text: string): readonly IpAddress[] {
  const addresses = new Map<string, IpAddress>();
  for (const item of splitList('-x', text)) {
    const address = parseAddress(item.replace(/^\[(.*)\]$/, '$1'));
    if (address === undefined) {
      throw new UsageError(
        `Cannot read -x "${item}": it is not an address: expected addresses of hosts whose packets are let through`,
        'The pairs of servers belong to -x of tcpcopy.',
      );
    }
    addresses.set(address.toString(), address);
  }
  if (addresses.size > MAX_ADDRESSES) {
    throw new UsageError(
      `Cannot use -x with ${addresses.size} addresses: expected ${MAX_ADDRESSES} at the most`,
      'Let the rule of the firewall leave out whole networks, as with "! -d 10.0.0.0/8".',
    );
  }
  return [...addresses.values()];
}
