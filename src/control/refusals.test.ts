import { describe, expect, it } from 'vitest';
import {
  drain,
  feed,
  InterceptSide,
  settle,
  signerOf,
  TcpcopySide,
  viewOf,
} from '../../test/property/control-pair.ts';
import { buildPacket } from '../../test/property/wire-packets.ts';
import { parseAddress } from '../wire/address.ts';
import { Fault } from './fault.ts';
import { AddResult } from './frame.ts';
import { BARE } from './response-form.ts';
import { ByeCode } from './small-frames.ts';
import { Stage, TellResult } from './tcpcopy-end.ts';

const V4 = [parseAddress('10.1.2.3')!, 40_000, parseAddress('192.168.0.2')!, 8080] as const;
const KEY = signerOf('k');
const octets = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

const OFFER = '0000000000000006544350580001';
const ORIGINAL = '0000000000000006000000000000';
const SWITCH = '0000000000005854000000000000';
const ADD = '0a0102039c400001c0a800021f90';
const NONCE = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
const hello = (version: number, flags: number): string =>
  `54435058 000${version} 000${flags} 0000001f ${NONCE}`;
const MARK = '5445';
/** Header of an extended frame. */
const head = (length: number, type: number, flags = 0): string =>
  [length.toString(16).padStart(8, '0'), hexOctet(type), hexOctet(flags), '0000'].join('');
const hexOctet = (n: number): string => n.toString(16).padStart(2, '0');
const zeros = (n: number): string => '00'.repeat(n);

/** What is said to intercept, and how it ends. */
const TO_INTERCEPT: [string, string, Fault, RegExp][] = [
  ['a client in the first message', ADD, Fault.noVersion, /not a version message/],
  ['an unknown type', OFFER + SWITCH + head(4, 99), Fault.unknownType, /unknown type 99/],
  ['a frame from the wrong side', OFFER + SWITCH + head(0, 66), Fault.outOfTurn, /RESPONSES/],
  ['a packet to be injected', OFFER + SWITCH + head(8, 6), Fault.notSupported, /INJECT/],
  ['half a session', OFFER + SWITCH + head(36, 3), Fault.badLength, /REGISTER.* 36 octets/],
  ['too many sessions', OFFER + SWITCH + head(40 * 1601, 3), Fault.badLength, /REGISTER/],
  ['four thousand million octets', OFFER + SWITCH + head(0xffff_fffc, 4), Fault.badLength, /END/],
  ['an odd body', OFFER + SWITCH + head(6, 2), Fault.badLength, /SETTINGS/],
  ['half a target', OFFER + SWITCH + head(24, 5) + zeros(24), Fault.badLength, /TARGETS/],
  ['too many targets', OFFER + SWITCH + head(20 * 1025, 5), Fault.badLength, /TARGETS/],
  ['a short PING', OFFER + SWITCH + head(4, 129), Fault.badLength, /PING/],
  ['a BYE without words', OFFER + SWITCH + head(0, 131), Fault.badLength, /BYE/],
  ['a BYE of many words', OFFER + SWITCH + head(1008, 131), Fault.badLength, /BYE/],
  ['an odd frame to pass over', OFFER + SWITCH + head(6, 99, 1), Fault.badLength, /type 99/],
  ['an endless frame to pass over', OFFER + SWITCH + head(262_148, 99, 1), Fault.badLength, /99/],
  ['a header that ends in junk', `${OFFER}${SWITCH}0000000881000001`, Fault.damaged, /PING/],
  ['a session that is said to be taken', OFFER + SWITCH + head(40, 68), Fault.outOfTurn, /TAKEN/],
  ['half an instance', OFFER + SWITCH + head(4, 7), Fault.badLength, /INSTANCE/],
  [
    'a second instance',
    OFFER + SWITCH + head(8, 7) + zeros(8) + head(8, 7),
    Fault.outOfTurn,
    /INSTANCE/,
  ],
  ['a proof that nobody wants', OFFER + SWITCH + head(64, 1), Fault.outOfTurn, /AUTHENTICATE/],
];

