import { describe, expect, it } from 'vitest';
import {
  drain,
  feed,
  InterceptSide,
  keyOf,
  settle,
  signerOf,
  TcpcopySide,
  viewOf,
} from '../../test/property/control-pair.ts';
import { buildPacket, sackOption, timestampOption } from '../../test/property/wire-packets.ts';
import { parseAddress } from '../wire/address.ts';
import type { InterceptEndOptions } from './intercept-end.ts';
import { BARE, COMBINED_WITH_PAYLOAD } from './response-form.ts';
import { ByeCode } from './small-frames.ts';
import type { TcpcopyEndOptions } from './tcpcopy-end.ts';

const V4 = [parseAddress('10.1.2.3')!, 40_000, parseAddress('192.168.0.2')!, 8080] as const;
const V6 = [parseAddress('fd01::9')!, 40_001, parseAddress('fd00::2')!, 80] as const;
const KEY = signerOf('k');
const WITHOUT_FRAMES = { responseForm: BARE };
const WITH_PAYLOAD = { responseForm: COMBINED_WITH_PAYLOAD };
const SACK = sackOption([
  [1, 5],
  [7, 9],
]);
const RESPONSES = [
  buildPacket({ options: timestampOption(1, 2), payload: [0x48, 0x54, 0x54, 0x50, 0x2f] }),
  buildPacket({ family: 6, flags: 0x12 }),
  buildPacket({ ipOptions: [1, 1, 1, 0], options: SACK, payload: [1] }),
];

class Conversation {
  readonly near: TcpcopySide;
  readonly far: InterceptSide;
  /** All octets of each direction. */
  readonly up: number[] = [];
  readonly down: number[] = [];

  constructor(near: Partial<TcpcopyEndOptions>, far: Partial<InterceptEndOptions>) {
    const instance = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    const targets = [{ address: V6[2], port: 80 }];
    this.near = new TcpcopySide({ payload: 4, targets, instance, ...near });
    this.far = new InterceptSide(far);
  }

  sendUp(): void {
    const octets = drain(this.near.end);
    this.up.push(...octets);
    feed(this.far.end, octets);
  }

  sendDown(): void {
    const octets = drain(this.far.end);
    this.down.push(...octets);
    feed(this.near.end, octets);
  }

  settle(): void {
    const { up, down } = settle(this.near, this.far);
    this.up.push(...up);
    this.down.push(...down);
  }

  respond(...which: readonly number[]): void {
    for (const n of which) {
      const packet = RESPONSES[n]!;
      this.far.end.addResponse(viewOf(packet), packet.length, 2 ** 50 + n);
    }
  }
}

/** All that can be said, version 6 before the change and between hello and mark included. */
function converse(
  near: Partial<TcpcopyEndOptions>,
  far: Partial<InterceptEndOptions>,
): Conversation {
  const talk = new Conversation(near, far);
  talk.near.end.register(...V4);
  talk.sendUp();
  talk.respond(0);
  talk.sendDown();
  talk.respond(2, 0);
  talk.sendDown();
  talk.settle();
  talk.near.end.register(...V6);
  talk.near.end.register(...V4);
  talk.near.end.ping(1);
  talk.near.end.endSession(...V6);
  talk.respond(0, 1, 2);
  talk.far.end.addTaken(keyOf(...V6));
  talk.far.end.addTaken(keyOf(...V4));
  talk.far.end.addCount(1, 2);
  talk.far.end.ping(3);
  talk.settle();
  talk.respond(1);
  talk.far.end.bye(ByeCode.done, 'finished');
  talk.sendDown();
  return talk;
}

const DIALECTS: [string, Partial<TcpcopyEndOptions>, Partial<InterceptEndOptions>][] = [
  ['without a key', {}, {}],
  ['with a key', { key: KEY }, { key: KEY, allowOriginal: false }],
  ['where only tcpcopy was told of an original with payload', WITH_PAYLOAD, {}],
  ['where only intercept was told of an original with payload', {}, WITH_PAYLOAD],
  ['where only tcpcopy was told of an original without frames', WITHOUT_FRAMES, {}],
  ['where only intercept was told of an original without frames', {}, WITHOUT_FRAMES],
  ['where both were told of an original without frames', WITHOUT_FRAMES, WITHOUT_FRAMES],
];

/** Lone cuts everywhere, one octet at a time, and pieces of each small size. */
function* waysToCut(length: number): Generator<number[]> {
  for (let cut = 0; cut <= length; cut++) yield [cut];
  for (let size = 1; size <= 24; size++) {
    yield Array.from({ length: Math.floor(length / size) }, (_, i) => (i + 1) * size);
  }
}

describe.each(DIALECTS)('a conversation %s', (_name, near, far) => {
  const whole = converse(near, far);
  const up = Uint8Array.from(whole.up);
  const down = Uint8Array.from(whole.down);

  it('says all there is to say', () => {
    expect(whole.far.heard.filter((line) => line.startsWith('add'))).toHaveLength(
      near.key === undefined ? 3 : 2,
    );
    const responses = whole.near.heard.filter((line) => line.startsWith('response'));
    expect(responses).toHaveLength(near.key === undefined ? 7 : 4);
    expect(whole.near.heard.filter((line) => line.startsWith('taken'))).toHaveLength(2);
    expect(whole.far.heard).toContain('instance 0102030405060708');
    expect(whole.near.heard.at(-2)).toMatch(/^response 60 /);
    expect(whole.far.heard.at(-1)).toBe('pong 3');
  });

  it('is heard alike by intercept, however it is cut', () => {
    for (const cuts of waysToCut(up.length)) {
      const side = new InterceptSide(far);
      expect(feed(side.end, up, cuts)).toBe(true);
      expect(side.heard).toEqual(whole.far.heard);
      expect(side.end.isMidMessage).toBe(false);
    }
  });

  it('is heard alike by tcpcopy, however it is cut', () => {
    for (const cuts of waysToCut(down.length)) {
      const side = new TcpcopySide({ instance: new Uint8Array(8), ...near });
      expect(feed(side.end, down, cuts)).toBe(false);
      expect(side.heard).toEqual(whole.near.heard);
      expect(side.end.failure?.reason).toBe('intercept ends the connection: finished');
    }
  });

  it('knows at every octet whether a message is complete', () => {
    const cutAt = (n: number): boolean => {
      const side = new InterceptSide(far);
      feed(side.end, up.slice(0, n));
      return side.end.isMidMessage;
    };
    // Two messages of version 6 or three, then frames of extended octets.
    const begins = near.key === undefined ? [0, 14, 28, 42] : [0, 14, 28];
    for (let n = 0; n <= begins.at(-1)!; n++) expect(cutAt(n)).toBe(!begins.includes(n));
    expect(cutAt(begins.at(-1)! + 1)).toBe(true);
    expect(cutAt(up.length - 1)).toBe(true);
    expect(cutAt(up.length)).toBe(false);
  });
});
