import { lookup } from 'node:dns/promises';
import { parseAddress, type IpAddress } from '../wire/address.ts';
import type { ServerAddress } from './config.ts';
import { errnoWords } from './errno.ts';
import { ExitCode, StartError } from './exit-codes.ts';

/** A host of `-s` whose address is known. */
export interface ResolvedServer extends ServerAddress {
  readonly address: IpAddress;
}

export type Lookup = (name: string) => Promise<{ readonly address: string }>;

/** IPv4 first: an intercept of the original waits on IPv4 alone. */
const systemLookup: Lookup = (name) => lookup(name, { order: 'ipv4first' });

/**
 * Resolves the names among `servers`, all at once, as the system does (hosts file, DNS).
 * @throws StartError with status 69 for the first name that has no address.
 */
export function resolveServers(
  servers: readonly ServerAddress[],
  find: Lookup = systemLookup,
): Promise<ResolvedServer[]> {
  return Promise.all(servers.map((server) => resolveServer(server, find)));
}

async function resolveServer(server: ServerAddress, find: Lookup): Promise<ResolvedServer> {
  const { host, port } = server;
  if (server.address) return { host, port, address: server.address };
  const address = parseAddress(await findAddress(host, find));
  if (address) return { host, port, address };
  throw unresolved(host, 'its address has a form that is not supported');
}

async function findAddress(host: string, find: Lookup): Promise<string> {
  try {
    return (await find(host)).address;
  } catch (error) {
    throw unresolved(host, errnoWords(error));
  }
}

const unresolved = (host: string, reason: string): StartError =>
  new StartError(
    ExitCode.unavailable,
    `Cannot find the address of "${host}" in -s: ${reason}`,
    `"getent hosts ${host}" asks the same question. An address in place of the name always works.`,
  );
