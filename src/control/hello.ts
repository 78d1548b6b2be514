import type { Memory } from '../base/memory.ts';
import { HELLO_BODY_LENGTH, SECRET_LENGTH } from './authentication.ts';
import { Mark } from './frame.ts';

/*
 * What an intercept of ours answers to an offer, between two frames of version 6:
 *
 *    0      4         6       8              12                44
 *    +------+---------+-------+--------------+-----------------+
 *    | TCPX | version | flags | capabilities | nonce of 32     |    all big-endian
 *    +------+---------+-------+--------------+-----------------+
 */

/** The version of the extended protocol that this release speaks. */
export const EXTENDED_VERSION = 1;
export const HELLO_LENGTH: number = 4 + HELLO_BODY_LENGTH;
/** "PX": what follows the two octets by which a hello is told from a frame. */
const HELLO_TAIL = 0x5058;

export const HelloFlag = {
  /** Nothing is taken before the peer has proved the key. */
  keyRequired: 1,
  /** intercept holds a key and can prove it. */
  hasKey: 2,
} as const;

export const Capability = {
  /** Sessions and responses of IPv6. */
  ipv6: 1,
  /** END is understood: a session's route is given up when the session ends. */
  sessionEnd: 2,
  /** Responses carry the time at which the assistant's kernel received them. */
  receiveTimes: 4,
  /** Responses can carry payload: SETTINGS is understood. */
  payload: 8,
  /** COUNTS are sent. */
  counts: 16,
  /** Reserved: packets to be injected. */
  injection: 32,
  /** A session is its tcpcopy's until it has ended: INSTANCE is understood, TAKEN is sent. */
  leases: 64,
} as const;

/** What this release can do. */
export const CAPABILITIES: number =
  Capability.ipv6 |
  Capability.sessionEnd |
  Capability.receiveTimes |
  Capability.payload |
  Capability.counts |
  Capability.leases;

export interface Hello {
  readonly version: number;
  readonly flags: number;
  readonly capabilities: number;
}

/** Writes the 44 octets at `memory[offset …]`. */
export function writeHello(memory: Memory, offset: number, hello: Hello, nonce: Uint8Array): void {
  const { bytes, view } = memory;
  view.setUint16(offset, Mark.hello);
  view.setUint16(offset + 2, HELLO_TAIL);
  view.setUint16(offset + 4, hello.version);
  view.setUint16(offset + 6, hello.flags);
  view.setUint32(offset + 8, hello.capabilities);
  for (let i = 0; i < SECRET_LENGTH; i++) bytes[offset + 12 + i] = nonce[i] as number;
}

/** Gathers a hello behind the two octets that announce it. */
export class HelloReader {
  /** "PX" and the body. */
  readonly #octets = new Uint8Array(2 + HELLO_BODY_LENGTH);
  #held = 0;

  /** Reads from `memory[offset … end)` and returns where it stopped. */
  push(memory: Memory, offset: number, end: number): number {
    let at = offset;
    while (at < end && !this.isComplete) this.#octets[this.#held++] = memory.bytes[at++] as number;
    return at;
  }

  get isComplete(): boolean {
    return this.#held === this.#octets.length;
  }

  /** Whether it begins as a hello does; of a complete one. */
  get isGenuine(): boolean {
    return this.#word(0) === HELLO_TAIL;
  }

  /** The octets that are proved. */
  get body(): Uint8Array {
    return this.#octets.slice(2);
  }

  get hello(): Hello {
    return {
      version: this.#word(2),
      flags: this.#word(4),
      capabilities: this.#word(6) * 0x1_0000 + this.#word(8),
    };
  }

  #word(at: number): number {
    return ((this.#octets[at] as number) << 8) | (this.#octets[at + 1] as number);
  }
}
