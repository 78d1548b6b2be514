import { formatEndpoint, parseAddress, type IpAddress } from '../wire/address.ts';
import { addressProblem, isLoopback } from './address-kind.ts';
import type { Transfer } from './config.ts';
import { UsageError } from './exit-codes.ts';
import { parsePort } from './parse-number.ts';
import { isHostName, splitHostPort, splitList } from './split-list.ts';

/** What the names in `-x` were resolved to. */
export type HostAddresses = ReadonlyMap<string, IpAddress>;

const EXAMPLE = 'expected SOURCE-TARGET, such as 80-192.168.0.2:8080 or 80-[fd00::2]:8080';

export interface Transfers {
  readonly transfers: readonly Transfer[];
  readonly warnings: readonly string[];
}

/**
 * The pairs of `-x`, in order:
 *
 * ```
 * list   := pair { "," pair }
 * pair   := source "-" target          split at the first "-" that leaves a source and a target
 * source := [ host ":" ] port [ "@" mac ]
 * target := host ":" port [ "@" mac ]
 * ```
 *
 * An IPv6 address stands in brackets; a name must be in `names`.
 * @throws UsageError for anything else.
 */
export function parseTransfers(text: string, names: HostAddresses = new Map()): Transfers {
  const transfers = splitList('-x', text).map((pair) => parsePair(pair, names));
  return { transfers, warnings: shadowWarnings(transfers) };
}

/** The host names in the list of `-x`, each once. What is wrong with the list, `parseTransfers` will say. */
export function namesInTransfers(text: string): string[] {
  const sides = text.split(',').flatMap((pair) => {
    const cut = middleDash(pair);
    return [pair.slice(0, Math.max(cut, 0)), pair.slice(cut + 1)];
  });
  const hosts = sides.flatMap((side) => {
    const parts = splitHostPort(side.replace(/@.*/, '').trim());
    return parts?.port === undefined || parts.bracketed ? [] : [parts.host];
  });
  return [...new Set(hosts.filter(isHostName))];
}

/** As `-x` spells it: `formatTransfer` after `parseTransfers` is the identity up to the spelling of addresses. */
export function formatTransfer({ source, target }: Transfer): string {
  const from = source.address ? formatEndpoint(source.address, source.port) : `${source.port}`;
  return `${from}-${formatEndpoint(target.address, target.port)}`;
}

/** Whether packets to `address`:`port` fall under the source of `transfer`. */
export function matchesSource(transfer: Transfer, address: IpAddress, port: number): boolean {
  if (transfer.source.port !== port || transfer.target.address.family !== address.family) {
    return false;
  }
  return transfer.source.address?.equals(address) ?? true;
}

function parsePair(pair: string, names: HostAddresses): Transfer {
  const cut = middleDash(pair);
  if (cut < 0) {
    throw new UsageError(
      `Cannot read -x "${pair}": it has no "-" between source and target: ${EXAMPLE}`,
    );
  }
  const [sourceText, sourceMac] = splitMac(pair, pair.slice(0, cut));
  const [targetText, nextHop] = splitMac(pair, pair.slice(cut + 1));
  const source = parseSide(pair, 'source', sourceText, names);
  const target = parseSide(pair, 'target', targetText, names);
  if (!target.address) {
    throw new UsageError(
      `Cannot read -x "${pair}": the target has no address: expected ADDRESS:PORT after the "-", such as 192.168.0.2:${target.port}`,
    );
  }
  if (source.address && source.address.family !== target.address.family) {
    throw new UsageError(
      `Cannot read -x "${pair}": the source is IPv${source.address.family} and the target IPv${target.address.family}: packets are not translated between them, so expected addresses of one family`,
    );
  }
  return {
    source,
    target: { address: target.address, port: target.port },
    loopbackOnly: isLoopback(target.address),
    ...((sourceMac ?? nextHop) !== undefined && {
      link: { ...(nextHop && { nextHop }), ...(sourceMac && { source: sourceMac }) },
    }),
  };
}

const SOURCE = /^(.+:)?\d+\s*(@.*)?$/;
const TARGET = /^(\[.*\]|[^:[\]]+):\d+\s*(@.*)?$/;

