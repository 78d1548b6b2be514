import { FlowKey } from '../base/flow-key.ts';
import type { Memory } from '../base/memory.ts';
import type { IpAddress } from '../wire/address.ts';
import { Announcements } from './announcements.ts';
import { type Handshake, prove, Prover } from './authentication.ts';
import { ControlEnd } from './control-end.ts';
import { FINE, FrameType } from './extended-frame.ts';
import { Fault } from './fault.ts';
import { FrameDecoder, Mark, type ResponseHandler } from './frame.ts';
import { FRAME_ERROR_TEXT, FrameError } from './frame-error.ts';
import { EXTENDED_VERSION, HelloFlag, HelloReader } from './hello.ts';
import { REGISTRATION_LENGTH, RegistrationType, writeOffer, writeSwitch } from './registration.ts';
import { COMBINED } from './response-form.ts';
import { readRecord } from './response-record.ts';
import { addOctets, ByeCode, type ControlTarget, readSession, readU64 } from './small-frames.ts';
import { Stage, TellResult } from './stage.ts';
import type { TcpcopyEndHandler, TcpcopyEndOptions } from './tcpcopy-end-options.ts';
import { tellExtended, tellVersion6 } from './telling.ts';

export { HELLO_PATIENCE, Stage, TellResult } from './stage.ts';
export type { TcpcopyEndHandler, TcpcopyEndOptions } from './tcpcopy-end-options.ts';

/** Octets of output from which on no session is taken; what must be said besides has the rest. */
const SESSIONS_ROOM = 65_536;
const OUTPUT_ROOM = 131_072;
const FIRST_ROOM = 1024;

/**
 * tcpcopy's end of a control connection, without I/O. Octets in through `handleData`; what is to be sent lies at
 * `memory[0 … length)` and is forgotten by `clear`. After the constructor, and after every call of `handleData`, `clear` or a
 * command, the owner sends what is there.
 */
export class TcpcopyEnd extends ControlEnd {
  readonly #handler: TcpcopyEndHandler;
  readonly #options: TcpcopyEndOptions;
  #version6: FrameDecoder;
  readonly #fromVersion6: ResponseHandler;
  protected readonly peerName = 'intercept';
  #stage: Stage = Stage.offered;
  #hello: HelloReader | null = null;
  #capabilities = 0;
  readonly #announcements: Announcements;
  readonly #key = new FlowKey();
  /** Responses that came from an intercept that had not proved the key, and were dropped. */
  unproven = 0;

