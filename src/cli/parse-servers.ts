import { parseAddress } from '../wire/address.ts';
import { addressProblem } from './address-kind.ts';
import type { ServerAddress } from './config.ts';
import { UsageError } from './exit-codes.ts';
import { parsePort, type Parsed } from './parse-number.ts';
import { isHostName, splitHostPort, splitList } from './split-list.ts';

/** Most hosts that `-s` may name; the original uses the first 32 and leaves out the rest. */
const MAX_SERVERS = 32;

/**
 * The hosts of `-s`, `HOST[:PORT]` separated by commas, IPv6 in brackets. A port of 0 or none is `defaultPort`. Names are
 * checked for form only.
 * @throws UsageError for a bad host or port, or more than 32 hosts.
 */
export function parseServers(text: string, defaultPort: number): Parsed<readonly ServerAddress[]> {
  const items = splitList('-s', text);
  if (items.length > MAX_SERVERS) {
    throw new UsageError(
      `Cannot use -s: it names ${items.length} hosts, expected at most ${MAX_SERVERS}`,
    );
  }
  const servers = new Map<string, ServerAddress>();
  const twice: string[] = [];
  for (const item of items) {
    const server = parseServer(item, defaultPort);
    const key = formatServer(server);
    if (servers.has(key)) twice.push(key);
    servers.set(key, server);
  }
  const value = [...servers.values()];
  if (twice.length === 0) return { value };
  return { value, warning: `-s names ${twice.join(', ')} more than once: it is used once` };
}

/** "host:port", IPv6 in brackets. */
export const formatServer = ({ host, port }: ServerAddress): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

function parseServer(item: string, defaultPort: number): ServerAddress {
  const parts = splitHostPort(item);
  if (!parts) {
    const reason = parseAddress(item) ? 'an IPv6 address needs brackets' : 'it is not HOST[:PORT]';
    throw new UsageError(
      `Cannot read -s "${item}": ${reason}: expected such as 10.0.0.9, 10.0.0.9:36524 or [fd00::9]:36524`,
    );
  }
  const port = /^0?$/.test(parts.port ?? '')
    ? defaultPort
    : parsePort(`the port of -s "${item}"`, parts.port as string);
  const address = parseAddress(parts.host);
  if (!address && !parts.bracketed && isHostName(parts.host)) return { host: parts.host, port };
  const problem = addressProblem(parts.host, parts.bracketed, address);
  if (address === undefined || problem !== undefined) {
    throw new UsageError(`Cannot read -s "${item}": ${problem}`);
  }
  return { host: String(address), port, address };
}
