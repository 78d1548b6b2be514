import { Random } from '../base/random.ts';
import { addTime, type Duration, type Instant, micros, millis, NEVER } from '../base/time.ts';
import type { Replayer } from '../replay/replayer.ts';
import { EventQueue } from './event-queue.ts';
import { Harness, type HarnessOptions, transfer } from './harness.ts';
import { type LinkFaults, LossyLink } from './lossy-link.ts';
import { type CaptureFaults, OnlineClient, type OnlineScript } from './online-client.ts';
import { type Endpoint, type Packet, readPacket } from './packet.ts';
import { SimTarget, type TargetScript } from './sim-target.ts';

const TARGET: Endpoint = { address: '10.9.0.1', port: 8080 };
/** Events of one run; more mean that two sides answer each other without end. */
const MAX_EVENTS = 300_000;

/** One connection: what happened online, and how the target is going to behave. */
export interface Pair {
  readonly online: OnlineScript;
  readonly target: TargetScript;
}

export interface World {
  readonly seed: number;
  readonly pairs: readonly Pair[];
  readonly capture: CaptureFaults;
  readonly toTarget: LinkFaults;
  readonly fromTarget: LinkFaults;
  /** Of the way to the target. */
  readonly mtu: number;
  readonly harness: HarnessOptions;
}

/** No connection sends more. */
const NEAR = 1 << 26;

/** Which octets of the target's stream have been shown to the replayer: what it may acknowledge. */
class Shown {
  readonly start: number;
  #next: number;
  readonly #ranges: (readonly [number, number])[] = [];

  constructor(start: number) {
    this.start = start;
    this.#next = start;
  }

