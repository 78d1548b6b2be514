import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FlowKey } from '../base/flow-key.ts';
import { Random } from '../base/random.ts';
import { addTime, type Instant, NEVER, seconds } from '../base/time.ts';
import { originalKey } from './original-key.ts';
import {
  LINGER,
  Registered,
  RouteOwner,
  RouteQuota,
  RouteState,
  RouteTable,
} from './route-table.ts';

const { added, repeated, moved, refused } = Registered;
const { live, ended, orphaned } = RouteState;

const at = (s: number): Instant => addTime(0 as Instant, seconds(s));
const T0 = at(0);
const owner = (quota = new RouteQuota(1 << 24)): RouteOwner => new RouteOwner(quota);

const key = new FlowKey();
/** What the model test does, as often as it stands here. */
const MOSTLY_ADD = ['add', 'add', 'add', 'add', 'add', 'add', 'wait', 'end', 'release'] as const;

/** The key of the n-th session: client 10.0.0.0 + n / 50000, port 1024 + n % 50000. */
function session(n: number): FlowKey {
  key.setAddress(0, 0, 0, 0xffff, (10 << 24) + Math.floor(n / 50_000));
  key.setAddress(4, 0, 0, 0xffff, 0xc0a8_0002);
  key.setPorts(1024 + (n % 50_000), 8080);
  return key;
}

/** Of client, its port, target and its port. */
function keyOf([client, clientPort, target, targetPort]: readonly number[]): FlowKey {
  key.setAddress(0, 0, 0, 0xffff, client!);
  key.setAddress(4, 0, 0, 0xffff, target!);
  key.setPorts(clientPort!, targetPort!);
  return key;
}

const originalKeyOf = ([client, clientPort, target, targetPort]: readonly number[]): number =>
  originalKey(client!, clientPort!, target!, targetPort!);

function stateOf(table: RouteTable<RouteOwner>, n: number): RouteState | undefined {
  const row = table.find(session(n));
  return row < 0 ? undefined : table.stateOf(row);
}

/** Whom the responses of session `n` go to. */
function route(table: RouteTable<RouteOwner>, n: number): RouteOwner | undefined {
  const row = table.find(session(n));
  return row >= 0 && table.stateOf(row) === live ? table.ownerOf(row) : undefined;
}

