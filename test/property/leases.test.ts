// Two tcpcopy, one intercept, and whatever order things come in: no address and port is ever used by both.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Random } from '../../src/base/random.ts';
import { millis, seconds } from '../../src/base/time.ts';
import { LeaseWorld } from './lease-world.ts';

const SEED = 20_265;
const RUNS = 250;
const STEPS = 250;
/** Client ports, few, so that both tcpcopy come to want the same ones. */
const PORTS = 5;

/** What a client has sent last: its next sequence number. */
type Client = Map<string, number>;

function act(world: LeaseWorld, clients: Client): void {
  const { random, nodes } = world;
  const which = random.int(0, nodes.length);
  const node = nodes[which] as (typeof nodes)[number];
  const port = 20_000 + random.int(0, PORTS);
  const name = `${which} ${port}`;
  const seq = clients.get(name);
  const kind = random.int(0, 100);
  if (seq === undefined || kind < 15) {
    const iss = random.int(1, 2 ** 31);
    world.capture(node, port, 'S', iss);
    clients.set(name, iss + 1);
  } else if (kind < 55) {
    world.capture(node, port, 'PA', seq, 10);
    clients.set(name, seq + 10);
  } else if (kind < 75) {
    world.capture(node, port, 'FA', seq);
    clients.delete(name);
  } else if (kind < 90) {
    world.capture(node, port, 'RA', seq);
    clients.delete(name);
  } else if (kind < 94) world.pass(millis(random.int(1, 300)));
  else if (kind < 96) {
    // intercept closes connections on which it has waited for long.
    world.settle();
    world.pass(seconds(8));
  } else world.lose(node, random.int(0, 2));
}

/** A world of that seed, from its beginning to its end. */
function run(seed: number): LeaseWorld {
  const world = new LeaseWorld(new Random(seed));
  const clients: Client = new Map();
  for (let i = 0; i < STEPS; i++) {
    act(world, clients);
    for (let n = world.random.int(0, 8); n > 0; n--) world.step();
    if (i % 50 === 49) {
      world.settle();
      world.checkQuiet();
    }
  }
  world.finish();
  return world;
}

it('no session is ever used by one tcpcopy and held by the other, and none is kept for nobody', () => {
  let contests = 0;
  let moved = 0;
  const property = fc.property(fc.nat(2 ** 31 - 1), (seed) => {
    const world = run(seed);
    contests += world.contests;
    for (const { replayer } of world.nodes) moved += replayer.ledger.moved;
  });
  fc.assert(property, { seed: SEED, numRuns: RUNS });
  expect(contests).toBeGreaterThan(RUNS);
  expect(moved).toBeGreaterThan(RUNS);
});
