import { Memory } from '../base/memory.ts';
import type { PacketView } from '../wire/packet-view.ts';
import { FrameError } from './frame-error.ts';
import { OutBuffer } from './out-buffer.ts';
import {
  COMBINED,
  MAX_FRAME_LENGTH,
  MAX_FRAME_MESSAGES,
  payloadRoomOf,
  type ResponseForm,
} from './response-form.ts';
import { MESSAGE_LENGTH, responseParts, writePayload, writeResponse } from './response-message.ts';

/*
 * How response messages travel from intercept to tcpcopy: frame := count (2 octets, big-endian, 1 to 16), then so many
 * messages of 64 octets; in payload mode 1 to 6 messages of 192. The original reads one frame at a wake-up and spins until
 * it has all of it, so a frame must leave in one write. In the bare form there are no frames, and a message begins where the
 * last one ends; no count and no mark begins like an IPv4 header, so these are told apart by their first octet.
 */

export interface ResponseHandler {
  /**
   * A message at `memory[offset …]`: the headers of a response in 64 octets, in payload mode 192, valid only during the call.
   * `offset` may be any number.
   */
  handleResponse(memory: Memory, offset: number): void;
}

/** Counts that are none: where a frame or a bare message could begin they mark what the extended protocol puts there. */
export const Mark = {
  none: 0,
  /** "TC", of the hello. */
  hello: 0x5443,
  /** "TE": extended frames follow. */
  extended: 0x5445,
} as const;
export type Mark = (typeof Mark)[keyof typeof Mark];

export interface FrameDecoderOptions {
  /** `COMBINED`, unless given. */
  readonly form?: ResponseForm;
  /** Stop at marks instead of refusing them. */
  readonly marks?: boolean;
}

/** tcpcopy's end of a connection: octets in, in pieces of any size, response headers out. One for each connection. */
export class FrameDecoder {
  readonly messageLength: number;
  readonly #isBare: boolean;
  /** The highest count; −1 where there is none. */
  readonly #maxCount: number;
  readonly #marks: boolean;
  readonly #scratch: Memory;
  /** Octets of the message in hand that are in `#scratch`. */
  #partial = 0;
  /** Messages of the frame in hand that are still to come; 1 in a bare message. */
  #left = 0;
  /** First octet of a count that was split; −1 when there is none. */
  #countHigh = -1;
  #error: FrameError = FrameError.none;
  #mark: Mark = Mark.none;
  /** Where the last `push` stopped: at the end of what it was given, or behind a mark. */
  consumed = 0;
  /** Frames begun, those with no message included. */
  frames = 0;
  /** Messages delivered. */
  messages = 0;

  constructor(options: FrameDecoderOptions = {}) {
    const { messageLength, maxMessages, frameHeader } = options.form ?? COMBINED;
    this.messageLength = messageLength;
    this.#isBare = frameHeader === 0;
    this.#maxCount = this.#isBare ? -1 : maxMessages;
    this.#marks = options.marks ?? false;
    this.#scratch = Memory.alloc(this.messageLength);
  }

  get error(): FrameError {
    return this.#error;
  }

  /** The mark at which the last `push` stopped. */
  get mark(): Mark {
    return this.#mark;
  }

  /** Whether a frame or a bare message has begun and is not complete. */
  get inFrame(): boolean {
    return this.#left > 0 || this.#countHigh >= 0;
  }

  /**
   * Reads `memory[offset … end)`. A message that arrives whole is delivered where it lies; only a split one is copied. After
   * an error nothing more is read, and every call returns that error.
   */
  push(memory: Memory, end: number, handler: ResponseHandler, offset = 0): FrameError {
    const size = this.messageLength;
    let at = offset;
    this.#mark = Mark.none;
    while (at < end && this.#error === FrameError.none && this.#mark === Mark.none) {
      if (this.#left === 0) {
        const octet = memory.bytes[at] as number;
        if (this.#isBare && this.#countHigh < 0 && isIpv4(octet)) {
          this.#left = 1;
        } else {
          at++;
          this.#countOctet(octet);
        }
      } else if (this.#partial === 0 && end - at >= size) {
        this.#deliver(memory, at, handler);
        at += size;
      } else {
        this.#scratch.bytes[this.#partial++] = memory.bytes[at++] as number;
        if (this.#partial === size) {
          this.#partial = 0;
          this.#deliver(this.#scratch, 0, handler);
        }
      }
    }
    this.consumed = at;
    return this.#error;
  }

  #countOctet(octet: number): void {
    if (this.#countHigh < 0) {
      this.#countHigh = octet;
      return;
    }
    const count = (this.#countHigh << 8) | octet;
    this.#countHigh = -1;
    if (count > this.#maxCount) {
      if (this.#marks && (count === Mark.hello || count === Mark.extended)) this.#mark = count;
      else this.#error = this.#badCount(count);
      return;
    }
    this.frames++;
    this.#left = count;
  }

  #badCount(count: number): FrameError {
    if (this.#isBare) {
      const isFrame = this.messages === 0 && count <= MAX_FRAME_MESSAGES;
      return isFrame ? FrameError.combined : FrameError.noHeader;
    }
    // The original's uncombined build begins with version 4, IHL 5 and a type of service, nearly always 0x4500.
    if (this.frames === 0 && count >>> 8 === 0x45) return FrameError.uncombined;
    return count <= MAX_FRAME_MESSAGES ? FrameError.noPayload : FrameError.badCount;
  }

