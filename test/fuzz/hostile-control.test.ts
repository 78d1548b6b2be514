import { describe, expect, it } from 'vitest';
import type { FlowKey } from '../../src/base/flow-key.ts';
import { Memory } from '../../src/base/memory.ts';
import type { Random } from '../../src/base/random.ts';
import { FrameDecoder } from '../../src/control/frame.ts';
import { FrameError } from '../../src/control/frame-error.ts';
import {
  BARE,
  COMBINED,
  COMBINED_WITH_PAYLOAD,
  type ResponseForm,
} from '../../src/control/response-form.ts';
import { RegistrationDecoder, RegistrationError } from '../../src/control/registration.ts';
import { check, fuzz, RUNS } from './seed.ts';

const VERSION = [0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0];
const ADD = [10, 1, 2, 3, 0x9c, 0x40, 0, 1, 192, 168, 0, 2, 0x1f, 0x90];
/** Octets of the longest piece. */
const MAX_PIECE = 1500;
/** Pieces that a connection lives for. */
const LIFE = 24;

/** A connection's octets as they arrive: good at the core, spoiled here and there, cut anywhere. */
abstract class HostileStream {
  readonly memory: Memory = Memory.alloc(MAX_PIECE + 2000);
  /** Everything since the connection began, for the slow decoders. */
  readonly octets: number[] = [];
  pieces = 0;
  #pending: number[] = [];

  abstract begin(random: Random): number[];
  abstract message(random: Random): number[];

  /** Puts the next piece at `memory[0 …]` and returns its length. */
  next(random: Random): number {
    if (this.pieces++ === 0) this.#pending = this.begin(random);
    const length = random.chance(0.5) ? random.int(0, 20) : random.int(0, 200);
    while (this.#pending.length < length) this.#pending.push(...this.#spoiled(random));
    const piece = this.#pending.splice(0, length);
    for (let i = 0; i < length; i++) this.memory.bytes[i] = piece[i] as number;
    this.octets.push(...piece);
    return length;
  }

  reset(): void {
    this.octets.length = 0;
    this.#pending = [];
    this.pieces = 0;
  }

  #spoiled(random: Random): number[] {
    const message = this.message(random);
    if (random.chance(0.97)) return message;
    const kind = random.int(0, 3);
    if (kind === 0) message[random.int(0, message.length)] = random.int(0, 256);
    else if (kind === 1) message.splice(random.int(0, message.length), 1);
    else message.push(random.int(0, 256));
    return message;
  }
}

class HostileRegistrations extends HostileStream {
  begin(random: Random): number[] {
    return random.chance(0.95) ? [...VERSION] : [...ADD];
  }

  message(random: Random): number[] {
    const message = [...ADD];
    message[5] = random.int(0, 256);
    if (random.chance(0.1)) message[7] = random.int(0, 4);
    if (random.chance(0.01)) message[6] = random.int(0, 256);
    return message;
  }
}

class HostileFrames extends HostileStream {
  readonly #form: ResponseForm;

  constructor(form: ResponseForm) {
    super();
    this.#form = form;
  }

  /** Now and then of an intercept that was built otherwise. */
  begin(random: Random): number[] {
    const first = this.#form === BARE ? 0 : 0x45;
    return random.chance(0.02) ? [first, random.int(0, first === 0 ? 20 : 256)] : [];
  }

  message(random: Random): number[] {
    const count = random.chance(0.02) ? random.int(0, 20) : random.int(0, 4);
    const frame = this.#form === BARE ? [] : [0, count];
    for (let n = 0; n < count; n++) {
      const start = frame.length;
      for (let i = 0; i < this.#form.messageLength; i++) frame.push((n + i) & 255);
      frame[start] = random.chance(0.999) ? 0x45 : random.int(0, 256);
    }
    return frame;
  }
}

/** Sums up what was heard, so that two decoders can be compared without writing everything down. */
class Digest {
  count = 0;
  hash = 0;

  add(octet: number): void {
    this.hash = (Math.imul(this.hash, 31) + octet) | 0;
  }
}

class KeyDigest extends Digest {
  handleVersion(version: number): void {
    this.add(version);
    this.count++;
  }

  handleSessionAdd(key: FlowKey): void {
    this.#key(1, key);
  }

  handleSessionDelete(key: FlowKey): void {
    this.#key(2, key);
  }

  #key(type: number, key: FlowKey): void {
    this.count++;
    this.add(type);
    for (let i = 0; i < 9; i++) this.add(key.words[i] as number);
  }
}

class MessageDigest extends Digest {
  readonly #length: number;

  constructor({ messageLength }: ResponseForm) {
    super();
    this.#length = messageLength;
  }

  handleResponse(memory: Memory, offset: number): void {
    this.take(memory.bytes, offset);
  }