  add(seq: number, length: number): void {
    this.#ranges.push([seq, length]);
    for (let moved = true; moved; ) {
      moved = false;
      for (const [from, n] of this.#ranges) {
        const fresh = (from + n - this.#next) | 0;
        if (((from - this.#next) | 0) > 0 || fresh <= 0) continue;
        this.#next = (from + n) >>> 0;
        moved = true;
      }
    }
    for (let i = this.#ranges.length - 1; i >= 0; i--) {
      const [from, n] = this.#ranges[i] as readonly [number, number];
      if (((from + n - this.#next) | 0) <= 0) this.#ranges.splice(i, 1);
    }
  }

  /** Whether every octet of `[left, right)` has been shown. */
  holds(left: number, right: number): boolean {
    let at = ((left - this.#next) | 0) > 0 ? left : this.#next;
    for (let moved = true; moved && ((right - at) | 0) > 0; ) {
      moved = false;
      for (const [from, n] of this.#ranges) {
        if (((from - at) | 0) > 0 || ((from + n - at) | 0) <= 0) continue;
        at = (from + n) >>> 0;
        moved = true;
      }
    }
    return (left - this.start) >>> 0 < NEAR && ((right - at) | 0) <= 0;
  }

  allows(ack: number): boolean {
    return (ack - this.start) >>> 0 < NEAR && ((ack - this.#next) | 0) <= 0;
  }
}

/** Clients, a capture, the replayer, two links and a target, in virtual time. */
export class Simulation {
  readonly harness: Harness;
  readonly target: SimTarget;
  readonly clients: readonly OnlineClient[];
  readonly #events = new EventQueue();
  /** By client port, for each connection of the target's. */
  readonly #shown = new Map<number, Shown[]>();

  constructor(world: World) {
    const random = new Random(world.seed);
    const events = this.#events;
    const replayer = {
      transfers: [transfer(80, TARGET.address, TARGET.port, world.mtu)],
      ...world.harness.replayer,
    };
    const harness = new Harness({ ...world.harness, replayer }, (packet, octets) => {
      this.#checkAck(packet);
      toTarget.send(harness.now, octets);
    });
    this.harness = harness;
    const toTarget = new LossyLink(events, random, world.toTarget, (octets) =>
      this.target.handle(harness.now, octets),
    );
    const fromTarget = new LossyLink(events, random, world.fromTarget, (octets) =>
      this.#respond(octets),
    );
    const scripts = world.pairs.map(({ target }) => target);
    this.target = new SimTarget(scripts, TARGET, events, random, (octets) =>
      fromTarget.send(harness.now, octets),
    );
    const start = harness.now;
    this.clients = world.pairs.map(({ online }) => {
      const script = { ...online, startAt: addTime(start, online.startAt as number as Duration) };
      return new OnlineClient(script, events, random, world.capture, (octets) => {
        harness.note(`captured ${octets.length} octets`);
        harness.capture(octets);
      });
    });
    for (const client of this.clients) client.start();
  }

  get replayer(): Replayer {
    return this.harness.replayer;
  }

  /** Runs until nothing is left to happen. Throws, with the transcript, when something breaks a rule. */
  run(): void {
    const { harness } = this;
    for (let steps = 0; ; steps++) {
      harness.require(steps < MAX_EVENTS, 'it never ends');
      const timer = this.replayer.pollTimeout();
      const at = Math.min(this.#events.next, timer) as Instant;
      if (at === NEVER) break;
      harness.advanceTo(at);
      if (this.#events.next > at) continue;
      try {
        this.#events.runNext();
      } catch (error) {
        harness.require(false, String(error));
      }
    }
    harness.finish();
  }

  #respond(octets: Uint8Array): void {
    const p = readPacket(octets);
    this.harness.note(
      `answered ${p.flags} ${p.seq}(${p.payload.length}) ack ${p.ack} win ${p.window}`,
    );
    const length = p.payload.length + (p.flags.includes('F') ? 1 : 0);
    const shown = this.#shown.get(p.to.port) ?? [];
    const start = (p.seq + 1) >>> 0;
    if (!p.flags.includes('S')) for (const s of shown) s.add(p.seq, length);
    else if (!shown.some((s) => s.start === start)) {
      this.#shown.set(p.to.port, [...shown, new Shown(start)]);
    }
    this.harness.respond(octets);
  }

  #checkAck(p: Packet): void {
    if (!p.flags.includes('A')) return;
    const shown = this.#shown.get(p.from.port);
    this.harness.require(
      shown?.some((s) => s.allows(p.ack)) === true,
      `acknowledges ${p.ack}, which never came`,
    );
    for (const [left, right] of p.options.sack ?? []) {
      this.harness.require(
        ((left - p.ack) | 0) > 0 && shown?.some((s) => s.holds(left, right)) === true,
        `acknowledges ${left} to ${right}, which did not come`,
      );
    }
  }
}

const pick = <T>(random: Random, choices: readonly T[]): T =>
  choices[random.int(0, choices.length)] as T;

/** Sizes as they are met: mostly small, now and then large. */
const someSize = (random: Random, large: number): number =>
  random.chance(0.1) ? random.int(1, large) : random.int(1, 2000);

export interface WorldKind {
  /** Client, target and capture do nothing wrong; the links lose less than one packet in twenty. */
  readonly isKind: boolean;
}

/** A random world. */
export function randomWorld(seed: number, { isKind }: WorldKind): World {
  const random = new Random(seed);
  const loss = random.chance(0.3) ? 0 : random.float() * (isKind ? 0.05 : 0.25);
  const faults = (corrupts: boolean): LinkFaults => ({
    loss,
    delay: pick(random, [micros(50), millis(1), millis(30)]),
    reorder: pick(random, [0, 0, 0.1]),
    jitter: millis(3),
    duplicate: pick(random, [0, 0.05]),
    corrupt: corrupts ? pick(random, [0, 0.02]) : 0,
  });
  const holdRequests = random.chance(0.8);
  const late = pick(random, [0, 0.05]);
  const kind: PairKind = { isKind, inTurn: isKind && holdRequests && late === 0 };
  return {
    seed,
    pairs: Array.from({ length: random.int(1, 4) }, (_, i) => randomPair(random, i, kind)),
    capture: {
      loss: isKind ? 0 : pick(random, [0, 0, 0.01, 0.05, 0.2]),
      late,
      again: pick(random, [0, 0.1]),
    },
    toTarget: faults(true),
    // Headers that intercept captures were not corrupted: it would be for its kernel to say so.
    fromTarget: faults(false),
    mtu: pick(random, [576, 1280, 1500, 9000]),
    harness: { session: { holdRequests }, seed },
  };
}

interface PairKind extends WorldKind {
  /** Whether the copy can be held to asking in turn: only where it sees what the client does when it does it. */
  readonly inTurn: boolean;
}

function randomPair(random: Random, index: number, { isKind, inTurn }: PairKind): Pair {
  const client = { address: '10.1.2.3', port: 20_000 + index };
  const isn = pick(random, [random.uint32(), 0xffff_ffff - random.int(0, 5000), 0x7fff_ff00]);
  const stamps = random.chance(0.5) ? { timestamps: [random.uint32(), 0] as const } : {};
  const scale = random.chance(0.5) ? { windowScale: random.int(0, 9) } : {};
  const pipelines = random.chance(0.2);
  const pushes = random.chance(0.15);
  const exchanges = Array.from({ length: random.int(0, 12) }, () => ({
    request: someSize(random, 60_000),
    response: someSize(random, 40_000),
    serverTime: pick(random, [micros(100), millis(5)]),
    think: pick(random, [micros(0), millis(3), millis(200)]),
    pipelined: pipelines && random.chance(0.5),
    pushed: pushes && random.chance(0.3) ? random.int(1, 200) : 0,
  }));
  const greeting = random.chance(0.15) ? random.int(1, 200) : 0;
  const factor = pick(random, [1, 1, 1, 0.5, 1.3]);
  let after = 0;
  const answers = exchanges.map(({ request, response }) => ({
    after: (after += request),
    response: Math.ceil(response * factor),
    delay: pick(random, [micros(50), millis(2), millis(40)]),
  }));
  const online: OnlineScript = {
    client,
    online: { address: '10.8.0.1', port: 80 },
    isn,
    onlineIsn: random.uint32(),
    rtt: pick(random, [micros(200), millis(20), millis(80)]),
    options: { mss: 1460, sackPermitted: true, ...stamps, ...scale },
    piece: pick(random, [1460, 536, 16_000, 64_000]),
    greeting,
    exchanges,
    end: isKind ? 'fin' : pick(random, ['fin', 'fin', 'reset', 'none'] as const),
    startAt: random.int(0, 20_000) as Instant,
  };
  const takesTurns = inTurn && !pipelines && !pushes && factor >= 1;
  return { online, target: { ...randomTarget(random, online, answers, isKind), takesTurns } };
}

function randomTarget(
  random: Random,
  { client, isn, greeting, exchanges }: OnlineScript,
  answers: TargetScript['answers'],
  isKind: boolean,
): TargetScript {
  const total = exchanges.reduce((sum, { request }) => sum + request, 0);
  const stamps = random.chance(0.7) ? { timestamps: [0, 0] as const } : {};
  const scale = random.chance(0.7) ? { windowScale: random.int(0, 9) } : {};
  const sack = random.chance(0.7) ? { sackPermitted: true } : {};
  return {
    client,
    isn,
    greeting,
    answers,
    mss: pick(random, [1460, 536, 8960]),
    options: { ...stamps, ...scale, ...sack },
    buffer: pick(random, [65_535, 8000, 300_000]),
    readPause: pick(random, [0 as Duration, 0 as Duration, millis(2), millis(400)]),
    ackDelay: pick(random, [0 as Duration, millis(40)]),
    manners: isKind
      ? 'polite'
      : pick(random, ['polite', 'closesFirst', 'resets', 'refuses', 'mute'] as const),
    badAt: random.int(0, total + 1),
  };
}
