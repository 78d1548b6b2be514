import type { Memory } from '../base/memory.ts';

/*
 * UTF-8 (RFC 3629) for the few words that one end of a connection says to the other. The language itself has no such thing: TextEncoder and
 * TextDecoder belong to the platforms.
 */

const REPLACEMENT = 0xfffd;

/** The octets of `text`, at most `limit` of them, cut between two characters. */
export function encodeText(text: string, limit: number): number[] {
  const octets: number[] = [];
  for (const character of text) {
    const encoded = encodePoint(character.codePointAt(0) as number);
    if (octets.length + encoded.length > limit) break;
    octets.push(...encoded);
  }
  return octets;
}

function encodePoint(point: number): number[] {
  if (point < 0x80) return [point];
  if (point < 0x800) return [0xc0 | (point >>> 6), tail(point)];
  if (point >= 0xd800 && point < 0xe000) return encodePoint(REPLACEMENT);
  if (point < 0x1_0000) return [0xe0 | (point >>> 12), tail(point >>> 6), tail(point)];
  return [0xf0 | (point >>> 18), tail(point >>> 12), tail(point >>> 6), tail(point)];
}

const tail = (bits: number): number => 0x80 | (bits & 0x3f);

/**
 * The text at `memory[offset … offset+length)`, fit for a line of a log: what is not UTF-8 becomes U+FFFD, and what would move
 * a cursor or end a line becomes a question mark.
 */
export function decodeText(memory: Memory, offset: number, length: number): string {
  const end = offset + length;
  let text = '';
  for (let at = offset; at < end; ) {
    const first = memory.bytes[at++] as number;
    const more = first < 0x80 ? 0 : first < 0xc2 ? -1 : sequenceTail(first);
    let point = more < 0 ? REPLACEMENT : more === 0 ? first : first & (0x3f >>> more);
    for (let i = 0; i < more; i++) {
      const octet = at < end ? (memory.bytes[at] as number) : 0;
      if ((octet & 0xc0) !== 0x80) {
        point = REPLACEMENT;
        break;
      }
      point = (point << 6) | (octet & 0x3f);
      at++;
    }
    text += printable(point, more);
  }
  return text;
}

/** Octets that follow the first; −1 when it begins nothing. */
function sequenceTail(first: number): number {
  if (first < 0xe0) return 1;
  if (first < 0xf0) return 2;
  return first < 0xf5 ? 3 : -1;
}

/** Smallest point that needs so many octets more. */
const LEAST = [0, 0x80, 0x800, 0x1_0000] as const;

function printable(point: number, more: number): string {
  const tooLong = more > 0 && point < (LEAST[more] as number);
  const surrogate = point >= 0xd800 && point < 0xe000;
  if (tooLong || surrogate || point > 0x10_ffff) return String.fromCodePoint(REPLACEMENT);
  // Controls of ASCII and Latin-1, line separators, and what turns the direction of writing round.
  const moves = point < 0x20 || (point >= 0x7f && point < 0xa0);
  const turns =
    point === 0x2028 ||
    point === 0x2029 ||
    (point >= 0x202a && point <= 0x202e) ||
    (point >= 0x2066 && point <= 0x2069);
  return moves || turns ? '?' : String.fromCodePoint(point);
}
