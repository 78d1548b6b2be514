import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FlowKey } from '../base/flow-table.ts';
import { type RouteOwner, RouteTable } from './route-table.ts';

class Owner implements RouteOwner {
  closed = false;
  routes = 0;
}

const key = new FlowKey();
/** What the model test does, as often as it stands here. */
const MOSTLY_SET = ['set', 'set', 'set', 'set', 'set', 'set', 'find', 'delete', 'close'];

/** The key of the n-th session: client 10.0.0.0 + n / 50000, port 1024 + n % 50000. */
function session(n: number): FlowKey {
  key.setAddress(0, 0, 0, 0xffff, (10 << 24) + Math.floor(n / 50_000));
  key.setAddress(4, 0, 0, 0xffff, 0xc0a8_0002);
  key.setPorts(1024 + (n % 50_000), 8080);
  return key;
}

function close(table: RouteTable<Owner>, owner: Owner): void {
  owner.closed = true;
  table.releaseOwner(owner);
}

describe('RouteTable', () => {
  it('routes a million sessions, each to its owner, and forgets none', () => {
    const table = new RouteTable<Owner>(1);
    const owners = Array.from({ length: 3 }, () => new Owner());
    for (let n = 0; n < 1_000_000; n++) table.set(session(n), owners[n % 3]!);
    let wrong = 0;
    for (let n = 0; n < 1_000_000; n++) {
      if (table.find(session(n)) !== owners[n % 3]) wrong++;
    }
    expect(wrong).toBe(0);
    expect(table.size).toBe(1_000_000);
    expect(table.forgotten).toBe(0);
    expect(owners.map(({ routes }) => routes)).toEqual([333_334, 333_333, 333_333]);
  });

  it("keeps two sessions apart whose keys have the same sum in the original's table", () => {
    // There key = 65536·cp + ci + cp + ti + 16777216·tp + 256·tp + tp: one more in ci, one less in ti.
    const table = new RouteTable<Owner>(1);
    const [a, b] = [new Owner(), new Owner()];
    const set = (client: number, target: number, owner: Owner): void => {
      key.setAddress(0, 0, 0, 0xffff, client);
      key.setAddress(4, 0, 0, 0xffff, target);
      key.setPorts(40_000, 80);
      table.set(key, owner);
    };
    set(0x0a01_0203, 0xc0a8_0002, a);
    set(0x0a01_0204, 0xc0a8_0001, b);
    expect(table.find(key)).toBe(b);
    expect(table.size).toBe(2);
  });

  it('moves a route to the owner that registered last', () => {
    const table = new RouteTable<Owner>(1);
    const [a, b] = [new Owner(), new Owner()];
    table.set(session(1), a);
    table.set(session(1), b);
    expect(table.find(session(1))).toBe(b);
    expect([a.routes, b.routes, table.size]).toEqual([0, 1, 1]);
    expect(table.delete(session(1), a)).toBe(false);
    expect(table.delete(session(1), b)).toBe(true);
    expect(table.find(session(1))).toBeUndefined();
    expect(table.size).toBe(0);
  });

  it('leads nowhere when the owner has closed, whether its routes were swept or not', () => {
    for (const others of [0, 1, 100]) {
      const table = new RouteTable<Owner>(1);
      const [gone, stays] = [new Owner(), new Owner()];
      for (let n = 0; n < 10; n++) table.set(session(n), gone);
      for (let n = 0; n < others; n++) table.set(session(100 + n), stays);
      close(table, gone);
      expect(table.find(session(3))).toBeUndefined();
      expect(table.size).toBe(others);
      for (let n = 0; n < others; n++) expect(table.find(session(100 + n))).toBe(stays);
      table.set(session(3), stays);
      expect(table.find(session(3))).toBe(stays);
      expect(table.size).toBe(others + 1);
    }
  });

  it('forgets, counted, only what was not used while a whole generation was', () => {
    const table = new RouteTable<Owner>(1, 10);
    const owner = new Owner();
    for (let n = 0; n < 20; n++) table.set(session(n), owner);
    expect(table.forgotten).toBe(0);
    // Used again after 10 to 19, so it stays, and 1 to 9 have had their turn.
    expect(table.find(session(0))).toBe(owner);
    expect(table.forgotten).toBe(9);
    expect(table.find(session(9))).toBeUndefined();
    expect(table.find(session(15))).toBe(owner);
    for (let n = 20; n < 29; n++) table.set(session(n), owner);
    expect(table.forgotten).toBe(18);
    for (const n of [0, 15, 20, 28]) expect(table.find(session(n))).toBe(owner);
    expect(table.size + table.forgotten).toBe(29);
    expect(owner.routes).toBe(table.size);
  });

  it('agrees with a plain map whatever happens', () => {
    const step = fc.tuple(fc.constantFrom(...MOSTLY_SET), fc.nat(30), fc.nat(3));
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 100, maxLength: 300 }),
        fc.integer(),
        (steps, secret) => {
          const table = new RouteTable<Owner>(secret, 20);
          const model = new Map<number, Owner>();
          const owners = Array.from({ length: 4 }, () => new Owner());
          for (const [what, n, who] of steps) {
            const owner = owners[who]!;
            if (what === 'set') {
              table.set(session(n), owner);
              model.set(n, owner);
            } else if (what === 'delete') {
              const known = table.find(session(n)) === owner;
              if (table.forgotten === 0) expect(known).toBe(model.get(n) === owner);
              expect(table.delete(session(n), owner)).toBe(known);
              if (model.get(n) === owner) model.delete(n);
            } else if (what === 'close') {
              close(table, owner);
              for (const [k, v] of model) if (v === owner) model.delete(k);
              owners[who] = new Owner();
            }
            // Fewer keys than two generations hold, so that forgetting is the only difference that may be.
            const found = table.find(session(n));
            if (table.forgotten === 0) expect(found).toBe(model.get(n));
            else expect([undefined, model.get(n)]).toContain(found);
            if (table.forgotten === 0) expect(table.size).toBe(model.size);
            expect(owners.reduce((sum, { routes }) => sum + routes, 0)).toBe(table.size);
          }
        },
      ),
      { numRuns: 300, endOnFailure: true },
    );
  });
});
