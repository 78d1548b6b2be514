import { FlowKey } from '../base/flow-key.ts';
import { Memory } from '../base/memory.ts';
import { type IpAddress, V4_MAPPED } from '../wire/address.ts';

/*
 * What tcpcopy tells intercept: messages of 14 octets, one after another, no frame around them.
 *
 *    0        4      6      8         12     14
 *    +--------+------+------+---------+------+
 *    | client | port | type | target  | port |    all big-endian
 *    +--------+------+------+---------+------+
 */

/** Of one message, in octets. */
export const REGISTRATION_LENGTH = 14;
/** The version of the protocol that original peers speak, and the type of the first message. */
export const CONTROL_VERSION = 6;

export const RegistrationType = { sessionAdd: 1, sessionDelete: 2 } as const;
export type RegistrationType = (typeof RegistrationType)[keyof typeof RegistrationType];

/** Type of the message after which tcpcopy speaks the extended protocol, "XT"; all else in it is zero. */
export const SWITCH_TYPE = 0x5854;
/**
 * "TCPX", in the target address of the first message: its sender speaks the extended protocol, up to the version in the target
 * port. An original intercept does not read these fields.
 */
const OFFER = 0x5443_5058;

/** Whether a session could be put into a message. */
export const EncodeResult = {
  ok: 0,
  /** Version 6 has four octets for an address; an IPv6 session cannot be registered with it. */
  needsIpv6: 1,
} as const;
export type EncodeResult = (typeof EncodeResult)[keyof typeof EncodeResult];

/** Writes the message that must come first on every connection. */
export function writeVersion(memory: Memory, offset: number): void {
  memory.bytes.fill(0, offset, offset + REGISTRATION_LENGTH);
  memory.view.setUint16(offset + 6, CONTROL_VERSION);
}

/** Writes the first message of one that speaks the extended protocol, too, up to `version` (1 to 65535). */
export function writeOffer(memory: Memory, offset: number, version: number): void {
  writeVersion(memory, offset);
  memory.view.setInt32(offset + 8, OFFER);
  memory.view.setUint16(offset + 12, version);
}

/** Writes the message after which all octets are of the extended protocol. */
export function writeSwitch(memory: Memory, offset: number): void {
  memory.bytes.fill(0, offset, offset + REGISTRATION_LENGTH);
  memory.view.setUint16(offset + 6, SWITCH_TYPE);
}

/**
 * Writes a session's add or delete. The client is as the target sees it, after every rewriting: exactly the source of the
 * packets that follow. Nothing is written unless the result is `ok`.
 */
export function writeRegistration(
  memory: Memory,
  offset: number,
  type: RegistrationType,
  client: IpAddress,
  clientPort: number,
  target: IpAddress,
  targetPort: number,
): EncodeResult {
  if (client.family !== 4 || target.family !== 4) return EncodeResult.needsIpv6;
  const { view } = memory;
  view.setInt32(offset, client.w3);
  view.setUint16(offset + 4, clientPort);
  view.setUint16(offset + 6, type);
  view.setInt32(offset + 8, target.w3);
  view.setUint16(offset + 12, targetPort);
  return EncodeResult.ok;
}

/** The key is re-used: it is valid only during the call. Its near end is the client, its far end the target. */
export interface RegistrationHandler {
  /**
   * The first message has come. A version other than ours deserves a warning, no more: so the original does it. `offered`: the
   * highest version of the extended protocol that the peer speaks; 0 when it speaks none.
   */
  handleVersion(version: number, offered: number): void;
  handleSessionAdd(key: FlowKey): void;
  handleSessionDelete(key: FlowKey): void;
}

/** Why a control connection cannot go on. */
export const RegistrationError = {
  none: 0,
  /** The first message names a client: a peer from before versions, or one that is no tcpcopy at all. */
  noVersion: 1,
} as const;
export type RegistrationError = (typeof RegistrationError)[keyof typeof RegistrationError];

/** intercept's end of a connection: octets in, in pieces of any size, messages out. One for each connection. */
export class RegistrationDecoder {
  readonly #scratch = Memory.alloc(REGISTRATION_LENGTH);
  readonly #key = new FlowKey();
  #partial = 0;
  #started = false;
  #offered = 0;
  #switched = false;
  #error: RegistrationError = RegistrationError.none;
  /** Where the last `push` stopped: at the end of what it was given, or behind the message that changes the protocol. */
  consumed = 0;
  /** Whole messages read, the first one included. */
  messages = 0;
  /** Messages of a type that this version does not know, passed over. */
  ignored = 0;

  get error(): RegistrationError {
    return this.#error;
  }

  /** The first message has come. */
  get isStarted(): boolean {
    return this.#started;
  }

  /** All that follows `consumed` is of the extended protocol. */
  get isSwitched(): boolean {
    return this.#switched;
  }

  /** Octets of a message that is not complete yet. */
  get partial(): number {
    return this.#partial;
  }

  /** Reads `memory[offset … end)`. After an error nothing more is read, and every call returns that error. */
  push(memory: Memory, end: number, handler: RegistrationHandler, offset = 0): RegistrationError {
    let at = offset;
    while (at < end && this.#error === RegistrationError.none && !this.#switched) {
      if (this.#partial === 0 && end - at >= REGISTRATION_LENGTH) {
        this.#message(memory, at, handler);
        at += REGISTRATION_LENGTH;
        continue;
      }
      this.#scratch.bytes[this.#partial++] = memory.bytes[at++] as number;
      if (this.#partial === REGISTRATION_LENGTH) {
        this.#partial = 0;
        this.#message(this.#scratch, 0, handler);
      }
    }
    this.consumed = at;
    return this.#error;
  }

  #message(memory: Memory, at: number, handler: RegistrationHandler): void {
    const { view } = memory;
    const client = view.getInt32(at);
    const clientPort = view.getUint16(at + 4);
    const type = view.getUint16(at + 6);
    this.messages++;
    if (!this.#started) {
      this.#started = true;
      if (client !== 0 || clientPort !== 0) {
        this.#error = RegistrationError.noVersion;
        return;
      }
      const offers = type === CONTROL_VERSION && view.getInt32(at + 8) === OFFER;
      this.#offered = offers ? view.getUint16(at + 12) : 0;
      handler.handleVersion(type, this.#offered);
      return;
    }
    if (type === SWITCH_TYPE && this.#offered > 0 && client === 0 && clientPort === 0) {
      this.#switched = true;
      return;
    }
    if (type !== RegistrationType.sessionAdd && type !== RegistrationType.sessionDelete) {
      this.ignored++;
      return;
    }
    const key = this.#key;
    key.setAddress(0, 0, 0, V4_MAPPED, client);
    key.setAddress(4, 0, 0, V4_MAPPED, view.getInt32(at + 8));
    key.setPorts(clientPort, view.getUint16(at + 12));
    if (type === RegistrationType.sessionAdd) handler.handleSessionAdd(key);
    else handler.handleSessionDelete(key);
  }
}