describe('intercept refuses', () => {
  it.each(TO_INTERCEPT)('%s, said at once or octet by octet', (_name, said, fault, words) => {
    const all = octets(said);
    for (const cuts of [[], Array.from(all.keys())]) {
      const far = new InterceptSide();
      expect(feed(far.end, all, cuts)).toBe(false);
      expect(far.end.failure?.fault).toBe(fault);
      expect(far.end.failure?.reason).toMatch(words);
      expect(far.end.isReady).toBe(false);
      expect(feed(far.end, octets(ADD))).toBe(false);
      expect(far.heard.filter((line) => line.startsWith('add'))).toHaveLength(0);
    }
  });

  it('and tells a peer that understands', () => {
    const near = new TcpcopySide();
    const far = new InterceptSide();
    settle(near, far);
    feed(far.end, octets(head(4, 99)));
    feed(near.end, drain(far.end));
    expect(near.end.failure?.reason).toMatch(/intercept ends the connection: .*unknown type 99/);
  });

  it('original peers where they are not allowed', () => {
    const far = new InterceptSide({ allowOriginal: false });
    expect(feed(far.end, octets(ORIGINAL + ADD))).toBe(false);
    expect(far.end.failure?.fault).toBe(Fault.originalRefused);
    expect(far.heard).toEqual([]);
    expect(far.end.length).toBe(0);
  });

  it('nobody for an offer in a version message that is not of version 6', () => {
    const far = new InterceptSide();
    feed(far.end, octets(`${OFFER.slice(0, 12)}0007${OFFER.slice(16)}${ADD}`));
    expect(far.heard).toEqual(['version 7', 'add 10.1.2.3:40000 192.168.0.2:8080']);
    expect(far.end.length).toBe(0);
  });

  it('nobody for an offer of version 0, which is none', () => {
    const far = new InterceptSide();
    feed(far.end, octets(`${OFFER.slice(0, -4)}0000${SWITCH}${ADD}`));
    expect(far.heard).toEqual(['version 6', 'add 10.1.2.3:40000 192.168.0.2:8080']);
    expect(far.end.length).toBe(0);
  });

  it('a registration before the proof, in version 6, with its reason', () => {
    const far = new InterceptSide({ key: KEY, allowOriginal: false });
    expect(feed(far.end, octets(OFFER + ADD + ADD))).toBe(false);
    expect(far.end.failure?.fault).toBe(Fault.tooEarly);
    const near = new TcpcopySide({ key: KEY });
    feed(near.end, drain(far.end));
    expect(near.end.failure?.reason).toContain('before the proof of the key');
  });

  it.each([
    ['REGISTER', head(40, 3)],
    ['SETTINGS', head(4, 2)],
    ['TARGETS', head(0, 5)],
    ['PING', head(8, 129)],
  ])('%s before the proof', (name, said) => {
    const far = new InterceptSide({ key: KEY, allowOriginal: false });
    const packet = buildPacket();
    feed(far.end, octets(OFFER));
    expect(far.end.addResponse(viewOf(packet), packet.length, 0)).toBe(AddResult.notReady);
    expect(feed(far.end, octets(SWITCH + said))).toBe(false);
    expect(far.end.failure).toMatchObject({ fault: Fault.tooEarly });
    expect(far.end.failure?.reason).toContain(`a frame ${name} came before`);
    expect(far.heard).toEqual(['version 6']);
  });

  it('a handshake recorded earlier, whose nonce is spent', () => {
    const near = new TcpcopySide({ key: KEY });
    const said = settle(near, new InterceptSide({ key: KEY })).up;
    const again = new InterceptSide({ key: KEY });
    expect(feed(again.end, said)).toBe(true);
    expect(again.end.isProven).toBe(true);
    const fresh = new InterceptSide({ key: KEY, nonce: new Uint8Array(32).fill(9) });
    expect(feed(fresh.end, said)).toBe(false);
    expect(fresh.end.failure?.fault).toBe(Fault.wrongKey);
    expect(fresh.end.isProven).toBe(false);
  });

  it('a proof of which any bit is wrong', () => {
    const said = settle(new TcpcopySide({ key: KEY }), new InterceptSide({ key: KEY })).up;
    const proof = said.length - 64;
    for (let bit = 0; bit < 512; bit++) {
      const spoiled = said.slice();
      spoiled[proof + (bit >> 3)]! ^= 1 << (bit & 7);
      const far = new InterceptSide({ key: KEY });
      expect(feed(far.end, spoiled)).toBe(false);
      expect(far.end.failure?.fault).toBe(Fault.wrongKey);
    }
  });

  it('nothing yet while a proof is not complete', () => {
    const strict = { key: KEY, allowOriginal: false };
    const said = settle(new TcpcopySide({ key: KEY }), new InterceptSide(strict)).up;
    const far = new InterceptSide(strict);
    expect(feed(far.end, said.slice(0, -1))).toBe(true);
    expect(far.end).toMatchObject({ isProven: false, isReady: false, isMidMessage: true });
    expect(feed(far.end, said.slice(-1))).toBe(true);
    expect(far.end).toMatchObject({ isProven: true, isReady: true, isMidMessage: false });
  });

  it('a second proof', () => {
    const said = settle(new TcpcopySide({ key: KEY }), new InterceptSide({ key: KEY })).up;
    const far = new InterceptSide({ key: KEY });
    expect(feed(far.end, Uint8Array.from([...said, ...said.slice(-72)]))).toBe(false);
    expect(far.end.failure?.fault).toBe(Fault.outOfTurn);
  });
});

