import { Memory } from '../../src/base/memory.ts';
import { Random } from '../../src/base/random.ts';
import { addTime, type Duration, type Instant, NEVER, seconds } from '../../src/base/time.ts';
import { InterceptEnd, type InterceptEndHandler } from '../../src/control/intercept-end.ts';
import type { RouteEnds } from '../../src/ports/route-registrar.ts';
import type { ByteStream, StreamHandler } from '../../src/ports/stream.ts';
import { InterceptLinks, type LinksConfig } from '../../src/runtime/intercept-links.ts';
import { formatEndpoint, parseAddress } from '../../src/wire/address.ts';

const address = (text: string): RouteEnds['source'] =>
  parseAddress(text) as NonNullable<ReturnType<typeof parseAddress>>;
/** A session of this client port. */
export const session = (port: number, client = '10.1.2.3', target = '192.168.0.2'): RouteEnds => ({
  source: address(client),
  sourcePort: port,
  target: address(target),
  targetPort: 8080,
});
/** Without blanks. */
export const hex = (octets: readonly number[]): string =>
  octets.map((octet) => octet.toString(16).padStart(2, '0')).join('');

/** The far end of one connection, as an intercept of ours or an original has it. */
export class FarConnection implements ByteStream {
  readonly peer = 'far';
  readonly backlog = 0;
  /** Everything that came. */
  readonly octets: number[] = [];
  readonly added: string[] = [];
  readonly ended: string[] = [];
  readonly instances: string[] = [];
  /** Every session is another tcpcopy's. */
  refuses = false;
  readonly #end: InterceptEnd | null;
  #handler: StreamHandler | null = null;
  isOpen = true;
  /** It takes what it is sent and says nothing more. */
  isMute = false;
  reads = true;

  constructor(isOurs: boolean) {
    this.#end = isOurs ? new InterceptEnd(OURS, this.#notes()) : null;
  }

  start(handler: StreamHandler): void {
    this.#handler = handler;
  }

  send(memory: Memory, offset: number, length: number): boolean {
    if (!this.isOpen || !this.reads) return false;
    const octets = memory.bytes.slice(offset, offset + length);
    this.octets.push(...octets);
    const copy = Memory.alloc(length);
    copy.bytes.set(octets);
    this.#end?.handleData(copy, length);
    return true;
  }

  /** Hands over what the far end has to say. */
  answer(): boolean {
    const end = this.#end;
    if (end === null || end.length === 0 || this.isMute || !this.isOpen) return false;
    const copy = Memory.alloc(end.length);
    copy.bytes.set(end.memory.bytes.subarray(0, end.length));
    const { length } = end;
    end.clear();
    this.#handler?.handleData(copy, length);
    return true;
  }

  say(octets: Uint8Array): void {
    const copy = Memory.alloc(octets.length);
    copy.bytes.set(octets);
    this.#handler?.handleData(copy, octets.length);
  }

  /** The far program is gone. */
  die(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#handler?.handleClose('closed by the peer');
  }

  close(): void {
    this.isOpen = false;
  }

  /** Of ours or of an original, by what was said. */
  sessions(): string[] {
    return this.#end === null ? originalSessions(this.octets) : this.added;
  }

  #notes(): InterceptEndHandler {
    const name = (key: Parameters<InterceptEndHandler['handleSessionAdd']>[0]): string =>
      String(((key.words[8] as number) >>> 16) & 0xffff);
    return {
      handleVersion: () => undefined,
      handleExtended: () => undefined,
      handleSessionAdd: (key) => {
        this.added.push(name(key));
        if (this.refuses) this.#end?.addTaken(key);
      },
      handleSessionDelete: (key) => this.ended.push(name(key)),
      handleTargets: () => undefined,
      handlePayloadWanted: () => undefined,
      handleInstance: (instance) => this.instances.push(instance),
      handlePong: () => undefined,
    };
  }
}

const OURS = {
  key: null,
  allowOriginal: true,
  nonce: new Uint8Array(32),
};

