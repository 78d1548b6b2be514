import { lookup } from 'node:dns/promises';
import { type IpAddress, parseAddress } from '../wire/address.ts';
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
  return { host, port, address: await resolveHost(host, '-s', find) };
}

/**
 * The address of the host called `name`, as the system finds it; `option` is where the name stands.
 * @throws StartError with status 69 when it has none.
 */
export async function resolveHost(
  name: string,
  option: string,
  find: Lookup = systemLookup,
): Promise<IpAddress> {
  const address = parseAddress(await findAddress(name, option, find));
  if (address) return address;
  throw unresolved(name, option, 'its address has a form that is not supported');
}

async function findAddress(name: string, option: string, find: Lookup): Promise<string> {
  try {
    return (await find(name)).address;
  } catch (error) {
    throw unresolved(name, option, errnoWords(error));
  }
}

const unresolved = (host: string, option: string, reason: string): StartError =>
  new StartError(
    ExitCode.unavailable,
    `Cannot find the address of "${host}" in ${option}: ${reason}`,
    `"getent hosts ${host}" asks the same question. An address in place of the name always works.`,
  );