  #deliver(memory: Memory, at: number, handler: ResponseHandler): void {
    this.#left--;
    if (!isIpv4(memory.bytes[at] as number)) {
      const plain = this.messageLength === MESSAGE_LENGTH;
      this.#error = plain ? FrameError.notIpv4 : FrameError.noPayload;
      return;
    }
    this.messages++;
    handler.handleResponse(memory, at);
  }
}

/** Whether a header that begins so is one of IPv4. */
const isIpv4 = (octet: number): boolean => octet >>> 4 === 4;

/** Whether a response went into the frames. */
export const AddResult = {
  ok: 0,
  /** No room: what is there must be sent or cleared first. */
  full: 1,
  /** Version 6 carries IPv4 only. */
  notIpv4: 2,
  /** The peer may not have responses: it has said nothing yet, or has not proved the key. */
  notReady: 3,
} as const;
export type AddResult = (typeof AddResult)[keyof typeof AddResult];

const MIN_FRAMES = 4;

export interface FrameEncoderOptions {
  /** `COMBINED`, unless given. */
  readonly form?: ResponseForm;
  /** Where the frames go; a buffer of its own when absent. */
  readonly out?: OutBuffer;
}

/**
 * intercept's end of a connection: responses in, one run of whole frames or messages out, at `memory[0 … length)`. One for each
 * connection. The count of the last frame is kept right at every step, so the run may be sent at any time.
 */
export class FrameEncoder {
  readonly #out: OutBuffer;
  readonly #limit: number;
  readonly #form: ResponseForm;
  readonly #hasPayload: boolean;
  /** Responses in the run; fewer than messages when some were too long for one. */
  packets = 0;

  /** Room for at most `maxFrames` frames, or as many messages without; the memory starts small and doubles as it is needed. */
  constructor(maxFrames: number, options: FrameEncoderOptions = {}) {
    const form = options.form ?? COMBINED;
    this.#form = form;
    this.#hasPayload = payloadRoomOf(form) > 0;
    this.#limit = maxFrames * (form.frameHeader + form.maxMessages * form.messageLength);
    this.#out = options.out ?? new OutBuffer(this.#limit, MIN_FRAMES * MAX_FRAME_LENGTH);
  }

  get memory(): Memory {
    return this.#out.memory;
  }

  /** Octets of the run. */
  get length(): number {
    return this.#out.length;
  }

  /**
   * Puts the headers of the response in `view` at the end, in all the messages it takes, or nothing. `captured`: octets present
   * from `view.offset` on; needed in payload mode only.
   */
  add(view: PacketView, captured = 0): AddResult {
    if (view.family !== 4) return AddResult.notIpv4;
    const parts = responseParts(view);
    if (!this.#ensure(parts)) return AddResult.full;
    for (let part = 0; part < parts; part++) {
      const at = this.#next();
      writeResponse(view, part, this.#out.memory, at);
      if (this.#hasPayload) writePayload(view, captured, this.#out.memory, at);
    }
    this.packets++;
    return AddResult.ok;
  }

  /** Puts a message made before (`writeResponse`) at the end. */
  addMessage(memory: Memory, offset: number): AddResult {
    if (!this.#ensure(1)) return AddResult.full;
    const at = this.#next();
    const to = this.#out.memory;
    for (let i = 0; i < MESSAGE_LENGTH; i += 4) {
      to.view.setInt32(at + i, memory.view.getInt32(offset + i));
    }
    if (this.#hasPayload) to.bytes.fill(0, at + MESSAGE_LENGTH, at + this.#form.messageLength);
    this.packets++;
    return AddResult.ok;
  }

  clear(): void {
    this.#out.clear();
    this.packets = 0;
  }

  /** The offset of the next message; opens a frame when there is none or the last one is full, where there are any. */
  #next(): number {
    const out = this.#out;
    const { frameHeader, maxMessages, messageLength } = this.#form;
    if (frameHeader === 0) return out.take(messageLength);
    const count = this.#count();
    if (count === 0 || count === maxMessages) {
      const at = out.take(frameHeader);
      out.memory.view.setUint16(at, 1);
      out.openAt = at;
      out.openType = 0;
    } else {
      out.memory.view.setUint16(out.openAt, count + 1);
    }
    return out.extend(messageLength);
  }

  /** Messages in the open frame; 0 when there is none. */
  #count(): number {
    const { openAt, openType, memory } = this.#out;
    return openAt < 0 || openType !== 0 ? 0 : memory.view.getUint16(openAt);
  }

  #ensure(messages: number): boolean {
    const { frameHeader, maxMessages, messageLength } = this.#form;
    const count = this.#count();
    const room = count === 0 ? 0 : maxMessages - count;
    const frames = Math.max(0, Math.ceil((messages - room) / maxMessages));
    const needed = messages * messageLength + frames * frameHeader;
    return this.#out.length + needed <= this.#limit && this.#out.reserve(needed);
  }
}
