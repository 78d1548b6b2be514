import { FlowKey } from '../base/flow-key.ts';
import type { Memory } from '../base/memory.ts';
import type { PacketView } from '../wire/packet-view.ts';
import { prove, Prover, SECRET_LENGTH } from './authentication.ts';
import { ControlEnd } from './control-end.ts';
import { FINE, FrameType, TARGET_RECORD } from './extended-frame.ts';
import { Fault } from './fault.ts';
import { AddResult, FrameEncoder, Mark } from './frame.ts';
import { CAPABILITIES, EXTENDED_VERSION, HELLO_LENGTH, HelloFlag, writeHello } from './hello.ts';
import {
  CONTROL_VERSION,
  RegistrationDecoder,
  RegistrationError,
  type RegistrationHandler,
} from './registration.ts';
import type { InterceptEndHandler, InterceptEndOptions } from './intercept-end-options.ts';
import { COMBINED, MAX_FRAME_LENGTH } from './response-form.ts';
import { addRecord } from './response-record.ts';
import {
  addCount,
  addOctets,
  addTaken,
  readInstance,
  readSession,
  readTargets,
} from './small-frames.ts';

export type { InterceptEndHandler, InterceptEndOptions } from './intercept-end-options.ts';

/** How a TLS connection begins (RFC 8446 §5.1). */
const TLS_HANDSHAKE = 22;
const TLS_MAJOR = 3;
const SPEAKS_TLS =
  'it speaks TLS, and this intercept does not: start it with --tls-cert, or tcpcopy without --tls-ca';
const NO_TCPCOPY = `its first message is not a version message (all zero but the type), so it is no tcpcopy or one from before protocol version ${CONTROL_VERSION}: check what connects to this port`;

/**
 * Frames of version 6 that the output holds at the most: 2048 responses in 128 KB, several times what one wake-up captures.
 */
const MAX_FRAMES = 128;
/** Octets of responses in extended frames that the output holds at the most: without payload, and with it. */
const HEADERS_ROOM = 262_144;
const PAYLOAD_ROOM = 2_097_152;
/** For what must be said besides responses. */
const SPARE_ROOM = 8192;
/** Enough for the frames of a lone wake-up; most connections never need more. */
const FIRST_ROOM = 4 * MAX_FRAME_LENGTH;

/**
 * intercept's end of a control connection, without I/O. Octets in through `handleData`, responses in through `addResponse`;
 * what is to be sent lies at `memory[0 … length)`, always whole frames, and is forgotten by `clear`.
 */
export class InterceptEnd extends ControlEnd {
  protected readonly peerName = 'tcpcopy';
  readonly #handler: InterceptEndHandler;
  readonly #options: InterceptEndOptions;
  #encoder: FrameEncoder;
  readonly #registrations = new RegistrationDecoder();
  readonly #fromVersion6: RegistrationHandler;
  readonly #key = new FlowKey();
  /** The highest version that the peer offered; 0 when it is an original one. */
  #offered = 0;
  /** The hello behind its mark, when it was sent. */
  #hello: Uint8Array | null = null;
  #isProven = false;
  #payloadWanted = 0;
  /** The peer has said which tcpcopy it is, and understands that a session is another's. */
  #knowsInstance = false;
  #refusals = 0;
  #packets = 0;

