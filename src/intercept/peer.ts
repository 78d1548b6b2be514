import type { FlowKey } from '../base/flow-table.ts';
import type { Memory } from '../base/memory.ts';
import { FrameEncoder } from '../control/frame.ts';
import {
  CONTROL_VERSION,
  RegistrationDecoder,
  type RegistrationHandler,
} from '../control/registration.ts';
import type { RouteOwner } from './route-table.ts';
import type { WaitingHandler } from './waiting.ts';

/**
 * Frames that one connection may gather between two calls of `pollTransmit`: 2048 responses in 128 KB, several times what
 * one wake-up captures.
 */
const MAX_FRAMES = 128;

/** Whom a peer reports to. */
export interface PeerHost {
  registered(peer: Peer, key: FlowKey): void;
  unregistered(peer: Peer, key: FlowKey): void;
  queueMessage(peer: Peer, memory: Memory, offset: number): void;
  versionDiffers(peer: Peer, version: number): void;
}

/** A tcpcopy: one control connection, what has been read of it and what is to be written. */
export class Peer implements RouteOwner, RegistrationHandler, WaitingHandler {
  readonly connection: number;
  readonly name: string;
  readonly #host: PeerHost;
  readonly decoder: RegistrationDecoder = new RegistrationDecoder();
  readonly encoder: FrameEncoder = new FrameEncoder(MAX_FRAMES);
  closed = false;
  routes = 0;
  /** Listed among those with something to send. */
  ready = false;

  constructor(connection: number, name: string, host: PeerHost) {
    this.connection = connection;
    this.name = name;
    this.#host = host;
  }

  handleVersion(version: number): void {
    if (version !== CONTROL_VERSION) this.#host.versionDiffers(this, version);
  }

  handleSessionAdd(key: FlowKey): void {
    this.#host.registered(this, key);
  }

  handleSessionDelete(key: FlowKey): void {
    this.#host.unregistered(this, key);
  }

  handleWaiting(memory: Memory, offset: number): void {
    this.#host.queueMessage(this, memory, offset);
  }
}
