import { describe, expect, it } from 'vitest';
import { FlowKey } from '../../src/base/flow-key.ts';
import { Random } from '../../src/base/random.ts';
import {
  addTime,
  type Duration,
  type Instant,
  millis,
  NEVER,
  seconds,
} from '../../src/base/time.ts';
import type { RouteEnds, RouteRegistrar } from '../../src/ports/route-registrar.ts';
import { setEndsKey } from '../../src/replay/ends-key.ts';
import type { Budget } from '../../src/replay/memory-budget.ts';
import { Replayer } from '../../src/replay/replayer.ts';
import { Outcome } from '../../src/session/outcome.ts';
import type { CopyEndpoints } from '../../src/session/state.ts';
import { Verdict, VERDICT_NAMES } from '../../src/session/verdict.ts';
import { DEFAULT_SESSION, transfer } from '../../src/testing/harness.ts';
import { HostilePeer, PORTS } from './hostile-peer.ts';
import { check, fuzz, RUNS, SEED } from './seed.ts';

/** An intercept that takes every registration, and remembers those that were not given up. */
class Routes implements RouteRegistrar {
  readonly #routes = new Map<string, RouteEnds>();
  /** The one that was told last. */
  #last: RouteEnds | undefined;

  get size(): number {
    return this.#routes.size;
  }

  register(ends: RouteEnds): number {
    this.#routes.set(nameOf(ends), ends);
    this.#last = ends;
    return 1;
  }