  constructor(options: InterceptEndOptions, handler: InterceptEndHandler) {
    super(handler, PAYLOAD_ROOM + SPARE_ROOM, FIRST_ROOM);
    this.#options = options;
    this.#handler = handler;
    const form = options.responseForm ?? COMBINED;
    this.#encoder = new FrameEncoder(MAX_FRAMES, { form, out: this.out });
    this.#fromVersion6 = {
      handleVersion: (version, offered) => this.#handleVersion(version, offered),
      handleSessionAdd: (key) => {
        if (this.#acceptsSession()) this.#handler.handleSessionAdd(key);
      },
      handleSessionDelete: (key) => {
        if (this.#acceptsSession()) this.#handler.handleSessionDelete(key);
      },
    };
  }

  /** All that is sent is of the extended protocol. */
  get isExtended(): boolean {
    return this.writesFrames;
  }

  /** The peer has proved the key. */
  get isProven(): boolean {
    return this.#isProven;
  }

  /** The first message of the connection has come whole. */
  get isStarted(): boolean {
    return this.#registrations.isStarted;
  }

  /** Responses may be added: the first message has come, and the proof if it is required. */
  get isReady(): boolean {
    return this.#registrations.isStarted && this.failure === null && !this.#owesProof;
  }

  get payloadWanted(): number {
    return this.#payloadWanted;
  }

  /** Responses in the output. */
  get packets(): number {
    return this.#packets;
  }

  /** Sessions in the output that are said to be another's. */
  get refusals(): number {
    return this.#refusals;
  }

  /** What was in the output has been sent, or is dropped; the octets stay where they are until the next are written. */
  clear(): void {
    this.out.clear();
    this.#packets = 0;
    this.#refusals = 0;
  }

  /**
   * Puts the response in `view` at the end of the output, or nothing. `captured`: octets present from `view.offset` on, at least
   * all headers. `receivedAt`: microseconds of CLOCK_REALTIME, 0 when not known.
   */
  addResponse(view: PacketView, captured: number, receivedAt: number): AddResult {
    if (!this.isReady) return AddResult.notReady;
    const wanted = this.#payloadWanted;
    if (!this.writesFrames) {
      const added = this.#encoder.add(view, captured);
      if (added === AddResult.ok) this.#packets++;
      return added;
    }
    if (!addRecord(this.out, this.#room, view, captured, receivedAt, wanted)) {
      return AddResult.full;
    }
    this.#packets++;
    return AddResult.ok;
  }

  /** The session that the peer has registered is another's. False where that is not understood, or without room. */
  addTaken(key: FlowKey): boolean {
    if (!this.#knowsInstance || this.failure !== null) return false;
    if (this.out.length > this.#room || !addTaken(this.out, key)) return false;
    this.#refusals++;
    return true;
  }

  /** One count for the peer's ledger, see `CountId`. False where that is not understood, or without room. */
  addCount(id: number, value: number): boolean {
    return this.writesFrames && this.isReady && addCount(this.out, id, value);
  }

  /** Says why the connection is about to be closed, where the peer understands it. Nothing is read or taken after. */
  bye(code: number, reason: string): void {
    this.end({ fault: Fault.bye, reason }, code);
  }

  get #room(): number {
    return this.#payloadWanted > 0 ? PAYLOAD_ROOM : HEADERS_ROOM;
  }

  get #keyRequired(): boolean {
    return this.#options.key !== null && !this.#options.allowOriginal;
  }

  get #owesProof(): boolean {
    return this.#keyRequired && !this.#isProven;
  }

  #handleVersion(version: number, offered: number): void {
    const { key, allowOriginal } = this.#options;
    this.#offered = offered;
    if (offered > 0) {
      this.#sayHello();
    } else if (!allowOriginal) {
      const why = key === null ? 'are not allowed here' : 'cannot prove the key';
      this.failWith(
        Fault.originalRefused,
        `it speaks protocol version ${version} only, and such peers ${why}: use a tcpcopy of this program there, or start intercept with --allow-original`,
      );
      return;
    }
    this.#handler.handleVersion(version);
  }

  #sayHello(): void {
    const { key, nonce } = this.#options;
    const hasKey = key === null ? 0 : HelloFlag.hasKey;
    const flags = hasKey | (this.#keyRequired ? HelloFlag.keyRequired : 0);
    const version = Math.min(this.#offered, EXTENDED_VERSION);
    const at = this.take(HELLO_LENGTH);
    const { memory } = this;
    writeHello(memory, at, { version, flags, capabilities: CAPABILITIES }, nonce);
    this.#hello = memory.bytes.slice(at + 4, at + HELLO_LENGTH);
    // It is of ours, and what we were told of originals is not said of it.
    this.#encoder = new FrameEncoder(MAX_FRAMES, { out: this.out });
  }

  /** Of a session in version 6. */
  #acceptsSession(): boolean {
    if (this.failure === null && this.#owesProof) {
      this.failWith(
        Fault.tooEarly,
        'a registration came before the proof of the key: give tcpcopy the key that intercept was given',
      );
    }
    return this.failure === null;
  }

