import type { Memory } from '../base/memory.ts';
import { sameProof } from './authentication.ts';
import { ExtendedDecoder, type ExtendedHandler, FINE, FrameType } from './extended-frame.ts';
import { byeCodeOf, type Failure, frameFailure } from './failure.ts';
import { Fault } from './fault.ts';
import { OutBuffer } from './out-buffer.ts';
import { addBye, addPing, addPong, readBye, readU64 } from './small-frames.ts';

/** What is heard at either end. */
export interface EndHandler {
  /** The answer to `ping(token)`. */
  handlePong(token: number): void;
}

/**
 * One end of a control connection, without I/O: what both ends do alike. Octets in through `handleData`; what is to be sent lies at
 * `memory[0 … length)`. What is read is of version 6 until the peer changes to extended frames; what is written, until this end
 * does. Liveness and farewells are the same in both directions. The first thing that is wrong ends the connection.
 */
export abstract class ControlEnd {
  protected readonly out: OutBuffer;
  /** All that is read is of the extended protocol. */
  protected readsFrames = false;
  /** All that is written is. */
  protected writesFrames = false;
  readonly #handler: EndHandler;
  readonly #frames = new ExtendedDecoder();
  readonly #fromFrames: ExtendedHandler;
  #failure: Failure | null = null;

  /** Output of `limit` octets at the most, `first` of them when the first are written. */
  constructor(handler: EndHandler, limit: number, first: number) {
    this.#handler = handler;
    this.out = new OutBuffer(limit, first);
    this.#fromFrames = {
      admit: (type) => (type === FrameType.bye ? FINE : this.admit(type)),
      handleUnit: (type, memory, at, length) => this.#handleUnit(type, memory, at, length),
    };
  }

  /** Set once, when `handleData` has returned false or `bye` was called. */
  get failure(): Failure | null {
    return this.#failure;
  }

  get memory(): Memory {
    return this.out.memory;
  }

  get length(): number {
    return this.out.length;
  }

  /** Octets of a message or frame that is not complete were read: a peer that stays so has stalled. */
  get isMidMessage(): boolean {
    return this.isMidVersion6 || this.#frames.isMidFrame;
  }

  /** Reads `memory[0 … length)`. False when the connection must be closed, after what is in the output was sent. */
  handleData(memory: Memory, length: number): boolean {
    let at = 0;
    while (at < length && this.#failure === null) {
      if (this.readsFrames) {
        const fault = this.#frames.push(memory, at, length, this.#fromFrames);
        if (fault !== FINE) this.fail(frameFailure(fault, this.#frames));
        break;
      }
      at = this.readVersion6(memory, at, length);
    }
    return this.#failure === null;
  }

  /** Asks for `handlePong(token)`; `token` an integer from 0 to 2⁵³−1. False where that is not understood, or without room. */
  ping(token: number): boolean {
    return this.mayAsk && addPing(this.out, token);
  }

  /** Who the other end is, for messages. */
  protected abstract readonly peerName: string;
  /** A message of version 6, or what stands between two, has been read in part. */
  protected abstract get isMidVersion6(): boolean;
  /** The peer understands questions. */
  protected abstract get mayAsk(): boolean;
  /** What the peer asks may be answered: the output is not full of answers. */
  protected abstract get mayAnswer(): boolean;

  /** Reads what is not in extended frames, from `at` on, and returns where it stopped. */
  protected abstract readVersion6(memory: Memory, at: number, length: number): number;

  /** Whether a frame of this known type may come now. A BYE always may. */
  protected abstract admit(type: FrameType): Fault | typeof FINE;

  /** A frame, or one record of it, of a type that only this end understands; see `ExtendedHandler.handleUnit`. */
  protected abstract handleFrame(
    type: FrameType,
    memory: Memory,
    offset: number,
    length: number,
  ): Fault | typeof FINE;

  /** Makes ready to say why it ends. False where the peer would not understand. */
  protected abstract beginFarewell(): boolean;

  /** Nothing is read or taken any more; the reason is set, and told. */
  protected abstract handleEnded(): void;

  /** Where the next `octets` of output go. There is room: they come before anything that could fill it. */
  protected take(octets: number): number {
    this.out.reserve(octets);
    return this.out.take(octets);
  }

  /** Whether the peer has given the proof that it should have; else the connection is at its end. */
  protected checkProof(given: Uint8Array, expected: Uint8Array): boolean {
    const fits = sameProof(given, expected);
    if (!fits) {
      const remedy = 'give both programs the same key file';
      this.failWith(
        Fault.wrongKey,
        `the proof of ${this.peerName} does not fit the key: ${remedy}`,
      );
    }
    return fits;
  }

  protected failWith(fault: Fault, reason: string): void {
    this.fail({ fault, reason });
  }

  protected fail(failure: Failure): void {
    this.end(failure, byeCodeOf(failure.fault));
  }

  /** `code`: what the peer is told, when it was not the one that told us. The first failure counts. */
  protected end(failure: Failure, code?: number): void {
    if (this.#failure !== null) return;
    this.#failure = failure;
    if (code !== undefined && this.beginFarewell()) addBye(this.out, code, failure.reason);
    this.handleEnded();
  }

  #handleUnit(
    type: FrameType,
    memory: Memory,
    offset: number,
    length: number,
  ): Fault | typeof FINE {
    if (this.#failure !== null) return this.#failure.fault;
    switch (type) {
      case FrameType.ping:
        if (this.mayAnswer) addPong(this.out, memory, offset);
        return FINE;
      case FrameType.pong:
        this.#handler.handlePong(readU64(memory, offset));
        return FINE;
      case FrameType.bye:
        this.end({
          fault: Fault.bye,
          reason: `${this.peerName} ends the connection: ${readBye(memory, offset, length)}`,
          bye: memory.view.getUint16(offset),
        });
        return Fault.bye;
      default:
        return this.handleFrame(type, memory, offset, length);
    }
  }
}