/**
 * Position of the first "-" outside brackets that leaves something like a source and a target, since names may have dashes, too;
 * of the first one of all when there is no such; −1 when there is none.
 */
function middleDash(pair: string): number {
  let depth = 0;
  let first = -1;
  for (let i = 0; i < pair.length; i++) {
    if (pair[i] === '[') depth++;
    else if (pair[i] === ']') depth--;
    else if (pair[i] === '-' && depth <= 0) {
      if (first < 0) first = i;
      if (SOURCE.test(pair.slice(0, i).trim()) && TARGET.test(pair.slice(i + 1).trim())) return i;
    }
  }
  return first;
}

/** A side of a pair without its MAC address, and that. */
function splitMac(pair: string, side: string): [rest: string, mac: Uint8Array | undefined] {
  const at = side.indexOf('@');
  if (at < 0) return [side.trim(), undefined];
  const mac = side.slice(at + 1).trim();
  const octets = /^[0-9a-f]{2}([^0-9a-f])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}$/i.test(mac)
    ? Uint8Array.from({ length: 6 }, (_, i) => Number.parseInt(mac.slice(3 * i, 3 * i + 2), 16))
    : undefined;
  if (octets === undefined) {
    throw new UsageError(
      `Cannot read -x "${pair}": "${mac}" after "@" is not a MAC address: expected six pairs of hexadecimal digits, such as 00:16:3e:00:00:01`,
    );
  }
  // The lowest bit of the first octet makes it a group (IEEE 802, clause 8.2.2).
  if (octets.every((octet) => octet === 0) || ((octets[0] as number) & 1) !== 0) {
    throw new UsageError(
      `Cannot read -x "${pair}": "${mac}" is the MAC address of no single host: expected one such as 00:16:3e:00:00:01`,
    );
  }
  return [side.slice(0, at).trim(), octets];
}

interface Side {
  readonly address?: IpAddress;
  readonly port: number;
}

function parseSide(
  pair: string,
  name: 'source' | 'target',
  text: string,
  names: HostAddresses,
): Side {
  const portName = `the ${name} port of -x "${pair}"`;
  const parts = splitHostPort(text);
  if (!parts) {
    const bare = parseAddress(text) ?? parseAddress(text.slice(0, text.lastIndexOf(':')));
    const reason =
      bare?.family === 6 ? 'an IPv6 address needs brackets' : `"${text}" is not [ADDRESS:]PORT`;
    throw new UsageError(`Cannot read the ${name} of -x "${pair}": ${reason}: ${EXAMPLE}`);
  }
  if (parts.port === undefined && !parts.bracketed && parseAddress(parts.host) === undefined) {
    return { port: parsePort(portName, parts.host) };
  }
  const address = parseAddress(parts.host) ?? names.get(parts.host);
  const problem = addressProblem(parts.host, parts.bracketed, address);
  if (address === undefined || problem !== undefined) {
    throw new UsageError(`Cannot read the ${name} of -x "${pair}": ${problem}`);
  }
  return { address, port: parsePort(portName, parts.port ?? '') };
}

/** The first pair that fits wins, so a later pair may never see a packet. */
function shadowWarnings(transfers: readonly Transfer[]): string[] {
  const warnings: string[] = [];
  for (const [i, later] of transfers.entries()) {
    const first = transfers.slice(0, i).find((earlier) => shadows(earlier, later));
    if (!first) continue;
    const same = formatTransfer(first) === formatTransfer(later);
    warnings.push(
      same
        ? `-x names "${formatTransfer(later)}" twice: it is used once`
        : `-x "${formatTransfer(later)}" is never used: "${formatTransfer(first)}" stands before it and takes the same packets`,
    );
  }
  return warnings;
}

function shadows(earlier: Transfer, later: Transfer): boolean {
  if (later.source.address) return matchesSource(earlier, later.source.address, later.source.port);
  return (
    earlier.source.address === undefined &&
    earlier.source.port === later.source.port &&
    earlier.target.address.family === later.target.address.family
  );
}
