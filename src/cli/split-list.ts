import { UsageError } from './exit-codes.ts';

/**
 * The items of a comma-separated list, blanks around them removed.
 * @throws UsageError when an item is empty, as after a trailing comma.
 */
export function splitList(label: string, text: string): string[] {
  const items = text.split(',').map((item) => item.trim());
  const empty = items.indexOf('');
  if (empty < 0) return items;
  throw new UsageError(
    `Cannot use ${label} "${text}": item ${empty + 1} is empty: expected items separated by single commas`,
  );
}

/** An address or name before the last ":", and what follows it; IPv6 addresses stand in brackets. */
export interface HostAndPort {
  readonly host: string;
  readonly bracketed: boolean;
  /** Undefined when there is no ":" after the host. */
  readonly port: string | undefined;
}

/** Splits "host", "host:port", "[v6]" and "[v6]:port"; undefined for any other shape, such as IPv6 without brackets. */
export function splitHostPort(text: string): HostAndPort | undefined {
  const bracketed = /^\[([^[\]]*)\](?::([^:]*))?$/.exec(text);
  if (bracketed) return { host: bracketed[1] as string, bracketed: true, port: bracketed[2] };
  const plain = /^([^:[\]]*)(?::([^:]*))?$/.exec(text);
  if (!plain) return undefined;
  return { host: plain[1] as string, bracketed: false, port: plain[2] };
}

/** RFC 1123 §2.1, with "_" as many networks use it. Digits and dots only would be a mistyped IPv4 address. */
export const isHostName = (text: string): boolean =>
  text.length <= 253 &&
  !/^[\d.]+$/.test(text) &&
  text.split('.').every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label));