/** What is said to tcpcopy without a key, and how it ends. */
const TO_TCPCOPY: [string, string, Fault, RegExp][] = [
  ['a count of 17', '0011', Fault.badFrame, /more than 16/],
  ['headers without frames', '4500', Fault.badFrame, /--disable-combined/],
  ['a mark before the hello', MARK, Fault.badSwitch, /before it was agreed/],
  ['a version that was not offered', hello(2, 0), Fault.badHello, /version 2 /],
  ['version 0', hello(0, 0), Fault.badHello, /version 0 /],
  ['TCxx', `54430000${hello(1, 0).slice(9)}`, Fault.badHello, /look for what alters/],
  ['a second hello', hello(1, 0) + hello(1, 0).slice(0, 4), Fault.badHello, /twice/],
  ['a hello that requires a key', hello(1, 3), Fault.keyRequired, /key file/],
  ['a frame from the wrong side', hello(1, 0) + MARK + head(0, 3), Fault.outOfTurn, /REGISTER/],
  ['a proof nobody asked for', hello(1, 0) + MARK + head(32, 65), Fault.outOfTurn, /AUTHENT/],
  ['a record of 20 octets', `${hello(1, 0)}${MARK}${head(64, 66)}00000014`, Fault.damaged, /RESP/],
  ['a record beyond its body', `${hello(1, 0)}${MARK}${head(64, 66)}00000044`, Fault.damaged, /./],
  ['too long a body', hello(1, 0) + MARK + head(262_148, 66), Fault.badLength, /262148/],
  ['half a count', hello(1, 0) + MARK + head(8, 67), Fault.badLength, /COUNTS/],
];