  unregister(ends: RouteEnds, slot: number): void {
    if (slot >= 0) check(this.#routes.delete(nameOf(ends)), 'a route that is given up was there');
  }

  flush(): void {}

  /** The key of the newest route, of some other one, or of none at all. */
  someKey(random: Random, key: FlowKey): FlowKey {
    if (random.chance(0.1)) {
      for (let i = 0; i < 9; i++) key.words[i] = random.uint32();
    } else if (this.#last !== undefined) setEndsKey(key, this.#last as CopyEndpoints);
    if (random.chance(0.5)) key.setPorts(20_000 + random.int(0, PORTS), 8080);
    return key;
  }
}

const nameOf = ({ source, sourcePort }: RouteEnds): string => `${source.w3} ${sourcePort}`;

const sum = (numbers: Float64Array): number => numbers.reduce((a, b) => a + b, 0);

/** A replayer among enemies. */
class Siege {
  readonly replayer: Replayer;
  readonly peer: HostilePeer = new HostilePeer();
  readonly routes: Routes = new Routes();
  readonly #key = new FlowKey();
  now: Instant = seconds(1) as number as Instant;
  captured = 0;

  /** `copies` of each connection. */
  constructor(copies: number, budget?: Budget) {
    const config = {
      transfers: [transfer(80, '10.9.0.1', 8080)],
      clientAddresses: { v4: undefined, v6: undefined },
      percentage: 0,
      copies,
      onlyFromSyn: false,
      maxCopies: 40,
      maxPayload: 6 << 20,
      session: { ...DEFAULT_SESSION, maxSegments: 200 },
      ...(budget && { memory: budget }),
    };
    this.replayer = new Replayer(config, new Random(SEED));
  }

  client(random: Random): void {
    this.peer.nextOfClient(random);
    this.captured++;
    this.replayer.handleClientPacket(this.now, this.peer);
  }

  target(random: Random): void {
    this.peer.nextOfTarget(random);
    this.replayer.handleTargetHeader(this.now, this.peer.memory, 0, 64, 0);
  }

  /** An intercept says that somebody else has a place. */
  refuse(random: Random): void {
    this.replayer.handleTaken(this.now, this.routes.someKey(random, this.#key));
  }

  /** What an operator, the memory guard and files say while it is attacked. */
  command(random: Random): void {
    const { replayer } = this;
    const amount = (most: number): number => (random.chance(0.4) ? 0 : random.int(1, most));
    switch (random.int(0, 6)) {
      case 0:
        replayer.changeRates(this.now, {
          connections: amount(20),
          packets: amount(500),
          octets: amount(200_000),
        });
        break;
      case 1: {
        const ramp = { time: seconds(random.int(1, 20)), shape: 'linear' } as const;
        replayer.changeShare(this.now, amount(100), random.chance(0.5) ? ramp : undefined);
        break;
      }
      case 2:
        replayer.noteMemory(random.chance(0.2));
        break;
      case 3:
        replayer.shed(this.now, random.int(0, 100_000));
        if (random.chance(0.5)) this.poll();
        replayer.forgetShed(this.now);
        break;
      case 4:
        replayer.renewRoutes();
        break;
      default:
        if (!random.chance(0.05)) return;
        replayer.stop(this.now);
        this.poll();
        replayer.forgetRound(this.now);
    }
  }

  /** Now and then time passes, and what is due is done. */
  live(random: Random): void {
    if (random.chance(0.5) && this.peer.goodAnswer(random)) {
      this.replayer.handleTargetHeader(this.now, this.peer.memory, 0, 64, 0);
    }
    if (random.chance(0.3)) this.pass(this.#pause(random));
    else if (random.chance(0.5)) this.poll();
  }

  #pause(random: Random): Duration {
    const kind = random.int(0, 1000);
    if (kind === 0) return seconds(random.int(1, 800));
    if (kind < 20) return seconds(random.int(1, 20));
    return kind < 300 ? millis(random.int(1, 300)) : (random.int(0, 1000) as Duration);
  }

  pass(duration: Duration): void {
    const { replayer } = this;
    this.poll();
    const until = addTime(this.now, duration);
    for (let n = 0; replayer.pollTimeout() <= until; n++) {
      check(n < 100_000, 'timers come to an end');
      this.now = Math.max(this.now, replayer.pollTimeout()) as Instant;
      replayer.handleTimeout(this.now);
      this.poll();
      check(replayer.pollTimeout() > this.now, 'no timer is armed in the past');
    }
    this.now = until;
  }

  poll(): void {
    const { replayer } = this;
    replayer.poll(this.now, this.routes, this.peer.sink);
    if (replayer.fault !== undefined) throw replayer.fault as Error;
  }

  checkSums(): void {
    this.poll();
    const { ledger, size } = this.replayer;
    const packets = sum(ledger.packetErrors) + sum(ledger.verdicts);
    check(packets === this.captured, 'every captured packet is in one bucket');
    const open = ledger.copies - sum(ledger.outcomes) - sum(ledger.refused);
    check(open >= 0 && open <= size, 'copies add up');
    const copied = ledger.connections - ledger.notSampled - ledger.skipped;
    check(copied >= 0 && copied <= ledger.copies, 'connections add up');
  }

  end(): void {
    const { replayer } = this;
    replayer.noteMemory(false);
    this.poll();
    replayer.stop(this.now);
    this.poll();
    this.checkSums();
    this.pass(seconds(5000));
    check(replayer.isEmpty, 'no copy is left');
    check(this.routes.size === 0, 'no route is left');
    check(replayer.pollTimeout() === NEVER, 'no timer is left');
    check(replayer.context.store.used === 0, 'no row is left');
    check(replayer.context.pool.used === 0, 'no memory is left');
  }
}

describe('a replayer under siege', () => {
  for (const [whose, share, runs, copies = 1, refusals = 0, commands = 0] of [
    ['client packets', 1, RUNS],
    // A client's packet now and then, so that there is something to attack.
    ['target headers', 0.02, Math.ceil(RUNS * 1.03)],
    ['packets of both', 0.5, Math.ceil(RUNS / 4)],
    ['packets of both for two or three copies', 0.5, Math.ceil(RUNS / 4), 2.5],
    ['packets of both, and refusals', 0.5, Math.ceil(RUNS / 4), 1.5, 0.05],
    ['packets of both, and commands', 0.5, Math.ceil(RUNS / 4), 1, 0, 0.002],
    [
      'packets of both for two or three copies, refusals and commands',
      0.5,
      Math.ceil(RUNS / 4),
      2.5,
      0.02,
      0.002,
    ],
  ] as const) {
    it(`${runs} hostile ${whose}: no fault, no leak, every one counted`, () => {
      const siege = new Siege(
        copies,
        commands > 0 ? { payload: 300_000, copies: 200_000 } : undefined,
      );
      fuzz(runs, (random, n) => {
        if (random.chance(share)) siege.client(random);
        else siege.target(random);
        if (random.chance(refusals)) siege.refuse(random);
        if (random.chance(commands)) siege.command(random);
        siege.live(random);
        if (n % 1000 === 0) siege.checkSums();
      });
      siege.end();
      const { ledger, context } = siege.replayer;
      // The attack went deep: copies were established, and ended in many ways.
      expect(context.counters.connected).toBeGreaterThan(runs / 1000);
      expect(siege.peer.sent).toBeGreaterThan(runs / 10);
      expect(ledger.outcomes.filter((count) => count > 0).length).toBeGreaterThan(5);
      expect(ledger.outcomes[Outcome.internalError]).toBe(0);
      expect(ledger.waited).toBeGreaterThan(0);
      if (commands > 0) {
        expect(ledger.outcomes[Outcome.shed]).toBeGreaterThan(0);
        for (const verdict of [
          Verdict.overRate,
          Verdict.overLoad,
          Verdict.overMemory,
          Verdict.leftOut,
        ]) {
          expect(ledger.verdicts[verdict], VERDICT_NAMES[verdict]).toBeGreaterThan(0);
        }
      }
      if (refusals === 0) return;
      expect(ledger.moved).toBeGreaterThan(runs / 1000);
      expect(ledger.lateRefusals).toBeGreaterThan(runs / 1000);
    });
  }
});
