import { IpAddress, parseAddress } from '../wire/address.ts';
import { addressProblem } from './address-kind.ts';
import type { AddressRange } from './config.ts';
import { UsageError } from './exit-codes.ts';
import { splitList } from './split-list.ts';

/** Most addresses that `-c` may yield: some 4 billion connections with the ports of each. */
export const MAX_CLIENT_ADDRESSES = 65_536;

const EXAMPLE = 'expected an address, 62.135.200.x, or a prefix such as 10.9.0.0/24 or fd01::/112';

export interface ClientAddresses {
  readonly addresses: readonly IpAddress[];
  readonly ranges: readonly AddressRange[];
  readonly warnings: readonly string[];
}

/**
 * The addresses of `-c`, in order, none twice, without those in `targets`. Items: an address; an IPv4 address whose last
 * character is `x`, replaced by each of 1 to 254 that yields an octet up to 254; a prefix, without its network and
 * broadcast address (IPv4, RFC 1122 §3.2.1.3) or its zero host (IPv6, RFC 4291 §2.6.1). Past 65,536 the rest is left out.
 * @throws UsageError for any other item, or when no address is left, or none of the family of a target.
 */
export function parseClientAddresses(text: string, targets: readonly IpAddress[]): ClientAddresses {
  const warnings: string[] = [];
  const taken = new Set<string>();
  const excluded = new Set(targets.map(String));
  const addresses: IpAddress[] = [];
  let isCut = false;
  for (const item of splitList('-c', text)) {
    for (const address of expand(item)) {
      const key = String(address);
      if (taken.has(key) || excluded.has(key)) continue;
      if (addresses.length === MAX_CLIENT_ADDRESSES) {
        isCut = true;
        break;
      }
      taken.add(key);
      addresses.push(address);
    }
  }
  if (isCut) {
    warnings.push(
      `-c names more than ${MAX_CLIENT_ADDRESSES} addresses: the first ${MAX_CLIENT_ADDRESSES} are used`,
    );
  }
  if (addresses.length === 0) {
    throw new UsageError(
      `Cannot use -c "${text}": each of its addresses is a target of -x: expected addresses that no host has`,
    );
  }
  checkFamilies(text, addresses, targets, warnings);
  return { addresses, ranges: rangesOf(addresses), warnings };
}

/** "62.135.200.1 to 62.135.200.254 (254 addresses)", ranges separated by commas. */
export const formatRanges = (ranges: readonly AddressRange[]): string =>
  ranges
    .map(({ first, count }) => {
      const from = first.toString();
      const to = first.plus(count - 1).toString();
      return count === 1 ? from : `${from} to ${to} (${count} addresses)`;
    })
    .join(', ');

function* expand(item: string): Generator<IpAddress> {
  if (item.includes('/')) yield* expandPrefix(item);
  else if (item.endsWith('x')) yield* expandLastOctet(item);
  else yield parseClient(item, item);
}

function parseClient(item: string, spelled: string): IpAddress {
  const address = parseAddress(spelled);
  if (address === undefined) throw badItem(item);
  const problem = addressProblem(spelled, false, address);
  if (problem !== undefined) throw new UsageError(`Cannot read -c "${item}": ${problem}`);
  return address;
}

function badItem(item: string): UsageError {
  const star = item.endsWith('*') ? `: write ${item.slice(0, -1)}x` : '';
  return new UsageError(`Cannot read -c "${item}": it is not an address${star}: ${EXAMPLE}`);
}

/** `10.0.0.2x` is 10.0.0.21 … 10.0.0.29 and 10.0.0.210 … 10.0.0.254, as in the original. */
function* expandLastOctet(item: string): Generator<IpAddress> {
  if (!/^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{0,2}x$/.test(item)) throw badItem(item);
  const stem = item.slice(0, -1);
  const digits = stem.slice(stem.lastIndexOf('.') + 1);
  for (let n = 1; n <= 254; n++) {
    if (Number(`${digits}${n}`) <= 254) yield parseClient(item, `${stem}${n}`);
  }
}

function* expandPrefix(item: string): Generator<IpAddress> {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(item);
  if (!match) throw badItem(item);
  const base = parseClient(item, match[1] as string);
  const bits = base.family === 4 ? 32 : 128;
  const length = Number(match[2]);
  if (length < 8 || length > bits) {
    throw new UsageError(
      `Cannot read -c "${item}": the prefix length is ${length}, expected 8 to ${bits}`,
    );
  }
  const network = maskAddress(base, length + 128 - bits);
  if (!network.equals(base)) {
    throw new UsageError(
      `Cannot read -c "${item}": it has bits set after the prefix: expected ${network.toString()}/${length}, or ${base.toString()} alone`,
    );
  }
  // One more than the limit, so that the caller sees that there was more.
  const size = Math.min(2 ** (bits - length), MAX_CLIENT_ADDRESSES + 2);
  // Prefixes of two addresses have neither network nor broadcast address (RFC 3021, RFC 6164).
  const skipFirst = bits - length > 1;
  const skipLast = skipFirst && base.family === 4 && size === 2 ** (bits - length);
  for (let n = skipFirst ? 1 : 0; n < (skipLast ? size - 1 : size); n++) yield base.plus(n);
}

/** `address` with all but the first `length` of its 128 bits cleared. */
function maskAddress(address: IpAddress, length: number): IpAddress {
  const mask = (word: number): number => {
    const kept = Math.min(Math.max(length - word * 32, 0), 32);
    return kept === 0 ? 0 : -1 << (32 - kept);
  };
  return new IpAddress(
    address.w0 & mask(0),
    address.w1 & mask(1),
    address.w2 & mask(2),
    address.w3 & mask(3),
  );
}

function checkFamilies(
  text: string,
  addresses: readonly IpAddress[],
  targets: readonly IpAddress[],
  warnings: string[],
): void {
  const wanted = new Set(targets.map((target) => target.family));
  const present = new Set(addresses.map((address) => address.family));
  for (const family of wanted) {
    if (present.has(family)) continue;
    throw new UsageError(
      `Cannot use -c "${text}": -x has an IPv${family} target and -c no IPv${family} address`,
      `Add IPv${family} addresses to -c, or leave -c out to keep those of the clients.`,
    );
  }
  for (const family of present) {
    if (!wanted.has(family)) {
      warnings.push(`-c has IPv${family} addresses that are never used: no target is IPv${family}`);
    }
  }
}

function rangesOf(addresses: readonly IpAddress[]): AddressRange[] {
  const ranges: { first: IpAddress; count: number }[] = [];
  for (const address of addresses) {
    const last = ranges.at(-1);
    if (last && last.first.plus(last.count).equals(address)) last.count++;
    else ranges.push({ first: address, count: 1 });
  }
  return ranges;
}