/** Client ports of the adds among messages of version 6. */
function originalSessions(octets: readonly number[]): string[] {
  const ports: string[] = [];
  for (let at = 14; at + 14 <= octets.length; at += 14) {
    const word = (i: number): number =>
      (octets[at + i] as number) * 256 + (octets[at + i + 1] as number);
    if (word(6) === 1) ports.push(String(word(4)));
  }
  return ports;
}

const INSTANCE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
/** What answers at the other end of a connection. */
export type Kind = 'ours' | 'original' | 'down';

/** Links in virtual time, and the intercepts at their other end. */
export class World {
  now = seconds(1000) as number as Instant;
  readonly kinds: Kind[];
  /** By intercept, in the order in which they were made; those that are gone included. */
  readonly connections: FarConnection[][];
  readonly links: InterceptLinks;
  readonly lines: string[] = [];
  renewals = 0;
  /** Client ports of sessions that are another tcpcopy's. */
  readonly taken: number[] = [];
  strandings = 0;
  readonly #timers: { at: Instant; expire: () => void }[] = [];

  constructor(kinds: Kind[], config: Partial<LinksConfig> = {}) {
    this.kinds = kinds;
    this.connections = kinds.map(() => []);
    const names = kinds.map((_, i) => formatEndpoint(address(`10.0.0.${i + 1}`), 36524));
    const note = (level: string) => (text: string) => void this.lines.push(`${level} ${text}`);
    const log = {
      debug: note('debug'),
      info: note('info'),
      warn: note('warn'),
      error: note('error'),
    };
    this.links = new InterceptLinks(
      { names, connections: 2, lonely: false, single: false, ...config },
      {
        clock: { now: () => this.now },
        random: new Random(7),
        log,
        openTimer: (expire) => this.#openTimer(expire),
        connect: (server) => this.#connect(server),
        endOptions: () => ({
          key: null,
          nonce: new Uint8Array(32),
          targets: [],
          instance: INSTANCE,
        }),
      },
    );
  }

  async open(): Promise<void> {
    const opening = this.links.open({
      handleResponse: () => undefined,
      handleTaken: ({ words }) => this.taken.push((words[8] as number) >>> 16),
      handleResponsesRead: () => undefined,
      handleRoutesLost: () => {
        this.renewals++;
      },
      handleStranded: () => {
        this.strandings++;
      },
    });
    opening.catch(() => undefined);
    await this.pass(seconds(2));
    return opening;
  }

  /** Time passes in steps, and whatever is said meanwhile is heard. */
  async pass(time: Duration): Promise<void> {
    const until = addTime(this.now, time);
    for (;;) {
      await this.settle();
      const next = this.#timers.reduce((a, b) => (a.at < b.at ? a : b));
      if (next.at > until) break;
      this.now = Math.max(this.now, next.at) as Instant;
      next.at = NEVER;
      next.expire();
    }
    this.now = until;
  }

  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      await Promise.resolve();
      for (const list of this.connections) for (const c of list) if (c.answer()) quiet = 0;
    }
  }

  /** The connections to an intercept that are there now. */
  alive(server = 0): FarConnection[] {
    return (this.connections[server] as FarConnection[]).filter((c) => c.isOpen);
  }

  register(ends: RouteEnds): number {
    const slot = this.links.register(ends);
    this.links.flush();
    return slot;
  }

  said(pattern: RegExp): number {
    return this.lines.filter((line) => pattern.test(line)).length;
  }

  #connect(server: number): Promise<ByteStream> {
    const kind = this.kinds[server];
    if (kind === 'down') return Promise.reject(new Error('Cannot connect: ECONNREFUSED'));
    const connection = new FarConnection(kind === 'ours');
    (this.connections[server] as FarConnection[]).push(connection);
    return Promise.resolve(connection);
  }

  #openTimer(expire: () => void) {
    const timer = { at: NEVER, expire };
    this.#timers.push(timer);
    return {
      arm: (at: Instant) => {
        timer.at = at;
      },
      close: () => {
        timer.at = NEVER;
      },
    };
  }
}
