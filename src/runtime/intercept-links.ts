import type { FlowKey } from '../base/flow-key.ts';
import type { Memory } from '../base/memory.ts';
import type { Random } from '../base/random.ts';
import { addTime, type Instant, millis, NEVER, seconds } from '../base/time.ts';
import { TellResult, type TcpcopyEndOptions } from '../control/tcpcopy-end.ts';
import type { Log } from '../ports/log.ts';
import type { Clock, WakeTimer } from '../ports/reactor.ts';
import { NoRoute, type RouteEnds, type RouteRegistrar } from '../ports/route-registrar.ts';
import type { ByteStream } from '../ports/stream.ts';
import { InterceptLink, type LinkHost, type LinkLoss } from './intercept-link.ts';

/** After connections have come or gone, all sessions are told again; those that come or go together, once. */
const RENEWAL_DELAY = millis(20);
/** An intercept that stays away is spoken of again after this. */
const REMINDER = seconds(60);

/** Why the links could not be made: the loss of the first that was not. */
export class LinkError extends Error {
  override readonly name: string = 'LinkError';
  readonly server: string;
  readonly loss: LinkLoss;

  constructor(server: string, loss: LinkLoss) {
    super(loss.reason);
    this.server = server;
    this.loss = loss;
  }
}

/** What the owner of the links is told. */
export interface LinkEvents {
  /** As `TcpcopyEndHandler.handleResponse`. */
  handleResponse(
    memory: Memory,
    offset: number,
    length: number,
    wireLength: number,
    receivedAt: number,
  ): void;
  /** As `TcpcopyEndHandler.handleTaken`. */
  handleTaken(key: FlowKey): void;
  /** Everything that one read brought has been handled. */
  handleResponsesRead(): void;
  /** Connections have come or gone: every session that lives must be registered again. */
  handleRoutesLost(): void;
  /** No connection to any intercept is left, and none will be made again. */
  handleStranded(): void;
}

export interface LinksConfig {
  /** For messages, as the person wrote it. One for each intercept. */
  readonly names: readonly string[];
  /** To each intercept, at least 1. */
  readonly connections: number;
  /** Go on without any intercept, even where all are originals (-L). */
  readonly lonely: boolean;
  /** Register nothing: intercept deals its responses out to our connections (--single). */
  readonly single: boolean;
}

export interface LinksParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly openTimer: (callback: () => void) => WakeTimer;
  /** Connects to the intercept of this number. */
  readonly connect: (server: number) => Promise<ByteStream>;
  readonly endOptions: (stream: ByteStream) => TcpcopyEndOptions;
}

/** One intercept: its links, and what has been said of it. */
class Server {
  readonly name: string;
  readonly links: InterceptLink[] = [];
  /** It has spoken the extended protocol: it will again when it is back. */
  isOurs = false;
  /** When its absence may be spoken of again. */
  remindAt: Instant = 0 as Instant;
  /** Its counts, by id, as it said them last, and those of connections that are gone. */
  readonly counts = new Map<number, number>();
  readonly gone = new Map<number, number>();

  constructor(name: string) {
    this.name = name;
  }

  get up(): number {
    let up = 0;
    for (const link of this.links) if (link.isUp) up++;
    return up;
  }
}

/**
 * The control connections to all intercepts. Every session is registered with each intercept, on one of its connections in
 * turn; where that one is gone, on the next that is there. What is lost is made again.
 */
export class InterceptLinks implements RouteRegistrar {
  readonly #config: LinksConfig;
  readonly #parts: LinksParts;
  readonly #servers: Server[];
  readonly #timer: WakeTimer;
  #events: LinkEvents | undefined;
  #starting: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #renewAt: Instant = NEVER;
  #turn = 0;
  #isClosed = false;

  constructor(config: LinksConfig, parts: LinksParts) {
    this.#config = config;
    this.#parts = parts;
    this.#timer = parts.openTimer(() => this.#handleTimer());
    this.#servers = config.names.map((name, i) => this.#makeServer(name, i));
  }

