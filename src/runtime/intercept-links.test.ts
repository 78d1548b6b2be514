import { describe, expect, test } from 'vitest';
import { Memory } from '../base/memory.ts';
import { Random } from '../base/random.ts';
import { addTime, type Duration, type Instant, millis, NEVER, seconds } from '../base/time.ts';
import { InterceptEnd, type InterceptEndHandler } from '../control/intercept-end.ts';
import { NoRoute, type RouteEnds } from '../ports/route-registrar.ts';
import type { ByteStream, StreamHandler } from '../ports/stream.ts';
import { formatEndpoint, parseAddress } from '../wire/address.ts';
import { InterceptLinks, type LinksConfig } from './intercept-links.ts';

const address = (text: string): RouteEnds['source'] =>
  parseAddress(text) as NonNullable<ReturnType<typeof parseAddress>>;
const session = (port: number, client = '10.1.2.3', target = '192.168.0.2'): RouteEnds => ({
  source: address(client),
  sourcePort: port,
  target: address(target),
  targetPort: 8080,
});
const hex = (octets: readonly number[]): string =>
  octets.map((octet) => octet.toString(16).padStart(2, '0')).join('');

/** The far end of one connection, as an intercept of ours or an original has it. */
class FarConnection implements ByteStream {
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
type Kind = 'ours' | 'original' | 'down';

/** Links in virtual time, and the intercepts at their other end. */
class World {
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

const VERSION = '0000000000000006';

describe('the start', () => {
  test('row 16: two connections, each begins with the version message, of which an original reads the first eight octets', async () => {
    const world = new World(['original']);
    await world.open();
    expect(world.alive()).toHaveLength(2);
    for (const { octets } of world.alive()) expect(hex(octets).slice(0, 16)).toBe(VERSION);
    expect(world.links.isExtended(0)).toBe(false);
  });

  test('between two of ours the extended protocol is agreed on', async () => {
    const world = new World(['ours', 'original']);
    await world.open();
    expect([world.links.isExtended(0), world.links.isExtended(1)]).toEqual([true, false]);
  });

  test('fails when one intercept is not there, and lets go of the others', async () => {
    const world = new World(['ours', 'down']);
    await expect(world.open()).rejects.toThrow(/ECONNREFUSED/);
    await world.settle();
    expect(world.alive(0)).toHaveLength(0);
    await world.pass(seconds(100));
    expect(world.connections[0]?.length).toBeLessThanOrEqual(2);
  });
});

describe('registrations', () => {
  test('row 17: an original is sent the add octet for octet', async () => {
    const world = new World(['original'], { connections: 1 });
    await world.open();
    world.register(session(40_000));
    expect(hex(world.alive()[0]?.octets ?? []).slice(28)).toBe('0a0102039c400001c0a800021f90');
  });

  test.each(['ours', 'original'] as const)(
    'row 18: adds alternate over the connections (%s)',
    async (kind) => {
      const world = new World([kind]);
      await world.open();
      for (let port = 1; port <= 4; port++) world.register(session(port));
      await world.settle();
      expect(world.alive().map((c) => c.sessions())).toEqual([
        ['1', '3'],
        ['2', '4'],
      ]);
    },
  );

  test('row 19: every intercept is told', async () => {
    const world = new World(['ours', 'original']);
    await world.open();
    world.register(session(9));
    for (const server of [0, 1]) {
      expect(world.alive(server).flatMap((c) => c.sessions())).toEqual(['9']);
    }
  });

  test('row 20: the add has left when flush returns', async () => {
    const world = new World(['original'], { connections: 1 });
    await world.open();
    world.links.register(session(9));
    expect(world.alive()[0]?.sessions()).toEqual([]);
    world.links.flush();
    expect(world.alive()[0]?.sessions()).toEqual(['9']);
  });

  test('row 22: with --single nothing but the version message is sent', async () => {
    const world = new World(['original'], { single: true });
    await world.open();
    expect(world.register(session(9))).toBeGreaterThanOrEqual(0);
    world.links.unregister(session(9), 0);
    world.links.flush();
    expect(world.alive().flatMap((c) => c.octets)).toHaveLength(28);
  });

  test('every connection says which tcpcopy it is, those made again too, and hears what another has', async () => {
    const world = new World(['ours', 'ours']);
    await world.open();
    (world.alive()[0] as FarConnection).die();
    await world.pass(seconds(2));
    const connections = world.connections.flat();
    expect(connections).toHaveLength(5);
    for (const { instances } of connections) expect(instances).toEqual(['0102030405060708']);
    for (const connection of world.alive(1)) connection.refuses = true;
    for (const port of [7, 8]) world.register(session(port));
    await world.settle();
    expect(world.taken).toEqual([7, 8]);
  });

  test('the end of a session goes to all connections, as its beginning may be on any; to an original where its beginning went', async () => {
    const world = new World(['ours', 'original']);
    await world.open();
    const slots = [1, 2, 3].map((port) => world.register(session(port)));
    const before = world.alive(1).map((c) => c.octets.length);
    world.links.unregister(session(2), slots[1] as number);
    world.links.flush();
    expect(world.alive(0).map((c) => c.ended)).toEqual([['2'], ['2']]);
    const added = world.alive(1).map((c, i) => c.octets.length - (before[i] as number));
    expect(added).toEqual([0, 14]);
  });

  test('IPv6 needs one of ours: an original alone can never carry it', async () => {
    const v6 = session(9, 'fd00::1', 'fd00::2');
    const original = new World(['original']);
    await original.open();
    expect(original.register(v6)).toBe(NoRoute.ever);
    const mixed = new World(['original', 'ours']);
    await mixed.open();
    expect(mixed.register(v6)).toBeGreaterThanOrEqual(0);
  });
});

describe('a connection that is lost', () => {
  test('row 32: its share goes to the others, and it is made again', async () => {
    const world = new World(['original']);
    await world.open();
    world.alive()[0]?.die();
    world.register(session(1));
    world.register(session(2));
    expect(world.alive().flatMap((c) => c.sessions())).toEqual(['1', '2']);
    await world.pass(seconds(3));
    expect(world.alive()).toHaveLength(2);
    expect(world.renewals).toBeGreaterThan(0);
    expect(
      world.said(
        /^warn Lost a connection to intercept 10\.0\.0\.1:36524: closed by the peer; 1 left/,
      ),
    ).toBe(1);
    expect(world.said(/^info All connections .* are there again/)).toBe(1);
  });

  test('row 31: a second intercept that dies and returns is connected to again', async () => {
    const world = new World(['original', 'original']);
    await world.open();
    world.kinds[1] = 'down';
    for (const connection of world.alive(1)) connection.die();
    await world.pass(seconds(30));
    expect(world.register(session(1))).toBeGreaterThanOrEqual(0);
    world.kinds[1] = 'original';
    await world.pass(seconds(3));
    expect(world.alive(1)).toHaveLength(2);
  });

  test('row 29: the last one to originals ends the program', async () => {
    const world = new World(['original']);
    await world.open();
    for (const connection of world.alive()) connection.die();
    expect(world.strandings).toBe(1);
    await world.pass(seconds(60));
    expect(world.connections[0]).toHaveLength(2);
  });

  async function comesBack(kind: Kind, lonely: boolean): Promise<void> {
    const world = new World([kind], { lonely });
    await world.open();
    world.kinds[0] = 'down';
    for (const connection of world.alive()) connection.die();
    expect(world.register(session(1))).toBe(NoRoute.now);
    await world.pass(seconds(200));
    expect(world.strandings).toBe(0);
    expect(world.said(/^warn Still no connection/)).toBe(3);
    world.kinds[0] = kind;
    const { renewals } = world;
    await world.pass(seconds(3));
    expect(world.alive()).toHaveLength(2);
    expect(world.renewals).toBeGreaterThan(renewals);
    expect(world.register(session(1))).toBeGreaterThanOrEqual(0);
  }

  test('row 30: with -L it is waited for, and back within three seconds', () =>
    comesBack('original', true));

  test('between two of ours it always is', () => comesBack('ours', false));

  test('attempts become rarer, and not so rare that a return goes unnoticed', async () => {
    const world = new World(['ours'], { connections: 1 });
    await world.open();
    let attempts = 0;
    world.kinds[0] = 'down';
    const { connections } = world;
    Object.defineProperty(world.kinds, 0, {
      get: () => {
        attempts++;
        return 'down';
      },
    });
    connections[0]?.[0]?.die();
    await world.pass(seconds(60));
    expect(attempts).toBeGreaterThan(45);
    expect(attempts).toBeLessThan(70);
  });

  test('row 33: one that breaks while adds are written costs nothing but itself', async () => {
    const world = new World(['original'], { lonely: true });
    await world.open();
    for (const connection of world.alive()) connection.reads = false;
    expect(() => world.register(session(1))).not.toThrow();
    await world.pass(millis(10));
    expect(world.said(/does not read what it is sent/)).toBeGreaterThan(0);
    await world.pass(seconds(3));
    expect(world.alive()).toHaveLength(2);
  });

  test('an intercept of ours that falls silent is noticed and left', async () => {
    const world = new World(['ours'], { connections: 1 });
    await world.open();
    await world.pass(seconds(60));
    expect(world.connections[0]).toHaveLength(1);
    (world.alive()[0] as FarConnection).isMute = true;
    await world.pass(seconds(10));
    expect(world.said(/silent for 6 seconds/)).toBe(1);
    expect(world.alive()).toHaveLength(1);
    expect(world.connections[0]).toHaveLength(2);
  });

  test('a pause of our own is not taken for the silence of the other', async () => {
    const world = new World(['ours'], { connections: 1 });
    await world.open();
    world.now = addTime(world.now, seconds(30));
    await world.pass(seconds(5));
    expect(world.connections[0]).toHaveLength(1);
  });
});

test('junk ends one connection with its reason, and the next one is tried', async () => {
  const world = new World(['original'], { connections: 1, lonely: true });
  await world.open();
  world.alive()[0]?.say(Uint8Array.of(0x45, 0, 0, 60));
  expect(world.said(/--disable-combined/)).toBe(1);
  await world.pass(seconds(3));
  expect(world.alive()).toHaveLength(1);
});

test('nothing is done any more after the end', async () => {
  const world = new World(['ours']);
  await world.open();
  world.links.close();
  world.links.close();
  await world.pass(seconds(30));
  expect(world.connections[0]).toHaveLength(2);
  expect(world.alive()).toHaveLength(0);
  expect(world.register(session(1))).toBe(NoRoute.now);
});
