/**
 * An IPv4 or IPv6 address. Family-neutral: always 128 bits in four signed 32-bit words, an IPv4 address as
 * ::ffff:a.b.c.d (RFC 4291 §2.5.5.2). Immutable. Made when the program is configured or a connection starts, never per packet.
 */
export class IpAddress {
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;

  constructor(w0: number, w1: number, w2: number, w3: number) {
    this.w0 = w0 | 0;
    this.w1 = w1 | 0;
    this.w2 = w2 | 0;
    this.w3 = w3 | 0;
  }

  static v4(word: number): IpAddress {
    return new IpAddress(0, 0, V4_MAPPED, word);
  }

  get family(): 4 | 6 {
    return isV4Words(this.w0, this.w1, this.w2) ? 4 : 6;
  }

  equals(other: IpAddress): boolean {
    return (
      this.w0 === other.w0 && this.w1 === other.w1 && this.w2 === other.w2 && this.w3 === other.w3
    );
  }

  /** The address `n` after this one, carrying into higher words; `n` from 0 to 2³¹−1. */
  plus(n: number): IpAddress {
    const low = (this.w3 >>> 0) + n;
    if (low < 0x1_0000_0000) return new IpAddress(this.w0, this.w1, this.w2, low);
    const w2 = (this.w2 >>> 0) + 1;
    const w1 = (this.w1 >>> 0) + (w2 >= 0x1_0000_0000 ? 1 : 0);
    const w0 = (this.w0 >>> 0) + (w1 >= 0x1_0000_0000 ? 1 : 0);
    return new IpAddress(w0, w1, w2, low);
  }

  toString(): string {
    return this.family === 4 ? formatV4(this.w3) : formatV6(this);
  }
}

/** The four words of an address, whoever holds them. */
export interface AddressWords {
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
}

/** An address that is overwritten by the next one, where an `IpAddress` for each packet would be garbage. */
export class ScratchAddress implements AddressWords {
  w0 = 0;
  w1 = 0;
  w2 = 0;
  w3 = 0;

  set(w0: number, w1: number, w2: number, w3: number): void {
    this.w0 = w0;
    this.w1 = w1;
    this.w2 = w2;
    this.w3 = w3;
  }

  is(w0: number, w1: number, w2: number, w3: number): boolean {
    return this.w3 === w3 && this.w2 === w2 && this.w1 === w1 && this.w0 === w0;
  }
}

/** Third word of every IPv4-mapped address. */
export const V4_MAPPED = 0xffff;

/** Whether the first three words say that the fourth is an IPv4 address. */
export const isV4Words = (w0: number, w1: number, w2: number): boolean =>
  w0 === 0 && w1 === 0 && w2 === V4_MAPPED;

/** The address that `text` spells, dotted IPv4 or RFC 4291 §2.2 IPv6 without brackets or zone; undefined when it spells none. */
export function parseAddress(text: string): IpAddress | undefined {
  if (!text.includes(':')) {
    const word = parseV4(text);
    return word === undefined ? undefined : IpAddress.v4(word);
  }
  return parseV6(text);
}

/** "1.2.3.4:80" or "[fd00::2]:80". */
export const formatEndpoint = (address: IpAddress, port: number): string =>
  address.family === 4 ? `${address.toString()}:${port}` : `[${address.toString()}]:${port}`;

function parseV4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!match) return undefined;
  let word = 0;
  for (const part of match.slice(1)) {
    const octet = Number(part);
    if (octet > 255 || (part.length > 1 && part.startsWith('0'))) return undefined;
    word = (word << 8) | octet;
  }
  return word;
}

function parseV6(text: string): IpAddress | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] as string, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] as string, true) : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const g = [...head, ...Array.from({ length: missing }, () => 0), ...tail];
  const word = (i: number): number => ((g[i] as number) << 16) | (g[i + 1] as number);
  return new IpAddress(word(0), word(2), word(4), word(6));
}

/** The 16-bit groups of one side of "::"; a dotted IPv4 tail counts as two and may only end the text. */
function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (part.includes('.') && last && i === parts.length - 1) {
      const word = parseV4(part);
      if (word === undefined) return undefined;
      groups.push(word >>> 16, word & 0xffff);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      return undefined;
    }
  }
  return groups;
}

const formatV4 = (word: number): string =>
  `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;

/** RFC 5952: lower case, the longest run of zero groups (the first of equals, two at least) written "::". */
function formatV6(a: IpAddress): string {
  const groups = [a.w0, a.w1, a.w2, a.w3].flatMap((w) => [w >>> 16, w & 0xffff]);
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > length) {
      start = i;
      length = end - i;
    }
    i = Math.max(i, end - 1);
  }
  const hex = groups.map((g) => g.toString(16));
  if (start < 0) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}