describe('tcpcopy refuses', () => {
  it.each(TO_TCPCOPY)('%s, said at once or octet by octet', (_name, said, fault, words) => {
    const all = octets(said);
    for (const cuts of [[], Array.from(all.keys())]) {
      const near = new TcpcopySide();
      expect(feed(near.end, all, cuts)).toBe(false);
      expect(near.end.failure?.fault).toBe(fault);
      expect(near.end.failure?.reason).toMatch(words);
      expect(near.heard.at(-1)).toBe(`stage ${Stage.closed}`);
      expect(near.end.register(...V4)).toBe(TellResult.closed);
      expect(feed(near.end, octets('0000'))).toBe(false);
    }
  });

  it.each([
    ['a frame', '0001', Fault.badFrame, /without --disable-combined; .* or leave it out here/],
    ['a count of 17', '0011', Fault.badFrame, /no IPv4 header .* check the address and port/],
    ['IPv6', '6000', Fault.badFrame, /no IPv4 header/],
    [
      'a message without a frame behind the hello',
      `${hello(1, 0)}4500`,
      Fault.badFrame,
      /with --disable-combined/,
    ],
    ['a mark before the hello', MARK, Fault.badSwitch, /before it was agreed/],
    ['a second hello', hello(1, 0) + hello(1, 0).slice(0, 4), Fault.badHello, /twice/],
  ])('told of an original without frames: %s', (_name, said, fault, words) => {
    const all = octets(said);
    for (const cuts of [[], Array.from(all.keys())]) {
      const near = new TcpcopySide({ responseForm: BARE });
      expect(feed(near.end, all, cuts)).toBe(false);
      expect(near.end.failure?.fault).toBe(fault);
      expect(near.end.failure?.reason).toMatch(words);
    }
  });

  it.each([
    ['short headers', '0027', '0000', '00000028', '00000001', '45'],
    ['more than the wire carried', '0028', '0000', '00000027', '00000000', '45'],
    ['another length than its parts', '0028', '0000', '00000100', '00000005', '45'],
    ['no IP version', '0028', '0000', '00000028', '00000000', '55'],
  ])('a record with %s', (_name, headers, flags, wire, payload, first) => {
    const record = `00000040${headers}${flags}${wire}${payload}${zeros(8)}${first}${zeros(39)}`;
    const near = new TcpcopySide();
    expect(feed(near.end, octets(hello(1, 0) + MARK + head(64, 66) + record))).toBe(false);
    expect(near.end.failure?.fault).toBe(Fault.damaged);
    expect(near.heard.filter((line) => line.startsWith('response'))).toEqual([]);
  });

  it('an intercept without a key when it has one, and says so to both', () => {
    const near = new TcpcopySide({ key: KEY });
    const far = new InterceptSide();
    settle(near, far);
    expect(near.end.failure?.fault).toBe(Fault.peerWithoutKey);
    expect(far.end.failure?.reason).toMatch(/tcpcopy ends the connection: intercept has no key/);
  });

  it('to be served without the key that intercept requires, and says so to both', () => {
    const near = new TcpcopySide();
    const far = new InterceptSide({ key: KEY, allowOriginal: false });
    settle(near, far);
    expect(near.end.failure?.fault).toBe(Fault.keyRequired);
    expect(far.end.failure?.fault).toBe(Fault.bye);
    expect(far.heard).toEqual(['version 6']);
  });

  it('an intercept whose proof has a wrong bit, or is its own sent back', () => {
    const { up, down } = settle(new TcpcopySide({ key: KEY }), new InterceptSide({ key: KEY }));
    const other = down.slice();
    other[other.length - 1]! ^= 1;
    const mirrored = down.slice();
    mirrored.set(up.slice(-32), down.length - 32);
    for (const said of [other, mirrored]) {
      const near = new TcpcopySide({ key: KEY });
      expect(feed(near.end, said)).toBe(false);
      expect(near.end.failure?.fault).toBe(Fault.wrongKey);
    }
    expect(feed(new TcpcopySide({ key: KEY }).end, down)).toBe(true);
  });

  it('an intercept that somebody between has told another offer, or given another channel', () => {
    const spoilers: [Partial<Record<'near' | 'far', Uint8Array>>, number][] = [
      [{}, 2],
      [{ near: new Uint8Array(32).fill(1) }, 1],
      [{ near: new Uint8Array(32).fill(1), far: new Uint8Array(32).fill(2) }, 1],
    ];
    for (const [{ near: one, far: other }, offered] of spoilers) {
      const near = new TcpcopySide({ key: KEY, channelBinding: one });
      const far = new InterceptSide({ key: KEY, channelBinding: other });
      const offer = drain(near.end);
      offer[13] = offered;
      feed(far.end, offer);
      settle(near, far);
      expect(far.end.failure?.fault).toBe(Fault.wrongKey);
      expect(near.end.failure?.fault).toBe(Fault.bye);
    }
    const bound = new Uint8Array(32).fill(3);
    const near = new TcpcopySide({ key: KEY, channelBinding: bound });
    const far = new InterceptSide({ key: KEY, channelBinding: bound.slice() });
    settle(near, far);
    expect(far.end.isProven).toBe(true);
  });

  it('responses of an intercept that has proved nothing: dropped in version 6, a fault after', () => {
    const near = new TcpcopySide({ key: KEY });
    feed(near.end, octets(`0001 45${zeros(63)} ${hello(1, 3)} 0001 45${zeros(63)}`));
    expect(near.end.unproven).toBe(2);
    expect(near.heard).toEqual([`stage ${Stage.proving}`]);
    expect(feed(near.end, octets(MARK + head(64, 66)))).toBe(false);
    expect(near.end.failure?.fault).toBe(Fault.tooEarly);
  });

  it.each([
    ['an intercept that has not offered leases', new Uint8Array(8), 0x1f],
    ['anybody when it has asked for none', undefined, 0x5f],
  ])('to be told by %s that a session is taken', (_name, instance, capabilities) => {
    const said = hello(1, 0).replace('0000001f', capabilities.toString(16).padStart(8, '0'));
    const near = new TcpcopySide(instance === undefined ? {} : { instance });
    expect(feed(near.end, octets(said + MARK + head(40, 68) + zeros(40)))).toBe(false);
    expect(near.end.failure?.fault).toBe(Fault.outOfTurn);
    expect(near.heard.join()).not.toContain('taken');
  });

  it('half a session that is taken, too many, and any before the proof', () => {
    const said = hello(1, 0).replace('0000001f', '0000005f');
    for (const length of [36, 40 * 1601]) {
      const near = new TcpcopySide({ instance: new Uint8Array(8) });
      expect(feed(near.end, octets(said + MARK + head(length, 68)))).toBe(false);
      expect(near.end.failure?.fault).toBe(Fault.badLength);
    }
    const near = new TcpcopySide({ instance: new Uint8Array(8), key: KEY });
    const withKey = hello(1, 3).replace('0000001f', '0000005f');
    expect(feed(near.end, octets(withKey + MARK + head(40, 68)))).toBe(false);
    expect(near.end.failure?.fault).toBe(Fault.tooEarly);
  });

  it('to wait for a proof for ever', () => {
    const near = new TcpcopySide({ key: KEY });
    feed(near.end, octets(hello(1, 3)));
    expect(near.end.stage).toBe(Stage.proving);
    expect(near.end.handleTimeout()).toBe(false);
    expect(near.end.failure?.fault).toBe(Fault.notProven);
  });
});