  take(octets: ArrayLike<number>, offset: number): void {
    this.count++;
    for (let i = 0; i < this.#length; i++) this.add(octets[offset + i] as number);
  }
}

/** What a slow decoder comes to. */
interface Verdict {
  error: number;
  digest: Digest;
}

/** All registrations of a whole stream: the decoder one would write if octets came all at once. */
function slowRegistrations(octets: readonly number[]): Verdict {
  const digest = new Digest();
  const be = (at: number, n: number): number =>
    octets.slice(at, at + n).reduce((sum, octet) => (sum << 8) | octet, 0);
  for (let at = 0; at + 14 <= octets.length; at += 14) {
    const type = be(at + 6, 2);
    if (at === 0) {
      if (be(0, 4) !== 0 || be(4, 2) !== 0) return { error: RegistrationError.noVersion, digest };
      digest.add(type);
    } else if (type === 1 || type === 2) {
      const key = [0, 0, 0xffff, be(at, 4), 0, 0, 0xffff, be(at + 8, 4)];
      for (const word of [type, ...key, (be(at + 4, 2) << 16) | be(at + 12, 2)]) digest.add(word);
    } else {
      continue;
    }
    digest.count++;
  }
  return { error: RegistrationError.none, digest };
}

/** All responses of a whole stream in frames. */
function slowFrames(octets: readonly number[], form: ResponseForm): Verdict {
  const digest = new MessageDigest(form);
  const { messageLength, maxMessages } = form;
  const hasPayload = form === COMBINED_WITH_PAYLOAD;
  let at = 0;
  while (at + 2 <= octets.length) {
    const count = (octets[at] as number) * 256 + (octets[at + 1] as number);
    if (count > maxMessages) {
      const bare = at === 0 && octets[at] === 0x45;
      const other = count > 16 ? FrameError.badCount : FrameError.noPayload;
      return { error: bare ? FrameError.uncombined : other, digest };
    }
    at += 2;
    for (let n = 0; n < count; n++, at += messageLength) {
      if (at + messageLength > octets.length) return { error: FrameError.none, digest };
      if ((octets[at] as number) >>> 4 !== 4) {
        return { error: hasPayload ? FrameError.noPayload : FrameError.notIpv4, digest };
      }
      digest.take(octets, at);
    }
  }
  return { error: FrameError.none, digest };
}

/** All responses of a whole stream without frames. */
function slowMessages(octets: readonly number[]): Verdict {
  const digest = new MessageDigest(BARE);
  for (let at = 0; at < octets.length; at += 64) {
    if ((octets[at] as number) >>> 4 !== 4) {
      if (at + 2 > octets.length) break;
      const isCount = octets[at] === 0 && (octets[at + 1] as number) <= 16;
      const error = at === 0 && isCount ? FrameError.combined : FrameError.noHeader;
      return { error, digest };
    }
    if (at + 64 > octets.length) break;
    digest.take(octets, at);
  }
  return { error: FrameError.none, digest };
}

/** What both decoders have in common. */
interface Side {
  decoder: { readonly error: number };
  digest: Digest;
  push(memory: Memory, length: number): number;
}

function registrationSide(): Side {
  const decoder = new RegistrationDecoder();
  const digest = new KeyDigest();
  return { decoder, digest, push: (memory, length) => decoder.push(memory, length, digest) };
}

function frameSide(form: ResponseForm): Side {
  const decoder = new FrameDecoder({ form });
  const digest = new MessageDigest(form);
  return { decoder, digest, push: (memory, length) => decoder.push(memory, length, digest) };
}

/** Feeds `RUNS` pieces, a new connection whenever one has failed or is old, and compares each with the slow decoder. */
function run(
  stream: HostileStream,
  open: () => Side,
  slow: (octets: readonly number[]) => Verdict,
): { messages: number; errors: number[] } {
  let side = open();
  let messages = 0;
  const errors = Array.from({ length: 8 }, () => 0);
  fuzz(RUNS, (random) => {
    const error = side.push(stream.memory, stream.next(random));
    if (error === 0 && stream.pieces < LIFE) return;
    const expected = slow(stream.octets);
    check(error === expected.error, 'both decoders come to the same verdict');
    check(side.digest.count === expected.digest.count, 'both hear as many messages');
    check(side.digest.hash === expected.digest.hash, 'both hear the same messages');
    check(side.push(stream.memory, 1) === error || error === 0, 'an error is for good');
    messages += side.digest.count;
    errors[error] = (errors[error] as number) + 1;
    stream.reset();
    side = open();
  });
  return { messages, errors };
}

describe('hostile control octets', () => {
  it('towards intercept: nothing thrown, every message heard as the slow decoder hears it', () => {
    const { messages, errors } = run(
      new HostileRegistrations(),
      registrationSide,
      slowRegistrations,
    );
    expect(messages).toBeGreaterThan(RUNS);
    for (const error of Object.values(RegistrationError))
      expect(errors[error]).toBeGreaterThan(100);
  });

  const { none, badCount, uncombined, notIpv4, noPayload, combined, noHeader } = FrameError;
  it.each([
    ['frames', COMBINED, slowFrames, [none, badCount, uncombined, notIpv4]],
    ['frames with payload', COMBINED_WITH_PAYLOAD, slowFrames, [badCount, uncombined, noPayload]],
    ['no frames', BARE, slowMessages, [none, combined, noHeader]],
  ])('towards tcpcopy, %s: the same', (_name, form, slow, possible) => {
    const open = (): Side => frameSide(form);
    const { messages, errors } = run(new HostileFrames(form), open, (all) => slow(all, form));
    expect(messages).toBeGreaterThan(RUNS / 8);
    for (const error of possible) expect(errors[error]).toBeGreaterThan(100);
    const seen = errors.flatMap((times, error) => (times > 0 ? [error] : []));
    expect(new Set([none, ...seen])).toEqual(new Set([none, ...possible]));
  });

  it.each([
    ['intercept', registrationSide, [] as number[]],
    ['tcpcopy', () => frameSide(COMBINED), [] as number[]],
    ['tcpcopy without frames', () => frameSide(BARE), [] as number[]],
  ])('noise from the first octet on, towards %s: nothing thrown', (_name, open, verdicts) => {
    const memory = Memory.alloc(64);
    let side = open();
    fuzz(RUNS, (random) => {
      const length = random.int(1, 64);
      for (let i = 0; i < length; i += 4) memory.view.setInt32(i, random.uint32());
      const error = side.push(memory, length);
      if (error === 0) return;
      verdicts.push(error);
      side = open();
    });
    expect(verdicts.length).toBeGreaterThan(1000);
  });
});
