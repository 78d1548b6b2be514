import { Memory } from '../base/memory.ts';
import { Fault } from './fault.ts';
import type { OutBuffer } from './out-buffer.ts';

/*
 * All octets between two of ours, once they have changed to the extended protocol, are frames one after another:
 *
 *    0                4      5       6            8
 *    +----------------+------+-------+------------+------------- - - -
 *    | length of body | type | flags | reserved=0 | body, a multiple of 4 octets
 *    +----------------+------+-------+------------+------------- - - -      all big-endian
 */

export const FRAME_OVERHEAD = 8;
/** Longest body of any frame, in octets. */
export const MAX_BODY = 262_144;
/** Frames of a type that the reader does not know may be passed over. */
export const IGNORABLE = 1;

export const FrameType = {
  // From tcpcopy.
  authenticate: 1,
  settings: 2,
  register: 3,
  end: 4,
  targets: 5,
  /** Reserved: packets to be injected. */
  inject: 6,
  instance: 7,
  // From intercept.
  authenticated: 65,
  responses: 66,
  counts: 67,
  taken: 68,
  // From both.
  ping: 129,
  pong: 130,
  bye: 131,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Octets of one record. */
export const SESSION_RECORD = 40;
export const TARGET_RECORD = 20;
/** Octets of the number that tells one running tcpcopy from all others. */
export const INSTANCE_LENGTH = 8;
export const COUNT_RECORD = 12;
/** Without header and payload. */
export const RESPONSE_RECORD = 24;
/** Targets in one list. */
export const MAX_TARGETS = 1024;
/** Octets of the text in a BYE. */
export const MAX_BYE_TEXT = 1000;

/** How a body is handed over: whole, in records of one length, or in records that begin with their length. */
const WHOLE = 0;
const SELF_DESCRIBING = -1;

interface Shape {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** Octets of a record, or one of the two above. */
  readonly unit: number;
}

const shape = (name: string, min: number, max: number, unit = WHOLE): Shape => ({
  name,
  min,
  max,
  unit,
});

const SHAPES: ReadonlyMap<number, Shape> = new Map([
  [FrameType.authenticate, shape('AUTHENTICATE', 64, 64)],
  [FrameType.settings, shape('SETTINGS', 4, 64)],
  [FrameType.register, shape('REGISTER', 0, 1600 * SESSION_RECORD, SESSION_RECORD)],
  [FrameType.end, shape('END', 0, 1600 * SESSION_RECORD, SESSION_RECORD)],
  [FrameType.targets, shape('TARGETS', 0, MAX_TARGETS * TARGET_RECORD)],
  [FrameType.inject, shape('INJECT', 0, MAX_BODY)],
  [FrameType.instance, shape('INSTANCE', INSTANCE_LENGTH, INSTANCE_LENGTH)],
  [FrameType.authenticated, shape('AUTHENTICATED', 32, 32)],
  [FrameType.responses, shape('RESPONSES', 0, MAX_BODY, SELF_DESCRIBING)],
  [FrameType.counts, shape('COUNTS', 0, 1024 * COUNT_RECORD, COUNT_RECORD)],
  [FrameType.taken, shape('TAKEN', 0, 1600 * SESSION_RECORD, SESSION_RECORD)],
  [FrameType.ping, shape('PING', 8, 8)],
  [FrameType.pong, shape('PONG', 8, 8)],
  [FrameType.bye, shape('BYE', 4, 4 + MAX_BYE_TEXT)],
]);

/** For people: the name of a type, or its number. */
export const frameName = (type: number): string => SHAPES.get(type)?.name ?? `type ${type}`;

/** The longest body that a frame of `type` may have, in octets. */
export const maxBody = (type: FrameType): number => (SHAPES.get(type) as Shape).max;

/** No fault. */
export const FINE = 0;

export interface ExtendedHandler {
  /** Whether a frame of this known type may come now. */
  admit(type: FrameType): Fault | typeof FINE;
  /**
   * A whole body, or one record of it, at `memory[offset … offset+length)`, valid only during the call; `offset` may be any
   * number. A fault ends the reading.
   */
  handleUnit(type: FrameType, memory: Memory, offset: number, length: number): Fault | typeof FINE;
}

const Phase = { header: 0, unit: 1, recordLength: 2, skip: 3 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

const MIN_SCRATCH = 512;

/**
 * Reads extended frames: octets in, in pieces of any size, bodies and records out. What arrives whole is handed over where it
 * lies; only a split one is copied, into memory that grows to the longest that was ever split.
 */
export class ExtendedDecoder {
  #scratch = Memory.alloc(0);
  /** Octets of the unit in hand that are in `#scratch`. */
  #held = 0;
  #phase: Phase = Phase.header;
  /** Octets that the phase needs. */
  #need = FRAME_OVERHEAD;
  /** Octets of the body that are still to come, the unit in hand included. */
  #left = 0;
  #unit = WHOLE;
  #fault: Fault | typeof FINE = FINE;
  /** Of the frame in hand, or of the one that was wrong. */
  type = 0;
  /** Octets that its header says its body has. */
  bodyLength = 0;
  /** Headers read. */
  frames = 0;

  /** A frame has begun and is not complete. */
  get isMidFrame(): boolean {
    return this.#held > 0 || this.#phase !== Phase.header;
  }

  /** Reads `memory[offset … end)`. After a fault nothing more is read, and every call returns that fault. */
  push(memory: Memory, offset: number, end: number, handler: ExtendedHandler): Fault | typeof FINE {
    let at = offset;
    while (at < end && this.#fault === FINE) {
      if (this.#phase === Phase.skip) {
        const octets = Math.min(this.#left, end - at);
        at += octets;
        this.#left -= octets;
        if (this.#left === 0) this.#next();
      } else if (this.#held === 0 && end - at >= this.#need) {
        // A record's length is looked at and stays where it is: the record begins with it.
        const step = this.#phase === Phase.recordLength ? 0 : this.#need;
        this.#settle(memory, at, handler);
        at += step;
      } else {
        at += this.#gather(memory, at, end);
        if (this.#held < this.#need) break;
        const keeps = this.#phase === Phase.recordLength;
        if (!keeps) this.#held = 0;
        this.#settle(this.#scratch, 0, handler);
      }
    }
    return this.#fault;
  }

  #gather(memory: Memory, at: number, end: number): number {
    const octets = Math.min(this.#need - this.#held, end - at);
    if (this.#need > this.#scratch.size) this.#growScratch();
    const { bytes } = this.#scratch;
    for (let i = 0; i < octets; i++) bytes[this.#held + i] = memory.bytes[at + i] as number;
    this.#held += octets;
    return octets;
  }

  #growScratch(): void {
    const size = Math.max(MIN_SCRATCH, this.#need, Math.min(2 * this.#scratch.size, MAX_BODY));
    const scratch = Memory.alloc(size);
    scratch.bytes.set(this.#scratch.bytes.subarray(0, this.#held));
    this.#scratch = scratch;
  }

  /** What the phase needs is at `memory[at …]`. */
  #settle(memory: Memory, at: number, handler: ExtendedHandler): void {
    if (this.#phase === Phase.header) {
      this.#fault = this.#header(memory, at, handler);
    } else if (this.#phase === Phase.recordLength) {
      const length = memory.view.getUint32(at);
      if (length < RESPONSE_RECORD || length % 4 !== 0 || length > this.#left) {
        this.#fault = Fault.damaged;
        return;
      }
      this.#phase = Phase.unit;
      this.#need = length;
    } else {
      const length = this.#need;
      this.#left -= length;
      this.#next();
      this.#fault = handler.handleUnit(this.type as FrameType, memory, at, length);
    }
  }

  #header(memory: Memory, at: number, handler: ExtendedHandler): Fault | typeof FINE {
    const { bytes, view } = memory;
    const length = view.getUint32(at);
    const type = bytes[at + 4] as number;
    const flags = bytes[at + 5] as number;
    this.type = type;
    this.bodyLength = length;
    this.frames++;
    if (view.getUint16(at + 6) !== 0) return Fault.damaged;
    const known = SHAPES.get(type);
    this.#left = length;
    if (known === undefined) {
      if ((flags & IGNORABLE) === 0) return Fault.unknownType;
      if (length > MAX_BODY || length % 4 !== 0) return Fault.badLength;
      this.#phase = length === 0 ? Phase.header : Phase.skip;
      return FINE;
    }
    const { min, max, unit } = known;
    const wholeRecords = unit <= 0 || length % unit === 0;
    if (length < min || length > max || length % 4 !== 0 || !wholeRecords) return Fault.badLength;
    const refused = handler.admit(type as FrameType);
    if (refused !== FINE) return refused;
    this.#unit = unit;
    if (length > 0) {
      this.#next();
      return FINE;
    }
    return unit === WHOLE ? handler.handleUnit(type as FrameType, memory, at + 8, 0) : FINE;
  }

  /** What comes next: the rest of the body, or another header. */
  #next(): void {
    if (this.#left === 0) {
      this.#phase = Phase.header;
      this.#need = FRAME_OVERHEAD;
    } else if (this.#unit === SELF_DESCRIBING) {
      this.#phase = Phase.recordLength;
      this.#need = 4;
    } else {
      this.#phase = Phase.unit;
      this.#need = this.#unit === WHOLE ? this.#left : this.#unit;
    }
  }
}

/**
 * Makes room for `octets` (a multiple of 4) in the body of a frame of `type` and returns where they go in `out.memory`; −1 when
 * there is no room. They follow those of the frame before when that is of the same type and its body stays within `limit`.
 */
export function extendFrame(
  out: OutBuffer,
  type: FrameType,
  octets: number,
  limit: number,
): number {
  if (out.openAt >= 0 && out.openType === type) {
    const body = out.memory.view.getUint32(out.openAt) + octets;
    if (body <= limit) {
      if (!out.reserve(octets)) return -1;
      out.memory.view.setUint32(out.openAt, body);
      return out.extend(octets);
    }
  }
  if (!out.reserve(FRAME_OVERHEAD + octets)) return -1;
  const at = out.take(FRAME_OVERHEAD);
  const { view } = out.memory;
  view.setUint32(at, octets);
  view.setUint32(at + 4, type << 24);
  out.openAt = at;
  out.openType = type;
  return out.extend(octets);
}

/** As `extendFrame`, in a frame by itself. */
export function beginFrame(out: OutBuffer, type: FrameType, octets: number): number {
  out.openAt = -1;
  return extendFrame(out, type, octets, octets);
}