  /** Makes all connections. Rejects with a `LinkError`, and closes everything, when one cannot be made. */
  open(events: LinkEvents): Promise<void> {
    this.#events = events;
    return new Promise((resolve, reject) => {
      this.#starting = { resolve, reject };
      for (const { links } of this.#servers) for (const link of links) link.open();
    });
  }

  /** Connections that are up. */
  get up(): number {
    return this.#servers.reduce((sum, server) => sum + server.up, 0);
  }

  /** Whether the intercept of this number has spoken the extended protocol. */
  isExtended(server: number): boolean {
    return this.#servers[server]?.isOurs ?? false;
  }

  /** What the intercepts of ours have said of their side, by `CountId`, summed over them. */
  counts(): ReadonlyMap<number, number> {
    const sums = new Map<number, number>();
    for (const { counts, gone, links } of this.#servers) {
      for (const source of [counts, gone, ...links.map((link) => link.counts)]) addUp(sums, source);
    }
    return sums;
  }

  register(ends: RouteEnds): number {
    if (this.#config.single) return this.up > 0 ? 0 : NoRoute.now;
    const slot = this.#turn;
    this.#turn = (this.#turn + 1) & 0xffff;
    let isTold = false;
    let isTooLong = false;
    for (const { links } of this.#servers) {
      for (let i = 0; i < links.length; i++) {
        const told = (links[(slot + i) % links.length] as InterceptLink).register(ends);
        if (told === TellResult.ok) isTold = true;
        else if (told === TellResult.needsIpv6) isTooLong = true;
        else continue;
        break;
      }
    }
    if (isTold) return slot;
    return isTooLong ? NoRoute.ever : NoRoute.now;
  }

  unregister(ends: RouteEnds, slot: number): void {
    if (slot < 0 || this.#config.single) return;
    for (const { links } of this.#servers) {
      for (let i = 0; i < links.length; i++) {
        const link = links[(slot + i) % links.length] as InterceptLink;
        // Told again meanwhile, its beginning may still be under way on another connection: the end comes behind it on each.
        if (link.unregister(ends) === TellResult.ok && !link.isExtended) break;
      }
    }
  }

  flush(): void {
    for (const { links } of this.#servers) for (const link of links) link.flush();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const { links } of this.#servers) for (const link of links) link.close();
    this.#timer.close();
  }

  #makeServer(name: string, index: number): Server {
    const server = new Server(name);
    const { clock, random, connect, endOptions } = this.#parts;
    const host: LinkHost = {
      random,
      now: () => clock.now(),
      connect: () => connect(index),
      endOptions,
      handleResponse: (memory, offset, length, wireLength, receivedAt) =>
        this.#events?.handleResponse(memory, offset, length, wireLength, receivedAt),
      handleTaken: (key) => this.#events?.handleTaken(key),
      handleCount: (id, value) => server.counts.set(id, value),
      handleRead: () => this.#events?.handleResponsesRead(),
      handleUp: (link) => this.#handleUp(server, link),
      handleDown: (link, loss, wasUp) => this.#handleDown(server, link, loss, wasUp),
      handleDeadline: () => this.#arm(),
    };
    for (let i = 0; i < this.#config.connections; i++) server.links.push(new InterceptLink(host));
    return server;
  }

  #handleUp(server: Server, link: InterceptLink): void {
    const { log } = this.#parts;
    if (link.isExtended) server.isOurs = true;
    const { up } = server;
    if (this.#starting === undefined) {
      if (up === server.links.length)
        log.info(`All connections to intercept ${server.name} are there again`);
      server.remindAt = 0 as Instant;
      this.#renewSoon();
    } else if (this.up === this.#servers.length * this.#config.connections) {
      const { resolve } = this.#starting;
      this.#starting = undefined;
      resolve();
    }
  }

  #handleDown(server: Server, link: InterceptLink, loss: LinkLoss, wasUp: boolean): void {
    const { log, clock } = this.#parts;
    const { reason } = loss;
    addUp(server.gone, link.counts);
    link.counts.clear();
    if (this.#starting !== undefined) {
      const { reject } = this.#starting;
      this.#starting = undefined;
      this.close();
      reject(new LinkError(server.name, loss));
      return;
    }
    const { up } = this;
    const now = clock.now();
    if (wasUp) {
      log.warn(
        `Lost a connection to intercept ${server.name}: ${reason}; ${up} left, trying again`,
      );
      server.remindAt = addTime(now, REMINDER);
      this.#renewSoon();
    } else if (now >= server.remindAt) {
      log.warn(`Still no connection to intercept ${server.name}: ${reason}; trying again`);
      server.remindAt = addTime(now, REMINDER);
    }
    if (up > 0 || this.#config.lonely || this.#servers.some(({ isOurs }) => isOurs)) return;
    this.close();
    this.#events?.handleStranded();
  }

  /** What is registered where has changed for every session, since each connection takes its share of them. */
  #renewSoon(): void {
    if (this.#renewAt !== NEVER) return;
    this.#renewAt = addTime(this.#parts.clock.now(), RENEWAL_DELAY);
    this.#arm();
  }

  #handleTimer(): void {
    const now = this.#parts.clock.now();
    for (const { links } of this.#servers) for (const link of links) link.handleTimeout(now);
    if (this.#renewAt <= now) {
      this.#renewAt = NEVER;
      this.#events?.handleRoutesLost();
    }
    this.#arm();
  }

  #arm(): void {
    if (this.#isClosed) return;
    let at = this.#renewAt;
    for (const { links } of this.#servers) {
      for (const link of links) if (link.deadline < at) at = link.deadline;
    }
    this.#timer.arm(at);
  }
}

function addUp(sums: Map<number, number>, counts: ReadonlyMap<number, number>): void {
  for (const [id, value] of counts) sums.set(id, (sums.get(id) ?? 0) + value);
}
