import { describe, expect, it } from 'vitest';
import type { Random } from '../../src/base/random.ts';
import { Fault } from '../../src/control/fault.ts';
import type { InterceptEndOptions } from '../../src/control/intercept-end.ts';
import { BARE, COMBINED_WITH_PAYLOAD } from '../../src/control/response-form.ts';
import type { TcpcopyEndOptions } from '../../src/control/tcpcopy-end.ts';
import { parseAddress } from '../../src/wire/address.ts';
import {
  drain,
  feed,
  InterceptSide,
  keyOf,
  settle,
  signerOf,
  TcpcopySide,
  viewOf,
} from '../property/control-pair.ts';
import { buildPacket, timestampOption } from '../property/wire-packets.ts';
import { check, fuzz, RUNS } from './seed.ts';

/** Conversations spoiled for each end and setting: each is read thrice. */
const CONVERSATIONS = Math.max(500, RUNS / 1000);
const V4 = [parseAddress('10.1.2.3')!, 40_000, parseAddress('192.168.0.2')!, 8080] as const;
const V6 = [parseAddress('fd01::9')!, 40_001, parseAddress('fd00::2')!, 80] as const;
const KEY = signerOf('k');
const WITHOUT_FRAMES = { responseForm: BARE };
const WITH_PAYLOAD = { responseForm: COMBINED_WITH_PAYLOAD };
const INSTANCE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const PACKETS = [
  buildPacket({ options: timestampOption(1, 2), payload: [1, 2, 3, 4, 5] }),
  buildPacket({ family: 6 }),
];
/** Far above what one of these conversations says back. */
const MAX_ANSWER = 65_536;

interface Setting {
  readonly near: Partial<TcpcopyEndOptions>;
  readonly far: Partial<InterceptEndOptions>;
}

/** What both ends say when all goes well. */
function record({ near: nearOptions, far: farOptions }: Setting): { up: number[]; down: number[] } {
  const near = new TcpcopySide({
    payload: 3,
    targets: [{ address: V6[2], port: 80 }],
    ...nearOptions,
  });
  const far = new InterceptSide(farOptions);
  const up: number[] = [];
  const down: number[] = [];
  near.end.register(...V4);
  for (let round = 0; round < 3; round++) {
    const said = settle(near, far);
    up.push(...said.up);
    down.push(...said.down);
    near.end.register(...V4);
    near.end.register(...V6);
    near.end.endSession(...V4);
    near.end.ping(round);
    for (const packet of PACKETS) far.end.addResponse(viewOf(packet), packet.length, round);
    for (const session of [keyOf(...V4), keyOf(...V6)]) far.end.addTaken(session);
    far.end.addCount(round, round);
    far.end.ping(round);
    if (round === 1) near.end.setPayload(round);
  }
  return { up, down };
}

/** Changes, removes, doubles or puts in a few octets; sometimes all from somewhere on is noise. */
function spoil(octets: readonly number[], random: Random): Uint8Array {
  const spoiled = [...octets];
  for (let n = random.int(0, 4); n > 0; n--) {
    const at = random.int(0, spoiled.length);
    const kind = random.int(0, 6);
    if (kind === 0) spoiled[at] = random.int(0, 256);
    else if (kind === 1) spoiled[at]! ^= 1 << random.int(0, 8);
    else if (kind === 2) spoiled.splice(at, random.int(1, 20));
    else if (kind === 3) spoiled.splice(at, 0, ...spoiled.slice(at, at + random.int(1, 60)));
    else if (kind === 4) spoiled.splice(at, 0, random.int(0, 256));
    else if (random.chance(0.3)) {
      for (let i = at; i < spoiled.length; i++) spoiled[i] = random.int(0, 256);
    }
  }
  return Uint8Array.from(spoiled);
}

function someCuts(length: number, random: Random): number[] {
  const cuts = Array.from({ length: random.int(0, 12) }, () => random.int(0, length + 1));
  return cuts.sort((a, b) => a - b);
}

