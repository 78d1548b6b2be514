import { Memory } from '../base/memory.ts';
import type { PacketView } from '../wire/packet-view.ts';
import { MESSAGE_LENGTH, responseParts, writeResponse } from './response-message.ts';

/*
 * How response messages travel from intercept to tcpcopy: frame := count (2 octets, big-endian, 1 to 16), then so many
 * messages of 64 octets. The original reads one frame at a wake-up and spins until it has all of it, so a frame must
 * leave in one write.
 */

/** Messages in one frame, at the most. */
export const MAX_FRAME_MESSAGES = 16;
export const FRAME_HEADER_LENGTH = 2;
/** Of the longest frame, in octets: 1026. */
export const MAX_FRAME_LENGTH: number = FRAME_HEADER_LENGTH + MAX_FRAME_MESSAGES * MESSAGE_LENGTH;

export interface ResponseHandler {
  /** A message of 64 octets at `memory[offset …]`: the headers of a response, valid only during the call. `offset` may be any number. */
  handleResponse(memory: Memory, offset: number): void;
}

/** Why a stream of frames cannot be read on. */
export const FrameError = {
  none: 0,
  /** A count above 16. */
  badCount: 1,
  /** The stream begins like an IPv4 header instead of a count. */
  uncombined: 2,
  /** A message that does not begin with an IPv4 header. */
  notIpv4: 3,
} as const;
export type FrameError = (typeof FrameError)[keyof typeof FrameError];

/** What happened, the likely cause and the next step. */
export const FRAME_ERROR_TEXT: Readonly<Record<FrameError, string>> = {
  [FrameError.none]: 'no error',
  [FrameError.badCount]:
    'intercept announced more than 16 responses in one frame: the peer is not an intercept of protocol version 6, or the stream is damaged; check the address and port given with -s',
  [FrameError.uncombined]:
    'intercept sent a response without a frame around it: it was built with --disable-combined; use one built without that option',
  [FrameError.notIpv4]:
    'intercept sent a response that is no IPv4 header: it may have been built with --with-resp-payload; use one built without that option',
};

/** tcpcopy's end of a connection: octets in, in pieces of any size, response headers out. One for each connection. */
export class FrameDecoder {
  readonly #scratch = Memory.alloc(MESSAGE_LENGTH);
  /** Octets of the message in hand that are in `#scratch`. */
  #partial = 0;
  /** Messages of the frame in hand that are still to come. */
  #left = 0;
  /** First octet of a count that was split; −1 when there is none. */
  #countHigh = -1;
  #error: FrameError = FrameError.none;
  /** Frames begun, those with no message included. */
  frames = 0;
  /** Messages delivered. */
  messages = 0;

  get error(): FrameError {
    return this.#error;
  }

  /** Whether a frame has begun and is not complete. */
  get inFrame(): boolean {
    return this.#left > 0 || this.#countHigh >= 0;
  }

  /**
   * Reads `memory[0 … length)`. A message that arrives whole is delivered where it lies; only a split one is copied. After
   * an error nothing more is read, and every call returns that error.
   */
  push(memory: Memory, length: number, handler: ResponseHandler): FrameError {
    let at = 0;
    while (at < length && this.#error === FrameError.none) {
      if (this.#left === 0) {
        this.#countOctet(memory.bytes[at++] as number);
      } else if (this.#partial === 0 && length - at >= MESSAGE_LENGTH) {
        this.#deliver(memory, at, handler);
        at += MESSAGE_LENGTH;
      } else {
        this.#scratch.bytes[this.#partial++] = memory.bytes[at++] as number;
        if (this.#partial === MESSAGE_LENGTH) {
          this.#partial = 0;
          this.#deliver(this.#scratch, 0, handler);
        }
      }
    }
    return this.#error;
  }

  #countOctet(octet: number): void {
    if (this.#countHigh < 0) {
      this.#countHigh = octet;
      return;
    }
    const count = (this.#countHigh << 8) | octet;
    this.#countHigh = -1;
    if (count > MAX_FRAME_MESSAGES) {
      // The original's uncombined build begins with version 4, IHL 5 and a type of service, nearly always 0x4500.
      const bare = this.frames === 0 && count >>> 8 === 0x45;
      this.#error = bare ? FrameError.uncombined : FrameError.badCount;
      return;
    }
    this.frames++;
    this.#left = count;
  }