  protected readVersion6(memory: Memory, at: number, length: number): number {
    const registrations = this.#registrations;
    const error = registrations.push(memory, length, this.#fromVersion6, at);
    if (error === RegistrationError.noVersion) {
      const isTls = memory.bytes[at] === TLS_HANDSHAKE && memory.bytes[at + 1] === TLS_MAJOR;
      this.failWith(Fault.noVersion, isTls ? SPEAKS_TLS : NO_TCPCOPY);
    }
    if (registrations.isSwitched && this.failure === null) {
      this.readsFrames = true;
      this.#markExtended();
      if (!this.#owesProof) this.#handler.handleExtended(false);
    }
    return registrations.consumed;
  }

  /** At a frame boundary, as everything in the output begins and ends at one. */
  #markExtended(): void {
    this.writesFrames = true;
    if (!this.out.reserve(2)) return;
    const at = this.out.take(2);
    this.out.memory.view.setUint16(at, Mark.extended);
  }

  protected admit(type: FrameType): Fault | typeof FINE {
    if (type === FrameType.inject) return Fault.notSupported;
    if (type === FrameType.authenticate) {
      return this.#options.key !== null && !this.#isProven ? FINE : Fault.outOfTurn;
    }
    if (type > FrameType.instance && type < FrameType.ping) return Fault.outOfTurn;
    if (this.#owesProof) return Fault.tooEarly;
    return type === FrameType.instance && this.#knowsInstance ? Fault.outOfTurn : FINE;
  }

  protected handleFrame(
    type: FrameType,
    memory: Memory,
    offset: number,
    length: number,
  ): Fault | typeof FINE {
    const handler = this.#handler;
    switch (type) {
      case FrameType.register:
        handler.handleSessionAdd(readSession(memory, offset, this.#key));
        return FINE;
      case FrameType.end:
        handler.handleSessionDelete(readSession(memory, offset, this.#key));
        return FINE;
      case FrameType.instance:
        this.#knowsInstance = true;
        handler.handleInstance(readInstance(memory, offset));
        return FINE;
      case FrameType.targets:
        if (length % TARGET_RECORD !== 0) return Fault.badLength;
        handler.handleTargets(readTargets(memory, offset, length));
        return FINE;
      case FrameType.settings:
        this.#payloadWanted = memory.view.getUint32(offset);
        handler.handlePayloadWanted(this.#payloadWanted);
        return FINE;
      default:
        this.#handleProof(memory.bytes.slice(offset, offset + length));
        return FINE;
    }
  }

  #handleProof(octets: Uint8Array): void {
    const { key, channelBinding } = this.#options;
    if (key === null || this.#hello === null) return;
    const clientNonce = octets.slice(0, SECRET_LENGTH);
    const hello = this.#hello;
    const handshake = { offered: this.#offered, hello, clientNonce, channelBinding };
    const expected = prove(key, Prover.tcpcopy, handshake);
    if (!this.checkProof(octets.slice(SECRET_LENGTH), expected)) return;
    this.#isProven = true;
    addOctets(this.out, FrameType.authenticated, prove(key, Prover.intercept, handshake));
    this.#handler.handleExtended(true);
  }

  protected get isMidVersion6(): boolean {
    return this.#registrations.partial > 0;
  }

  protected get mayAsk(): boolean {
    return this.writesFrames && this.isReady;
  }

  protected get mayAnswer(): boolean {
    return this.out.length <= this.#room;
  }

  /** One that has heard the hello understands a reason even if it has not changed the protocol yet. */
  protected beginFarewell(): boolean {
    if (this.#hello === null) return false;
    if (!this.writesFrames) this.#markExtended();
    return true;
  }

  protected handleEnded(): void {
    // Whoever hands in the octets looks at `failure`.
  }
}
