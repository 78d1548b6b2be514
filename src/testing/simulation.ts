import { Random } from '../base/random.ts';
import { addTime, type Duration, type Instant, NEVER } from '../base/time.ts';
import type { Copy } from '../replay/copy.ts';
import type { Replayer } from '../replay/replayer.ts';
import { type Captured, CapturePoint, type CaptureFaults } from './capture-point.ts';
import { EventQueue } from './event-queue.ts';
import { Harness, type HarnessOptions, transfer } from './harness.ts';
import { Judge } from './judge.ts';
import { Link, type LinkFaults } from './link.ts';
import { type ClientFaults, OnlineClient, type OnlineScript } from './online-client.ts';
import { buildPacket, type Endpoint, type Packet, readPacket } from './packet.ts';
import type { Recording } from './recording.ts';
import type { TargetScript } from './target/script.ts';
import { SimTarget } from './target/sim-target.ts';

const TARGET: Endpoint = { address: '10.9.0.1', port: 8080 };
/** Events of one run; more mean that two sides answer each other without end. */
const MAX_EVENTS = 300_000;

/** One connection: what happened online, and how the target is going to behave. */
export interface Pair {
  readonly online: OnlineScript;
  readonly target: TargetScript;
}

/** What else happens, since the start of the world. */
export interface Disturbance {
  readonly at: Duration;
  /** `renew`: a connection to an intercept was lost, all routes are registered again. `stop`: the program ends. */
  readonly kind: 'renew' | 'stop';
}

export interface World {
  readonly seed: number;
  /** Of two from one port, the second begins after the first. */
  readonly pairs: readonly Pair[];
  readonly client: ClientFaults;
  readonly capture: CaptureFaults;
  readonly toTarget: LinkFaults;
  readonly fromTarget: LinkFaults;
  /** What is known of the way to the target. */
  readonly mtu: number;
  readonly disturbances: readonly Disturbance[];
  readonly harness: HarnessOptions;
}

export interface SimulationOptions {
  /** Keeps the packets, for a look at a world that failed. */
  readonly recording?: Recording;
  /** Changes what a copy sends, to see that it is noticed. */
  readonly tamper?: (packet: Packet) => Packet;
}

/** Clients, a capture, the replayer, two links and a target, in virtual time. */
export class Simulation {
  readonly harness: Harness;
  readonly target: SimTarget;
  readonly clients: readonly OnlineClient[];
  readonly toTarget: Link;
  readonly fromTarget: Link;
  readonly world: World;
  readonly #recording: Recording | undefined;
  readonly #events = new EventQueue();
  readonly #judge: Judge;
  #hasStopped = false;

  constructor(world: World, { recording, tamper }: SimulationOptions = {}) {
    this.world = world;
    this.#recording = recording;
    const random = new Random(world.seed);
    const events = this.#events;
    const onlines = world.pairs.map(({ online }) => online);
    this.#judge = new Judge(onlines, world.mtu);
    const harness = new Harness(harnessOptions(world), (packet, octets) => {
      const sent = tamper === undefined ? octets : buildPacket(tamper(packet));
      this.#recording?.add('to target', harness.now, sent);
      this.#require(
        this.#judge.judge(tamper === undefined ? packet : readPacket(sent), sent.length),
      );
      this.toTarget.send(harness.now, sent);
    });
    this.harness = harness;
    this.replayer.onEnded((copy) => this.#handleEnd(copy));
    this.toTarget = new Link(events, random, world.toTarget, (octets) =>
      this.target.handle(harness.now, octets),
    );
    this.fromTarget = new Link(
      events,
      random,
      world.fromTarget,
      (octets) => this.#respond(octets),
      (octets, mtu) => this.target.handleTooLong(harness.now, octets, mtu),
    );
    const scripts = world.pairs.map(({ target }) => target);
    this.target = new SimTarget(scripts, TARGET, events, random, (octets) =>
      this.fromTarget.send(harness.now, octets),
    );
    const capture = new CapturePoint(events, random, world.capture, harness.now, (batch) =>
      this.#capture(batch),
    );
    this.clients = onlines.map(
      (script) =>
        new OnlineClient(script, events, random, world.client, (packet, isDamaged) =>
          capture.pass(harness.now, packet, isDamaged),
        ),
    );
    this.#start();
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
    this.#require(this.#judge.judgeAccount(this.replayer.context.counters));
  }

  /** Says when each client begins, and what else happens. */
  #start(): void {
    const { now } = this.harness;
    const ends = new Map<number, Instant>();
    for (const client of this.clients) {
      const { startAt, client: ends0 } = client.script;
      const after = ends.get(ends0.port) ?? now;
      ends.set(ends0.port, client.start(addTime(after, startAt)));
    }
    for (const { at, kind } of this.world.disturbances) {
      this.#events.at(addTime(now, at), () => this.#disturb(kind));
    }
  }

  #disturb(kind: Disturbance['kind']): void {
    const { harness } = this;
    harness.note(kind);
    if (kind === 'renew') harness.renewRoutes();
    else {
      this.#hasStopped = true;
      harness.stop();
    }
  }

  #capture(batch: readonly Captured[]): void {
    if (this.#hasStopped) return;
    const { harness } = this;
    harness.batch(() => {
      for (const { octets, wireLength, checksum, packet, seenAt } of batch) {
        this.#recording?.add('captured', harness.now, octets, wireLength);
        harness.note(packet ? 'captured' : 'captured a packet that is spoiled', packet);
        if (packet) this.#judge.noteCaptured(packet);
        harness.receivedAt = this.world.capture.stamps ? seenAt : 0;
        harness.capture(octets, checksum, wireLength);
      }
    });
  }

  #respond(octets: Uint8Array): void {
    const { harness } = this;
    this.#recording?.add('from target', harness.now, octets);
    let packet: Packet;
    try {
      packet = readPacket(octets);
    } catch {
      return; // Damaged on the way: the assistant's host drops it.
    }
    harness.note('answered', packet);
    this.#judge.noteHeard(packet);
    harness.respond(octets);
  }

  #handleEnd(copy: Copy): void {
    const client = this.#clientOf(copy);
    const script = this.world.pairs[client]?.online;
    if (script === undefined) return;
    const { target } = this;
    const complaint = this.#judge.judgeEnd(
      copy,
      script,
      target.received(client),
      target.hasEnded(client),
    );
    this.#require(complaint);
  }

  /** The client that a copy is of: among those of its port, the one in whose stream it begins; −1 when there is none. */
  #clientOf(copy: Copy): number {
    const distance = ({ online }: Pair): number => (copy.capturedIss + 1 - online.isn) >>> 0;
    const { pairs } = this.world;
    const [nearest] = pairs
      .filter(({ online }) => online.client.port === copy.clientPort)
      .sort((a, b) => distance(a) - distance(b));
    return nearest === undefined ? -1 : pairs.indexOf(nearest);
  }

  #require(complaint: string): void {
    this.harness.require(complaint === '', complaint);
  }
}

const harnessOptions = ({ harness, mtu }: World): HarnessOptions => ({
  ...harness,
  replayer: { transfers: [transfer(80, TARGET.address, TARGET.port, mtu)], ...harness.replayer },
});
