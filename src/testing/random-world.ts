import { Random } from '../base/random.ts';
import { type Duration, micros, millis, seconds } from '../base/time.ts';
import type { ReplayerConfig } from '../replay/replayer.ts';
import { type CaptureFaults, FAITHFUL } from './capture-point.ts';
import { type LinkFaults, PERFECT } from './link.ts';
import type { ClientFaults, Exchange, OnlineScript } from './online-client.ts';
import type { Disturbance, Pair, World } from './simulation.ts';
import { MANNERS, type TargetScript } from './target/script.ts';

export interface WorldKind {
  /** Client, target and capture do nothing wrong; the links lose less than one packet in twenty. */
  readonly isKind: boolean;
}

const NONE = 0 as Duration;

const pick = <T>(random: Random, choices: readonly T[]): T =>
  choices[random.int(0, choices.length)] as T;

/** Sizes as they are met: mostly small, now and then large. */
const someSize = (random: Random, large: number): number =>
  random.chance(0.1) ? random.int(1, large) : random.int(1, 2000);

/** Whether nothing is lost, damaged, delayed or said twice on the way to the target and back. */
export function isCalm({ toTarget, fromTarget, pairs, harness }: World): boolean {
  const isPerfect = ({ loss, reorder, duplicate, corrupt, rate }: LinkFaults): boolean =>
    loss + reorder + duplicate + corrupt + rate === 0;
  const isPrompt = ({ ignoredSyns, readPause }: TargetScript): boolean =>
    ignoredSyns === 0 && readPause === 0;
  const isWide = fromTarget.mtu === 0;
  const arePrompt = pairs.every(({ target }) => isPrompt(target));
  const { packets = 0, octets = 0 } = harness?.replayer?.rates ?? {};
  const isFree = packets + octets === 0;
  return isPerfect(toTarget) && isPerfect(fromTarget) && isWide && arePrompt && isFree;
}

/** A random world, the same for the same seed and kind. */
export function randomWorld(seed: number, { isKind }: WorldKind): World {
  const random = new Random(seed);
  const loss = random.chance(0.3) ? 0 : random.float() * (isKind ? 0.05 : 0.25);
  const mtu = pick(random, [576, 1280, 1500, 9000]);
  const holdRequests = random.chance(0.8);
  const capture = randomCapture(random, isKind);
  const client: ClientFaults = {
    again: pick(random, [0, 0.1]),
    loss: pick(random, [0, 0, 0.03]),
    corrupt: pick(random, [0, 0, 0.03]),
  };
  const isPrompt = capture.late === 0 && capture.stalls.length === 0 && client.loss === 0;
  const inTurn = isKind && holdRequests && isPrompt && client.corrupt === 0;
  const kind: PairKind = { isKind, inTurn };
  const limits = !isKind && random.chance(0.05) ? { maxSegments: random.int(2, 40) } : {};
  return {
    seed,
    pairs: randomPairs(random, kind),
    client,
    capture,
    ...randomLinks(random, loss, mtu, isKind),
    mtu,
    disturbances: isKind ? [] : randomDisturbances(random),
    // Of few SYNs all may be lost even where all is well.
    harness: {
      replayer: randomBounds(seed, isKind),
      session: { holdRequests, ...limits, ...(isKind ? { handshakeTimeout: seconds(120) } : {}) },
      seed,
    },
  };
}

/** What may be sent in a second, and held: drawn apart, so that the worlds themselves are the same with and without. */
function randomBounds(seed: number, isKind: boolean): Partial<ReplayerConfig> {
  const random = new Random(seed ^ 0x2545_f491);
  const packets = random.chance(0.1) ? pick(random, [100, 1000, 10_000]) : 0;
  const octets = random.chance(0.1) ? pick(random, [200_000, 2_000_000]) : 0;
  const rates = { connections: 0, packets, octets };
  if (isKind || random.chance(0.9)) return { rates };
  const payload = pick(random, [4096, 65_536, 300_000]);
  return { rates, memory: { payload, copies: Number.POSITIVE_INFINITY } };
}

function randomLinks(
  random: Random,
  loss: number,
  mtu: number,
  isKind: boolean,
): Pick<World, 'toTarget' | 'fromTarget'> {
  const toTarget = randomLink(random, loss, isKind);
  const fromTarget = randomLink(random, loss, isKind);
  if (random.chance(0.1)) {
    const { delay } = toTarget;
    return { toTarget: { ...PERFECT, delay }, fromTarget: { ...PERFECT, delay } };
  }
  return {
    toTarget: {
      ...toTarget,
      corrupt: pick(random, [0, 0.02]),
      // Mostly what is known of the way is true. Where it is not, routers fragment.
      mtu: random.chance(0.1) ? 576 : mtu,
    },
    // Headers that intercept captures were not corrupted: it would be for its kernel to say so.
    fromTarget: { ...fromTarget, mtu: pick(random, [0, 0, 1500, 1000, 576]) },
  };
}

function randomLink(random: Random, loss: number, isKind: boolean): LinkFaults {
  const isSlow = random.chance(0.15);
  return {
    loss,
    delay: pick(random, [micros(50), millis(1), millis(30)]),
    reorder: pick(random, [0, 0, 0.1]),
    jitter: pick(random, [millis(3), millis(3), millis(40)]),
    duplicate: pick(random, [0, 0.05]),
    corrupt: 0,
    rate: isSlow ? pick(random, [50_000, 1_000_000, 12_500_000]) : 0,
    queue: isKind ? 64_000 : pick(random, [10_000, 30_000, 256_000]),
    mtu: 0,
  };
}