  constructor(options: TcpcopyEndOptions, handler: TcpcopyEndHandler) {
    super(handler, OUTPUT_ROOM, FIRST_ROOM);
    this.#options = options;
    this.#handler = handler;
    this.#announcements = new Announcements(options);
    this.#version6 = new FrameDecoder({ form: options.responseForm ?? COMBINED, marks: true });
    this.#fromVersion6 = {
      handleResponse: (memory, offset) => this.#handleMessage(memory, offset),
    };
    const at = this.take(REGISTRATION_LENGTH);
    writeOffer(this.memory, at, EXTENDED_VERSION);
  }

  get stage(): Stage {
    return this.#stage;
  }

  /** What the intercept can do, see `Capability`; 0 in version 6. */
  get capabilities(): number {
    return this.#capabilities;
  }

  /** What was in the output has been sent. What had to wait for room may be there instead. */
  clear(): void {
    this.out.clear();
    this.#sendDue();
  }

  /**
   * Due `HELLO_PATIENCE` after the connection has begun. Where no hello came it is version 6 from here on; with a key, an intercept
   * that has not proved it by now never will, and the result is false.
   */
  handleTimeout(): boolean {
    if (this.#options.key !== null && this.#stage < Stage.extended) {
      this.failWith(
        Fault.notProven,
        'intercept has not proved the key: an original intercept cannot; start one of this program with the same key, or leave the key out here',
      );
    } else if (this.#stage === Stage.offered) {
      this.#enter(Stage.version6);
    }
    return this.failure === null;
  }

  /** The client is as the target sees it, after every rewriting: exactly the source of the packets that follow. */
  register(
    client: IpAddress,
    clientPort: number,
    target: IpAddress,
    targetPort: number,
  ): TellResult {
    return this.#tell(RegistrationType.sessionAdd, client, clientPort, target, targetPort);
  }

  /** The session has ended and its route is not needed. Octet for octet the ends that `register` was given. */
  endSession(
    client: IpAddress,
    clientPort: number,
    target: IpAddress,
    targetPort: number,
  ): TellResult {
    return this.#tell(RegistrationType.sessionDelete, client, clientPort, target, targetPort);
  }

  /** Replaces the list; sent now or as soon as the peer understands it. More than `MAX_TARGETS` mean everything. */
  setTargets(targets: readonly ControlTarget[]): void {
    this.#announcements.setTargets(targets);
    this.#sendDue();
  }

  /** Octets of payload wanted of each response from here on. */
  setPayload(octets: number): void {
    this.#announcements.setPayload(octets);
    this.#sendDue();
  }

  /** Says why the connection is about to be closed, where the peer understands it. Nothing is read or taken after. */
  bye(reason: string): void {
    this.end({ fault: Fault.bye, reason }, ByeCode.done);
  }

  #tell(
    type: RegistrationType,
    client: IpAddress,
    clientPort: number,
    target: IpAddress,
    targetPort: number,
  ): TellResult {
    if (this.#stage === Stage.closed) return TellResult.closed;
    if (this.#stage === Stage.proving) return TellResult.notYet;
    if (this.#stage === Stage.offered && this.#options.key !== null) return TellResult.notYet;
    const { out } = this;
    if (out.length >= SESSIONS_ROOM) return TellResult.full;
    if (this.#stage === Stage.extended) {
      const can = this.#capabilities;
      return tellExtended(out, can, type, client, clientPort, target, targetPort);
    }
    const told = tellVersion6(out, type, client, clientPort, target, targetPort);
    const mayChange = told === TellResult.needsIpv6 && this.#stage === Stage.offered;
    return mayChange ? TellResult.notYet : told;
  }

  /** Reads frames of version 6 and what stands between them, and returns where it stopped. */
  protected readVersion6(memory: Memory, at: number, length: number): number {
    const hello = this.#hello;
    if (hello !== null && !hello.isComplete) {
      const stopped = hello.push(memory, at, length);
      if (hello.isComplete) this.#handleHello(hello);
      return stopped;
    }
    const decoder = this.#version6;
    const error = decoder.push(memory, length, this.#fromVersion6, at);
    if (error !== FrameError.none && this.failure === null) {
      this.failWith(Fault.badFrame, FRAME_ERROR_TEXT[error]);
    } else if (decoder.mark === Mark.hello) {
      if (hello === null) this.#beginHello();
      else this.failWith(Fault.badHello, 'intercept answered the offer twice');
    } else if (decoder.mark === Mark.extended) {
      if (hello !== null) this.readsFrames = true;
      else this.failWith(Fault.badSwitch, 'intercept changed the protocol before it was agreed on');
    }
    return decoder.consumed;
  }

  /** Whoever says hello sends the default form from here on, whatever we were told of originals. */
  #beginHello(): void {
    this.#hello = new HelloReader();
    this.#version6 = new FrameDecoder({ marks: true });
  }

  #handleHello(reader: HelloReader): void {
    const { version, flags, capabilities } = reader.hello;
    const { key } = this.#options;
    if (!reader.isGenuine || version < 1 || version > EXTENDED_VERSION) {
      this.failWith(
        Fault.badHello,
        `intercept chose version ${version} of the extended protocol, versions up to ${EXTENDED_VERSION} were offered: look for what alters the stream`,
      );
      return;
    }
    this.#capabilities = capabilities;
    const at = this.take(REGISTRATION_LENGTH);
    writeSwitch(this.memory, at);
    this.writesFrames = true;
    if (key === null && (flags & HelloFlag.keyRequired) !== 0) {
      this.failWith(
        Fault.keyRequired,
        'intercept serves only those that prove its key: give tcpcopy the same key file',
      );
    } else if (key === null) {
      this.#begin();
    } else if ((flags & HelloFlag.hasKey) === 0) {
      this.failWith(
        Fault.peerWithoutKey,
        'intercept has no key to prove: give it the key file that tcpcopy was given, or leave the key out here',
      );
    } else {
      const { nonce } = this.#options;
      const proof = prove(key, Prover.tcpcopy, this.#handshake(reader));
      addOctets(this.out, FrameType.authenticate, nonce, proof);
      this.#enter(Stage.proving);
    }
  }

  #handshake(reader: HelloReader): Handshake {
    const { nonce, channelBinding } = this.#options;
    return { offered: EXTENDED_VERSION, hello: reader.body, clientNonce: nonce, channelBinding };
  }

  /** From here on all is said in extended frames. */
  #begin(): void {
    this.#announcements.begin(this.#capabilities);
    this.#stage = Stage.extended;
    this.#sendDue();
    this.#handler.handleStage(Stage.extended);
  }

  #sendDue(): void {
    if (this.#stage === Stage.extended) this.#announcements.sendDue(this.out);
  }

  #handleMessage(memory: Memory, offset: number): void {
    if (this.failure !== null) return;
    if (this.#options.key !== null) {
      this.unproven++;
      return;
    }
    this.#handler.handleResponse(memory, offset, this.#version6.messageLength, 0, 0);
  }

  protected admit(type: FrameType): Fault | typeof FINE {
    if (type === FrameType.ping || type === FrameType.pong) return FINE;
    if (type === FrameType.authenticated) {
      return this.#stage === Stage.proving ? FINE : Fault.outOfTurn;
    }
    const isTaken = type === FrameType.taken && this.#announcements.hasLeases(this.#capabilities);
    if (!isTaken && type !== FrameType.responses && type !== FrameType.counts) {
      return Fault.outOfTurn;
    }
    return this.#stage === Stage.extended ? FINE : Fault.tooEarly;
  }

  protected handleFrame(
    type: FrameType,
    memory: Memory,
    offset: number,
    length: number,
  ): Fault | typeof FINE {
    switch (type) {
      case FrameType.responses:
        return readRecord(memory, offset, length, this.#handler);
      case FrameType.counts:
        this.#handler.handleCount(memory.view.getUint16(offset), readU64(memory, offset + 4));
        return FINE;
      case FrameType.taken:
        this.#handler.handleTaken(readSession(memory, offset, this.#key));
        return FINE;
      default:
        this.#handleProof(memory.bytes.slice(offset, offset + length));
        return FINE;
    }
  }

  #handleProof(proof: Uint8Array): void {
    const { key } = this.#options;
    if (key === null || this.#hello === null) return;
    const handshake = this.#handshake(this.#hello);
    if (this.checkProof(proof, prove(key, Prover.intercept, handshake))) this.#begin();
  }

  protected get isMidVersion6(): boolean {
    const inHello = this.#hello !== null && !this.#hello.isComplete;
    return inHello || this.#version6.inFrame;
  }

  protected get mayAsk(): boolean {
    return this.#stage === Stage.extended;
  }

  protected get mayAnswer(): boolean {
    return true;
  }

  protected beginFarewell(): boolean {
    return this.writesFrames;
  }

  protected handleEnded(): void {
    this.#enter(Stage.closed);
  }

  #enter(stage: Stage): void {
    this.#stage = stage;
    this.#handler.handleStage(stage);
  }
}