/** What came of one reading: everything that must not depend on how the octets were cut. */
function outcome(
  side: TcpcopySide | InterceptSide,
  octets: Uint8Array,
  cuts: number[],
): { fault: number; words: string } {
  const open = feed(side.end, octets, cuts);
  const { failure } = side.end;
  check(open === (failure === null), 'an end is open or says why not');
  check(side.end.length <= MAX_ANSWER, 'the output stays small');
  const words = side.heard.join('\n');
  if (failure === null) return { fault: 0, words };
  check(!feed(side.end, octets) && side.heard.join('\n') === words, 'an end is for good');
  return { fault: failure.fault, words: `${words}\n${failure.reason}` };
}

const SETTINGS: [string, Setting][] = [
  ['without a key', { near: {}, far: {} }],
  ['with leases', { near: { instance: INSTANCE }, far: {} }],
  [
    'with a key',
    { near: { key: KEY, instance: INSTANCE }, far: { key: KEY, allowOriginal: false } },
  ],
  ['told of an original with payload', { near: WITH_PAYLOAD, far: WITH_PAYLOAD }],
  ['told of an original without frames', { near: WITHOUT_FRAMES, far: WITHOUT_FRAMES }],
];

/** Reads each spoiled conversation whole, cut anywhere, and octet by octet. Returns how often each fault was met. */
function run(octets: readonly number[], open: () => TcpcopySide | InterceptSide): number[] {
  const faults: number[] = Array.from({ length: 32 }, () => 0);
  fuzz(CONVERSATIONS, (random) => {
    const spoiled = spoil(octets, random);
    const whole = outcome(open(), spoiled, []);
    for (const cuts of [someCuts(spoiled.length, random), Array.from(spoiled.keys())]) {
      const { fault, words } = outcome(open(), spoiled, cuts);
      const same = fault === whole.fault && words === whole.words;
      check(same, `the same however cut: ${whole.words}, not ${words}`);
    }
    faults[whole.fault] = faults[whole.fault]! + 1;
  });
  return faults;
}

describe.each(SETTINGS)('a conversation spoiled here and there, %s', (_name, setting) => {
  const { up, down } = record(setting);

  it('towards intercept: nothing thrown, the same however it is cut', () => {
    const faults = run(up, () => new InterceptSide(setting.far));
    expect(faults[0]).toBeGreaterThan(10);
    expect(faults.filter((times) => times > 0).length).toBeGreaterThanOrEqual(5);
    if (setting.far.key !== undefined) expect(faults[Fault.wrongKey]).toBeGreaterThan(10);
  });

  it('towards tcpcopy: nothing thrown, the same however it is cut', () => {
    const faults = run(down, () => new TcpcopySide(setting.near));
    expect(faults[0]).toBeGreaterThan(10);
    expect(faults.filter((times) => times > 0).length).toBeGreaterThanOrEqual(5);
    if (setting.near.key !== undefined) expect(faults[Fault.wrongKey]).toBeGreaterThan(10);
  });
});

describe.each(SETTINGS)('noise at every point of a conversation, %s', (_name, setting) => {
  const { up, down } = record(setting);

  it('is read by both ends without an exception, and believed by neither', () => {
    fuzz(CONVERSATIONS, (random) => {
      const noise = Uint8Array.from({ length: random.int(1, 400) }, () => random.int(0, 256));
      const far = new InterceptSide(setting.far);
      feed(far.end, Uint8Array.from(up.slice(0, random.int(0, up.length))));
      const proven = far.end.isProven;
      feed(far.end, noise, someCuts(noise.length, random));
      check(far.end.isProven === proven, 'noise proves nothing');
      const near = new TcpcopySide(setting.near);
      feed(near.end, Uint8Array.from(down.slice(0, random.int(0, down.length))));
      feed(near.end, noise, someCuts(noise.length, random));
      check(drain(far.end).length + drain(near.end).length <= MAX_ANSWER, 'the output stays small');
    });
  });
});
