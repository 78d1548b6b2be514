import { Memory } from '../base/memory.ts';
import {
  FRAME_ERROR_TEXT,
  FrameDecoder,
  FrameError,
  type ResponseHandler,
} from '../control/frame.ts';
import {
  EncodeResult,
  REGISTRATION_LENGTH,
  RegistrationType,
  writeRegistration,
  writeVersion,
} from '../control/registration.ts';
import type { RouteEnds, RouteRegistrar } from '../ports/route-registrar.ts';
import type { ByteStream, StreamHandler } from '../ports/stream.ts';

/** Registrations gathered before they are handed to the kernel without waiting for the end of the wake-up. */
const ROOM = 64 * REGISTRATION_LENGTH;

export interface LinkEvents extends ResponseHandler {
  /** Everything that one read brought has been handled. */
  handleResponsesRead(): void;
  /** A connection to an intercept is gone; `left` connections remain, to all intercepts together. */
  handleLinkLost(peer: string, reason: string, left: number): void;
}

/** One control connection. */
class Link implements StreamHandler {
  readonly stream: ByteStream;
  readonly #events: LinkEvents;
  readonly #onLost: (link: Link, reason: string) => void;
  readonly #decoder = new FrameDecoder();
  readonly #out = Memory.alloc(ROOM);
  #length = 0;
  isOpen = true;

  constructor(
    stream: ByteStream,
    events: LinkEvents,
    onLost: (link: Link, reason: string) => void,
  ) {
    this.stream = stream;
    this.#events = events;
    this.#onLost = onLost;
    writeVersion(this.#out, 0);
    this.#length = REGISTRATION_LENGTH;
    this.flush();
    stream.start(this);
  }

  add(type: RegistrationType, ends: RouteEnds): boolean {
    if (this.#length + REGISTRATION_LENGTH > ROOM) this.flush();
    if (!this.isOpen) return false;
    const { source, sourcePort, target, targetPort } = ends;
    const at = this.#length;
    const done = writeRegistration(this.#out, at, type, source, sourcePort, target, targetPort);
    if (done !== EncodeResult.ok) return false;
    this.#length += REGISTRATION_LENGTH;
    return true;
  }

  flush(): void {
    if (this.#length === 0 || !this.isOpen) return;
    const sent = this.stream.send(this.#out, 0, this.#length);
    this.#length = 0;
    if (!sent) this.#fail('intercept does not read what it is sent');
  }

  handleData(memory: Memory, length: number): void {
    const error = this.#decoder.push(memory, length, this.#events);
    if (error !== FrameError.none) this.#fail(FRAME_ERROR_TEXT[error]);
    this.#events.handleResponsesRead();
  }

  handleClose(reason: string): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#onLost(this, reason);
  }

  #fail(reason: string): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.stream.close();
    this.#onLost(this, reason);
  }
}

/**
 * The control connections to all intercepts. Every session is registered with each intercept, on one of its connections in
 * turn; where that one is gone, on the next that is there.
 */
export class InterceptLinks implements RouteRegistrar {
  /** By intercept, then by connection. */
  readonly #servers: Link[][];
  #turn = 0;
  #closing = false;

  /** `servers`: for each intercept its connections, at least one. */
  constructor(servers: readonly (readonly ByteStream[])[], events: LinkEvents) {
    const lost = (link: Link, reason: string): void => {
      if (!this.#closing) events.handleLinkLost(link.stream.peer, reason, this.open);
    };
    this.#servers = servers.map((streams) => streams.map((s) => new Link(s, events, lost)));
  }

  /** Connections that are up. */
  get open(): number {
    let open = 0;
    for (const links of this.#servers) for (const link of links) if (link.isOpen) open++;
    return open;
  }

  register(ends: RouteEnds): number {
    const slot = this.#turn;
    this.#turn = (this.#turn + 1) & 0xffff;
    return this.#tell(RegistrationType.sessionAdd, ends, slot) ? slot : -1;
  }

  unregister(ends: RouteEnds, slot: number): void {
    if (slot >= 0) this.#tell(RegistrationType.sessionDelete, ends, slot);
  }

  flush(): void {
    for (const links of this.#servers) for (const link of links) link.flush();
  }

  close(): void {
    this.#closing = true;
    for (const links of this.#servers) {
      for (const link of links) {
        link.flush();
        link.isOpen = false;
        link.stream.close();
      }
    }
  }

  #tell(type: RegistrationType, ends: RouteEnds, slot: number): boolean {
    let told = false;
    for (const links of this.#servers) {
      for (let i = 0; i < links.length; i++) {
        const link = links[(slot + i) % links.length] as Link;
        if (link.isOpen && link.add(type, ends)) {
          told = true;
          break;
        }
      }
    }
    return told;
  }
}