describe('RouteTable', () => {
  it('row 100: registers, finds and removes a million sessions, exactly, at no more than 70 octets each', () => {
    const table = new RouteTable(1);
    const owners = Array.from({ length: 3 }, () => owner());
    const count = 1_000_000;
    for (let n = 0; n < count; n++) table.add(T0, session(n), owners[n % 3]!);
    let wrong = 0;
    for (let n = 0; n < count; n++) if (route(table, n) !== owners[n % 3]) wrong++;
    expect([wrong, table.size, table.refused, table.reclaimed]).toEqual([0, count, 0, 0]);
    expect(owners.map(({ routes }) => routes)).toEqual([333_334, 333_333, 333_333]);
    expect(Math.ceil(table.bytes / (1 << 20))).toBeLessThanOrEqual(70);

    for (let n = 0; n < count; n += 2) table.end(T0, session(n), owners[n % 3]!);
    for (let n = 0; n < count; n++) {
      if (route(table, n) !== (n % 2 === 0 ? undefined : owners[n % 3])) wrong++;
    }
    expect([wrong, table.size, table.lingering]).toEqual([0, count / 2, count / 2]);
    owners.forEach((one) => table.release(one));
    const late = addTime(T0, LINGER);
    while (table.deadline !== NEVER) table.expire(late);
    for (let n = 0; n < count; n++) if (table.find(session(n)) >= 0) wrong++;
    expect([wrong, table.size, table.lingering]).toEqual([0, 0, 0]);
  });

  it('row 101: keeps sessions apart that have the same key in the original', () => {
    // As many as one would copy: by chance some of them meet there.
    const random = new Random(1);
    const seen = new Map<number, number[]>();
    const pairs: [number[], number[]][] = [
      // By design: one more in the client's address, one less in the target's.
      [
        [0x0a01_0203, 40_000, 0xc0a8_0002, 80],
        [0x0a01_0204, 40_000, 0xc0a8_0001, 80],
      ],
    ];
    for (let n = 0; n < 200_000; n++) {
      const client = 0x0a00_0000 + random.int(1, 1 << 24);
      const ends = [client, random.int(1024, 65_536), 0xc0a8_0000 + random.int(1, 255), 80];
      const sum = originalKeyOf(ends);
      const other = seen.get(sum);
      if (other === undefined) seen.set(sum, ends);
      else if (other.join() !== ends.join()) pairs.push([other, ends]);
    }
    expect(pairs.length).toBeGreaterThan(2);
    for (const [one, two] of pairs) {
      const [a, b] = [owner(), owner()];
      expect(originalKeyOf(one)).toBe(originalKeyOf(two));
      const table = new RouteTable(1);
      table.add(T0, keyOf(one), a);
      expect(table.add(T0, keyOf(two), b)).toBe(added);
      expect(table.ownerOf(table.find(keyOf(one)))).toBe(a);
      expect(table.ownerOf(table.find(keyOf(two)))).toBe(b);
    }
  });

  it('moves a route to the owner that registered last, and heeds an end from no other', () => {
    const table = new RouteTable(1);
    const [a, b] = [owner(), owner()];
    expect(table.add(T0, session(1), a)).toBe(added);
    expect(table.add(T0, session(1), a)).toBe(repeated);
    expect(table.add(T0, session(1), b)).toBe(moved);
    expect(route(table, 1)).toBe(b);
    expect([a.routes, b.routes, table.size, table.moved, table.added]).toEqual([0, 1, 1, 1, 1]);
    expect(table.end(T0, session(1), a)).toBe(false);
    expect(route(table, 1)).toBe(b);
    // Nor does the former owner take it along.
    table.release(a);
    expect(route(table, 1)).toBe(b);
    expect(table.end(T0, session(1), b)).toBe(true);
    expect(table.end(T0, session(1), b)).toBe(false);
    expect(table.size).toBe(0);
  });

  it('remembers an ended session for a moment, and no longer', () => {
    const table = new RouteTable(1);
    const a = owner();
    table.add(T0, session(1), a);
    table.end(at(5), session(1), a);
    expect(stateOf(table, 1)).toBe(ended);
    table.expire(at(34));
    expect(stateOf(table, 1)).toBe(ended);
    expect(table.deadline).toBe(at(36));
    table.expire(at(36));
    expect(stateOf(table, 1)).toBeUndefined();
    expect([table.deadline, table.lingering]).toEqual([NEVER, 0]);
    // It may begin anew, also while it is remembered.
    table.add(at(40), session(1), a);
    table.end(at(41), session(1), a);
    expect(table.add(at(42), session(1), a)).toBe(added);
    expect([route(table, 1), table.lingering, table.deadline]).toEqual([a, 0, NEVER]);
  });

  it('leads nowhere once the owner is gone, before its rows are freed and after', () => {
    const table = new RouteTable(1);
    const [gone, stays] = [owner(), owner()];
    for (let n = 0; n < 10_000; n++) table.add(T0, session(n), n % 2 === 0 ? gone : stays);
    table.release(gone);
    expect([table.size, gone.routes, stateOf(table, 2), table.deadline]).toEqual([
      5000,
      0,
      orphaned,
      T0,
    ]);
    // Another takes one of them over at once.
    expect(table.add(T0, session(2), stays)).toBe(added);
    let portions = 0;
    for (; table.deadline !== NEVER; portions++) table.expire(T0);
    expect(portions).toBe(2);
    expect([stateOf(table, 4), route(table, 2), table.size]).toEqual([undefined, stays, 5001]);
    for (let n = 1; n < 10_000; n += 2) expect(route(table, n)).toBe(stays);
  });

  it('refuses, counted, what there is no room for, and drops nobody for it', () => {
    const table = new RouteTable(1, 10);
    const a = owner();
    a.tellsEnds = true;
    for (let n = 0; n < 10; n++) expect(table.add(T0, session(n), a)).toBe(added);
    expect(table.add(at(1e6), session(10), a)).toBe(refused);
    expect(table.add(at(1e6), session(3), a)).toBe(repeated);
    for (let n = 0; n < 10; n++) expect(route(table, n)).toBe(a);
    expect([table.size, table.refused]).toEqual([10, 1]);
    // An ended one makes room at once, although it is still remembered.
    table.end(at(1e6), session(3), a);
    expect(table.add(at(1e6), session(10), a)).toBe(added);
    expect(stateOf(table, 3)).toBeUndefined();
    // So does what an owner left behind.
    const b = owner();
    table.release(a);
    for (let n = 20; n < 30; n++) expect(table.add(at(1e6), session(n), b)).toBe(added);
    expect(table.add(at(1e6), session(30), b)).toBe(refused);
  });

  it('lets the connections of one peer have so many together, and others theirs', () => {
    const table = new RouteTable(1, 100);
    const quota = new RouteQuota(10);
    const [a, b, other] = [owner(quota), owner(quota), owner()];
    for (const one of [a, b]) one.tellsEnds = true;
    for (let n = 0; n < 10; n++) table.add(T0, session(n), n % 2 === 0 ? a : b);
    expect(table.add(T0, session(10), a)).toBe(refused);
    expect(table.add(T0, session(10), other)).toBe(added);
    // From one of its connections to the other is no more than before, from the other peer is.
    expect(table.add(T0, session(1), a)).toBe(moved);
    expect(table.add(T0, session(10), b)).toBe(refused);
    expect([quota.routes, a.routes, b.routes]).toEqual([10, 6, 4]);
    table.release(a);
    expect([quota.routes, table.size]).toEqual([4, 5]);
    expect(table.add(T0, session(11), b)).toBe(added);
  });

  it('gives up long idle routes for new ones of an owner that never says that a session has ended', () => {
    const table = new RouteTable(1, 10);
    const a = owner();
    for (let n = 0; n < 10; n++) table.add(T0, session(n), a);
    // The target has closed 4, and acknowledged what came after; the others are in use.
    for (let n = 0; n < 10; n++) table.use(at(100), table.find(session(n)), n === 4);
    table.use(at(101), table.find(session(4)), false);
    expect(table.add(at(160), session(10), a)).toBe(refused);
    expect(table.add(at(161), session(10), a)).toBe(added);
    expect([stateOf(table, 4), route(table, 10)]).toEqual([undefined, a]);
    table.use(at(500), table.find(session(0)), false);
    expect(table.add(at(819), session(11), a)).toBe(refused);
    expect(table.add(at(820), session(11), a)).toBe(added);
    expect([table.reclaimed, table.size, route(table, 0)]).toEqual([2, 10, a]);
    // Whoever says it keeps what it has.
    a.tellsEnds = true;
    expect(table.add(at(5000), session(12), a)).toBe(refused);
  });

  it('agrees with plain maps whatever happens', () => {
    const step = fc.tuple(fc.constantFrom(...MOSTLY_ADD), fc.nat(30), fc.nat(3));
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 100, maxLength: 300 }),
        fc.integer(),
        (steps, secret) => {
          const table = new RouteTable<RouteOwner>(secret, 20);
          const model = new Map<number, RouteOwner>();
          const quotas = [new RouteQuota(8), new RouteQuota(100)];
          const begin = (who: number): RouteOwner => {
            const one = owner(quotas[who % 2]);
            one.tellsEnds = true;
            return one;
          };
          const owners = [0, 1, 2, 3].map(begin);
          let now = 0;
          for (const [what, n, who] of steps) {
            const one = owners[who]!;
            const has = [...model.values()].filter(({ quota }) => quota === one.quota).length;
            if (what === 'add') {
              const former = model.get(n);
              const grows = former?.quota !== one.quota;
              const full = former === undefined && model.size >= 20;
              const isRefused = full || (grows && has >= one.quota.limit);
              const result = table.add(at(now), session(n), one);
              expect(result === refused).toBe(isRefused);
              if (!isRefused) model.set(n, one);
            } else if (what === 'end') {
              expect(table.end(at(now), session(n), one)).toBe(model.get(n) === one);
              if (model.get(n) === one) model.delete(n);
            } else if (what === 'release') {
              table.release(one);
              for (const [k, v] of model) if (v === one) model.delete(k);
              owners[who] = begin(who);
            } else {
              now += 10;
              if (table.deadline <= at(now)) table.expire(at(now));
            }
            expect(route(table, n)).toBe(model.get(n));
            expect(table.size).toBe(model.size);
            expect(owners.reduce((sum, { routes }) => sum + routes, 0)).toBe(table.size);
            expect(quotas.reduce((sum, { routes }) => sum + routes, 0)).toBe(table.size);
          }
        },
      ),
      { numRuns: 100, endOnFailure: true },
    );
  });
});
