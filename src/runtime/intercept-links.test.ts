import { describe, expect, test } from 'vitest';
import {
  type FarConnection,
  hex,
  type Kind,
  session,
  World,
} from '../../test/property/links-world.ts';
import { addTime, millis, seconds } from '../base/time.ts';
import { NoRoute } from '../ports/route-registrar.ts';

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