describe('neither end minds', () => {
  it('frames of unknown types that may be passed over, however long and cut', () => {
    const strange = head(8, 99, 1) + zeros(8) + head(0, 98, 1) + head(262_144, 97, 0xff);
    const all = octets(strange + zeros(262_144) + head(8, 129) + zeros(8));
    for (const cuts of [[], [3, 9, 17, 60_000], [8], [24]]) {
      const near = new TcpcopySide();
      const far = new InterceptSide();
      settle(near, far);
      expect(feed(far.end, all, cuts)).toBe(true);
      expect(feed(near.end, all, cuts)).toBe(true);
      expect([near.end.length, far.end.length]).toEqual([16, 16]);
    }
  });

  it('a hello that comes after it was given up', () => {
    const near = new TcpcopySide();
    expect(near.end.handleTimeout()).toBe(true);
    const far = new InterceptSide();
    settle(near, far);
    expect(near.heard).toEqual([`stage ${Stage.version6}`, `stage ${Stage.extended}`]);
    expect(near.end.handleTimeout()).toBe(true);
  });

  it('a peer with an unneeded key, or one that does not prove it where it need not', () => {
    const far = new InterceptSide({ key: KEY, allowOriginal: true });
    const near = new TcpcopySide();
    settle(near, far);
    expect(near.end.stage).toBe(Stage.extended);
    expect(far.end).toMatchObject({ isReady: true, isProven: false });
  });
});

describe('an end that was told to end', () => {
  it('reads no more, and says no more', () => {
    const near = new TcpcopySide();
    const far = new InterceptSide();
    settle(near, far);
    near.end.bye('stopping');
    far.end.bye(ByeCode.done, 'stopping');
    const [up, down] = [drain(near.end), drain(far.end)];
    expect(feed(near.end, down)).toBe(false);
    expect(feed(far.end, up)).toBe(false);
    expect([near.end.length, far.end.length]).toEqual([0, 0]);
    expect(near.end.failure?.reason).toBe('stopping');
    expect(far.end.ping(1)).toBe(false);
    expect(far.end.addCount(1, 1)).toBe(false);
  });
});
