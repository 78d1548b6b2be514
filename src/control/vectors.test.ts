import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  drain,
  feed,
  hex,
  InterceptSide,
  keyOf,
  settle,
  signerOf,
  TcpcopySide,
  viewOf,
} from '../../test/property/control-pair.ts';
import { buildPacket, memoryOf, timestampOption } from '../../test/property/wire-packets.ts';
import { IpAddress, parseAddress } from '../wire/address.ts';
import { CountId } from './count-id.ts';
import { FrameDecoder } from './frame.ts';
import { FrameError } from './frame-error.ts';
import { RegistrationType, writeRegistration, writeVersion } from './registration.ts';
import { BARE, COMBINED, COMBINED_WITH_PAYLOAD } from './response-form.ts';
import { ByeCode } from './small-frames.ts';

const DOCUMENT = new URL('../../docs/control-protocol.md', import.meta.url);

function readVectors(): Map<string, string> {
  const text = readFileSync(DOCUMENT, 'utf8');
  const vectors = new Map<string, string>();
  for (const [, name, body] of text.matchAll(/```vector (\S+)\n([^`]*)```/g)) {
    vectors.set(name!, body!.replaceAll(/\s/g, ''));
  }
  return vectors;
}

const vectors = readVectors();
const used = new Set<string>();

/** The vector of that name, in hex. */
function vector(name: string): string {
  used.add(name);
  const found = vectors.get(name);
  if (found === undefined) throw new Error(`no vector '${name}' in ${DOCUMENT.pathname}`);
  return found;
}

const octetsOf = (name: string): Uint8Array => Uint8Array.from(Buffer.from(vector(name), 'hex'));

const V4 = [parseAddress('10.1.2.3')!, 40_000, parseAddress('192.168.0.2')!, 8080] as const;
const V6 = [parseAddress('fd01::9')!, 40_001, parseAddress('fd00::2')!, 80] as const;
const V4_TEXT = '10.1.2.3:40000 192.168.0.2:8080';
const V6_TEXT = '[fd01::9]:40001 [fd00::2]:80';
const HTTP = [0x48, 0x54, 0x54, 0x50];
const RESPONSE = buildPacket({ options: timestampOption(1, 2), payload: HTTP });
const RESPONSE_V6 = buildPacket({ family: 6, payload: [0x4f] });
const TARGETS = [
  { address: V6[2], port: 80 },
  { address: new IpAddress(0, 0, 0, 0), port: 8080 },
];
const KEY = 'correct horse battery staple';
const EMPTY = new Uint8Array();

/** Two ends that speak the extended protocol, and what they have heard forgotten. */
function extendedPair(): { near: TcpcopySide; far: InterceptSide } {
  const near = new TcpcopySide();
  const far = new InterceptSide();
  settle(near, far);
  near.heard.length = 0;
  far.heard.length = 0;
  return { near, far };
}

describe('version 6, in the document', () => {
  it('the first message of an original peer, and its sessions', () => {
    const memory = memoryOf(new Uint8Array(42));
    writeVersion(memory, 0);
    writeRegistration(memory, 14, RegistrationType.sessionAdd, ...V4);
    writeRegistration(memory, 28, RegistrationType.sessionDelete, ...V4);
    const octets = hex(memory.bytes.slice(0, 42));
    expect(octets).toBe(vector('version6-first') + vector('version6-sessions'));
    const far = new InterceptSide();
    feed(far.end, Uint8Array.from(Buffer.from(octets, 'hex')));
    expect(far.heard).toEqual(['version 6', `add ${V4_TEXT}`, `delete ${V4_TEXT}`]);
    expect(far.end.length).toBe(0);
  });

  it.each([
    ['version6-frame', COMBINED],
    ['version6-payload-frame', COMBINED_WITH_PAYLOAD],
    ['version6-bare', BARE],
  ])('%s', (name, form) => {
    const far = new InterceptSide({ responseForm: form });
    feed(far.end, octetsOf('version6-first'));
    far.end.addResponse(viewOf(RESPONSE), RESPONSE.length, 5);
    expect(hex(drain(far.end))).toBe(vector(name));
    const near = new TcpcopySide({ responseForm: form });
    feed(near.end, octetsOf(name));
    expect(near.heard).toEqual([`response 0 0 ${vector(name).slice(2 * form.frameHeader)}`]);
    const decoder = new FrameDecoder({ form });
    decoder.push(memoryOf(octetsOf(name)), octetsOf(name).length, { handleResponse: () => {} });
    expect(decoder).toMatchObject({ messages: 1, error: FrameError.none, inFrame: false });
  });
});

describe('the change of the protocol, in the document', () => {
  it('offer, hello, switch and mark', () => {
    const near = new TcpcopySide();
    const far = new InterceptSide();
    const offer = drain(near.end);
    expect(hex(offer)).toBe(vector('offer'));
    feed(far.end, offer);
    const hello = drain(far.end);
    expect(hex(hello)).toBe(vector('hello'));
    feed(near.end, hello);
    const change = drain(near.end);
    expect(hex(change)).toBe(vector('switch'));
    feed(far.end, change);
    expect(hex(drain(far.end))).toBe(vector('mark'));
  });

  it('the proof of the key', () => {
    const near = new TcpcopySide({ key: signerOf(KEY) });
    const far = new InterceptSide({ key: signerOf(KEY), allowOriginal: false });
    const { up, down } = settle(near, far);
    expect(hex(up)).toBe(vector('offer') + vector('switch') + vector('authenticate'));
    expect(hex(down)).toBe(vector('hello-with-key') + vector('mark') + vector('authenticated'));
    expect(far.heard).toContain('extended true');
  });
});

describe('extended frames, in the document', () => {
  it.each<[string, (near: TcpcopySide) => void, string[]]>([
    ['settings', ({ end }) => end.setPayload(2), ['payload 2']],
    [
      'register',
      ({ end }) => {
        end.register(...V4);
        end.register(...V6);
      },
      [`add ${V4_TEXT}`, `add ${V6_TEXT}`],
    ],
    ['end', ({ end }) => end.endSession(...V4), [`delete ${V4_TEXT}`]],
    ['targets', ({ end }) => end.setTargets(TARGETS), ['targets [fd00::2]:80 [::]:8080']],
    ['ping', ({ end }) => end.ping(0x01_0203_0405), []],
  ])('from tcpcopy: %s', (name, say, heard) => {
    const { near, far } = extendedPair();
    say(near);
    expect(hex(drain(near.end))).toBe(vector(name));
    feed(far.end, octetsOf(name));
    expect(far.heard).toEqual(heard);
  });

  it('from both: a ping is answered', () => {
    const { near, far } = extendedPair();
    for (const { end } of [near, far]) {
      feed(end, octetsOf('ping'));
      expect(hex(drain(end))).toBe(vector('pong'));
    }
    feed(near.end, octetsOf('pong'));
    feed(far.end, octetsOf('pong'));
    expect([near.heard, far.heard]).toEqual([['pong 4328719365'], ['pong 4328719365']]);
  });

  it('from intercept: responses', () => {
    const { near, far } = extendedPair();
    feed(far.end, octetsOf('settings'));
    far.end.addResponse(viewOf(RESPONSE), RESPONSE.length, 1_700_000_000_123_456);
    far.end.addResponse(viewOf(RESPONSE_V6), RESPONSE_V6.length, 0);
    expect(hex(drain(far.end))).toBe(vector('responses'));
    feed(near.end, octetsOf('responses'));
    expect(near.heard).toEqual([
      `response 56 1700000000123456 ${hex(RESPONSE.slice(0, -2))}`,
      `response 61 0 ${hex(RESPONSE_V6)}`,
    ]);
  });

  it('from intercept: counts', () => {
    const { near, far } = extendedPair();
    far.end.addCount(CountId.captured, 2 ** 40 + 1);
    far.end.addCount(CountId.slowPeer, 3);
    expect(hex(drain(far.end))).toBe(vector('counts'));
    feed(near.end, octetsOf('counts'));
    expect(near.heard).toEqual(['count 1 1099511627777', 'count 65 3']);
  });

  it('which tcpcopy it is, said at once, and the sessions that another one has', () => {
    const instance = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    const near = new TcpcopySide({ instance });
    const far = new InterceptSide();
    const { up } = settle(near, far);
    expect(hex(up)).toBe(vector('offer') + vector('switch') + vector('instance'));
    expect(far.heard).toContain('instance 0102030405060708');
    near.heard.length = 0;
    for (const session of [keyOf(...V4), keyOf(...V6)])
      expect(far.end.addTaken(session)).toBe(true);
    expect(hex(drain(far.end))).toBe(vector('taken'));
    feed(near.end, octetsOf('taken'));
    expect(near.heard).toEqual([`taken ${V4_TEXT}`, `taken ${V6_TEXT}`]);
  });

  it('from intercept: bye', () => {
    const { near, far } = extendedPair();
    far.end.bye(ByeCode.limit, 'zu viele Verbindungen – 64');
    expect(hex(drain(far.end))).toBe(vector('bye'));
    expect(feed(near.end, octetsOf('bye'))).toBe(false);
    expect(near.end.failure?.reason).toContain(': zu viele Verbindungen – 64');
    expect(drain(near.end)).toEqual(EMPTY);
  });
});

it('no vector of the document is left unread', () => {
  expect(used).toEqual(new Set(vectors.keys()));
});