function randomCapture(random: Random, isKind: boolean): CaptureFaults {
  const stall = {
    from: millis(random.int(0, 2000)),
    length: millis(random.int(1, 1500)),
    keeps: isKind ? Number.POSITIVE_INFINITY : pick(random, [0, 20, 1000]),
  };
  const gentle = {
    ...FAITHFUL,
    late: pick(random, [0, 0.05]),
    twice: pick(random, [0, 0, 0, 0.1, 1]),
    merge: pick(random, [0, 0, 0.5]),
    offload: pick(random, [0, 0.5, 1]),
    stamps: random.chance(0.7),
    gather: pick(random, [NONE, NONE, micros(1500)]),
    stalls: random.chance(0.1) ? [stall] : [],
  };
  if (isKind) return gentle;
  return {
    ...gentle,
    loss: pick(random, [0, 0, 0.01, 0.05, 0.2]),
    truncate: pick(random, [0, 0, 0, 0.02]),
    startsAfter: random.chance(0.1) ? millis(random.int(1, 1000)) : NONE,
  };
}

function randomDisturbances(random: Random): Disturbance[] {
  const at = (): Duration => millis(random.int(0, 3000));
  const renewals = random.chance(0.1) ? [{ at: at(), kind: 'renew' as const }] : [];
  return random.chance(0.05) ? [...renewals, { at: at(), kind: 'stop' as const }] : renewals;
}

interface PairKind extends WorldKind {
  /** Whether the copy can be held to asking in turn: only where it sees what the client does when it does it. */
  readonly inTurn: boolean;
}

function randomPairs(random: Random, kind: PairKind): Pair[] {
  const pairs = Array.from({ length: random.int(1, 4) }, (_, i) => randomPair(random, i, kind));
  const [first] = pairs;
  // The port is used again: where all is well only when the first copy is certain to have ended.
  if (first === undefined || !random.chance(0.15)) return pairs;
  const again = randomPair(random, 0, kind);
  const isn = (first.online.isn + random.int(1_000_000, 50_000_000)) >>> 0;
  const pause = kind.isKind ? seconds(200) : pick(random, [NONE, millis(50), seconds(2)]);
  return [
    ...pairs,
    {
      online: { ...again.online, isn, startAt: pause },
      target: { ...again.target, isn },
    },
  ];
}

function randomPair(random: Random, index: number, { isKind, inTurn }: PairKind): Pair {
  const client = { address: '10.1.2.3', port: 20_000 + index };
  const isn = pick(random, [random.uint32(), 0xffff_ffff - random.int(0, 5000), 0x7fff_ff00]);
  const stamps = random.chance(0.5) ? { timestamps: [random.uint32(), 0] as const } : {};
  const scale = random.chance(0.5) ? { windowScale: random.int(0, 9) } : {};
  const pipelines = random.chance(0.2);
  const pushes = random.chance(0.15);
  const exchanges = Array.from({ length: random.int(0, 12) }, () =>
    randomExchange(random, pipelines, pushes),
  );
  const greeting = random.chance(0.15) ? random.int(1, 200) : 0;
  const factor = pick(random, [1, 1, 1, 0.5, 1.3]);
  let after = 0;
  const answers = exchanges.map(({ request, response }) => ({
    after: (after += request),
    response: Math.ceil(response * factor),
    delay: pick(random, [micros(50), millis(2), millis(40), millis(300)]),
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
    end: isKind
      ? pick(random, ['fin', 'fin', 'halfClose', 'lastWord'] as const)
      : pick(random, ['fin', 'fin', 'reset', 'none', 'halfClose', 'lastWord', 'abort'] as const),
    startAt: micros(random.int(0, 20_000)),
  };
  const takesTurns = inTurn && !pipelines && !pushes && factor >= 1;
  return { online, target: { ...randomTarget(random, online, answers, isKind), takesTurns } };
}

function randomExchange(random: Random, pipelines: boolean, pushes: boolean): Exchange {
  return {
    request: someSize(random, 60_000),
    response: someSize(random, 40_000),
    serverTime: pick(random, [micros(100), millis(5)]),
    think: pick(random, [NONE, millis(3), millis(200)]),
    pipelined: pipelines && random.chance(0.5),
    pushed: pushes && random.chance(0.3) ? random.int(1, 200) : 0,
    isUrgent: random.chance(0.05),
    keepAlives: random.chance(0.05) ? random.int(1, 4) : 0,
    closesWindow: random.chance(0.05),
  };
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
  const manners = !isKind && random.chance(0.7) ? pick(random, MANNERS) : 'polite';
  return {
    client,
    isn,
    greeting,
    greetingDelay: pick(random, [NONE, millis(2), millis(500)]),
    answers,
    mss: pick(random, [1460, 1460, 536, 536, 8960, 8960, 216]),
    options: { ...stamps, ...scale, ...sack },
    buffer: manners === 'stopsReading' ? 2000 : pick(random, [65_535, 8000, 300_000]),
    readPause: pick(random, [NONE, NONE, NONE, millis(2), millis(400), seconds(10)]),
    ackDelay: pick(random, [NONE, millis(40)]),
    ignoredSyns: random.chance(0.05) ? random.int(1, 3) : 0,
    manners,
    badAt: random.chance(0.2) ? total : random.int(0, total + 1),
  };
}