  #deliver(memory: Memory, at: number, handler: ResponseHandler): void {
    this.#left--;
    if ((memory.bytes[at] as number) >>> 4 !== 4) {
      this.#error = FrameError.notIpv4;
      return;
    }
    this.messages++;
    handler.handleResponse(memory, at);
  }
}

/** Whether a response went into the frames. */
export const AddResult = {
  ok: 0,
  /** No room: what is there must be sent or cleared first. */
  full: 1,
  /** Version 6 carries IPv4 only. */
  notIpv4: 2,
} as const;
export type AddResult = (typeof AddResult)[keyof typeof AddResult];

const MIN_FRAMES = 4;

/**
 * intercept's end of a connection: responses in, one run of whole frames out, at `memory[0 … length)`. One for each
 * connection. The count of the last frame is kept right at every step, so the run may be sent at any time.
 */
export class FrameEncoder {
  readonly #maxFrames: number;
  #memory: Memory = Memory.alloc(0);
  #capacity = 0;
  /** Where the last frame begins. */
  #frameAt = 0;
  #count = 0;
  #length = 0;
  /** Responses in the run; fewer than messages when some were too long for one. */
  packets = 0;

  /** Room for at most `maxFrames` frames; the memory starts small and doubles as it is needed. */
  constructor(maxFrames: number) {
    this.#maxFrames = maxFrames;
  }

  get memory(): Memory {
    return this.#memory;
  }

  /** Octets of whole frames. */
  get length(): number {
    return this.#length;
  }

  /** Puts the headers of the response in `view` at the end, in all the messages it takes, or nothing. */
  add(view: PacketView): AddResult {
    if (view.family !== 4) return AddResult.notIpv4;
    const parts = responseParts(view);
    if (!this.#ensure(parts)) return AddResult.full;
    for (let part = 0; part < parts; part++) writeResponse(view, part, this.#memory, this.#next());
    this.packets++;
    return AddResult.ok;
  }

  /** Puts a message made before (`writeResponse`) at the end. */
  addMessage(memory: Memory, offset: number): AddResult {
    if (!this.#ensure(1)) return AddResult.full;
    const at = this.#next();
    for (let i = 0; i < MESSAGE_LENGTH; i += 4) {
      this.#memory.view.setInt32(at + i, memory.view.getInt32(offset + i));
    }
    this.packets++;
    return AddResult.ok;
  }

  clear(): void {
    this.#frameAt = 0;
    this.#count = 0;
    this.#length = 0;
    this.packets = 0;
  }

  /** The offset of the next message; opens a frame when there is none or the last one is full. */
  #next(): number {
    if (this.#length === 0 || this.#count === MAX_FRAME_MESSAGES) {
      this.#frameAt = this.#length;
      this.#length += FRAME_HEADER_LENGTH;
      this.#count = 0;
    }
    const at = this.#length;
    this.#length += MESSAGE_LENGTH;
    this.#memory.view.setUint16(this.#frameAt, ++this.#count);
    return at;
  }

  #ensure(messages: number): boolean {
    const frames = Math.ceil((messages - this.#roomInFrame()) / MAX_FRAME_MESSAGES);
    const needed = this.#length + messages * MESSAGE_LENGTH + Math.max(0, frames) * 2;
    return needed <= this.#capacity || this.#grow(needed);
  }

  #roomInFrame(): number {
    return this.#length === 0 ? 0 : MAX_FRAME_MESSAGES - this.#count;
  }

  #grow(needed: number): boolean {
    const limit = this.#maxFrames * MAX_FRAME_LENGTH;
    if (needed > limit) return false;
    let size = Math.max(this.#capacity, MIN_FRAMES * MAX_FRAME_LENGTH);
    while (size < needed) size *= 2;
    size = Math.min(size, limit);
    const memory = Memory.alloc(size);
    memory.bytes.set(this.#memory.bytes.subarray(0, this.#length));
    this.#memory = memory;
    this.#capacity = size;
    return true;
  }
}
