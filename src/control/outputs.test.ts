import { describe, expect, it } from 'vitest';
import {
  drain,
  feed,
  InterceptSide,
  settle,
  TcpcopySide,
  viewOf,
} from '../../test/property/control-pair.ts';
import { buildPacket } from '../../test/property/wire-packets.ts';
import { IpAddress, parseAddress } from '../wire/address.ts';
import { MAX_TARGETS } from './extended-frame.ts';
import { Fault } from './fault.ts';
import { AddResult } from './frame.ts';
import { BARE, COMBINED, COMBINED_WITH_PAYLOAD } from './response-form.ts';
import { ALL_PAYLOAD } from './response-record.ts';
import { ByeCode } from './small-frames.ts';
import { TellResult } from './tcpcopy-end.ts';

const TARGET = parseAddress('192.168.0.2')!;
const client = (n: number): IpAddress => IpAddress.v4(0x0a00_0000 + n);
const V6 = [parseAddress('fd01::9')!, 40_001, parseAddress('fd00::2')!, 80] as const;

/** Registers until there is no room, and returns how many went in. */
function fill(side: TcpcopySide): number {
  for (let n = 0; ; n++) {
    const result = side.end.register(client(n), 1000, TARGET, 80);
    if (result === TellResult.ok) continue;
    expect(result).toBe(TellResult.full);
    return n;
  }
}

describe("tcpcopy's output", () => {
  it('has an end in version 6, and every session that went in comes out', () => {
    const near = new TcpcopySide();
    const far = new InterceptSide();
    const sessions = fill(near);
    expect(sessions).toBeGreaterThan(4000);
    expect(near.end.length).toBeLessThan(65_536 + 14);
    feed(far.end, drain(near.end));
    expect(far.heard).toHaveLength(1 + sessions);
    expect(near.end.register(client(0), 1, TARGET, 80)).toBe(TellResult.ok);
  });

  it('has an end in the extended protocol, and fills frames up to their limit', () => {
    const near = new TcpcopySide();
    const far = new InterceptSide();
    settle(near, far);
    const sessions = fill(near);
    expect(sessions).toBeGreaterThan(1600);
    const octets = drain(near.end);
    expect(new DataView(octets.buffer).getUint32(0)).toBe(64_000);
    expect(feed(far.end, octets)).toBe(true);
    expect(far.heard.filter((line) => line.startsWith('add'))).toHaveLength(sessions);
  });

  it('still has room for all else when it is full of sessions', () => {
    const targets = Array.from({ length: MAX_TARGETS }, (_, i) => ({ address: TARGET, port: i }));
    const near = new TcpcopySide({ targets, payload: 9 });
    const far = new InterceptSide();
    feed(far.end, drain(near.end));
    fill(near);
    feed(near.end, drain(far.end));
    feed(far.end, drain(near.end));
    expect(far.heard.at(-2)).toBe('payload 9');
    expect(far.heard.at(-1)).toMatch(/^targets .*:1023$/);
  });

  it('says lists that had no room as soon as there is some, the last one only', () => {
    const targets = Array.from({ length: MAX_TARGETS }, () => ({ address: TARGET, port: 1 }));
    const near = new TcpcopySide();
    const far = new InterceptSide();
    settle(near, far);
    for (let i = 0; i < 20; i++) near.end.setTargets(targets);
    near.end.setTargets(targets.with(0, { address: TARGET, port: 7 }));
    near.end.setTargets(targets.with(0, { address: TARGET, port: 9 }));
    settle(near, far);
    expect(far.heard.at(-1)).toMatch(/^targets 192.168.0.2:9 /);
    expect(far.heard.filter((line) => line.startsWith('targets')).length).toBeLessThan(10);
  });

  it('says "everything" instead of a list that is too long', () => {
    const targets = Array.from({ length: MAX_TARGETS + 1 }, () => ({ address: TARGET, port: 1 }));
    const near = new TcpcopySide({ targets });
    const far = new InterceptSide();
    settle(near, far);
    expect(far.heard.at(-1)).toBe('targets [::]:0');
  });

  it('leaves out what the intercept cannot do', () => {
    const near = new TcpcopySide({ payload: 5 });
    const far = new InterceptSide();
    feed(far.end, drain(near.end));
    const hello = drain(far.end);
    hello.fill(0, 8, 12);
    feed(near.end, hello);
    expect(near.end.register(...V6)).toBe(TellResult.needsIpv6);
    expect(near.end.register(client(1), 1, TARGET, 80)).toBe(TellResult.ok);
    expect(near.end.endSession(client(1), 1, TARGET, 80)).toBe(TellResult.ok);
    settle(near, far);
    expect(far.heard).toEqual(['version 6', 'extended false', 'add 10.0.0.1:1 192.168.0.2:80']);
  });
});

describe("intercept's output", () => {
  const packet = buildPacket({ payload: Array.from({ length: 1400 }, () => 1) });

  function fillWith(side: InterceptSide): number {
    for (let n = 0; ; n++) {
      const result = side.end.addResponse(viewOf(packet), packet.length, 0);
      if (result === AddResult.ok) continue;
      expect(result).toBe(AddResult.full);
      expect(side.end.packets).toBe(n);
      return n;
    }
  }

  it('takes nothing before the first message', () => {
    const far = new InterceptSide();
    expect(far.end.isStarted).toBe(false);
    const result = far.end.addResponse(viewOf(packet), packet.length, 0);
    expect(result).toBe(AddResult.notReady);
    expect(far.end.packets).toBe(0);
  });

  it.each([
    ['headers in frames', COMBINED, 2048, 128 * 1026],
    ['headers and payload in frames', COMBINED_WITH_PAYLOAD, 768, 128 * 1154],
    ['headers without frames', BARE, 2048, 2048 * 64],
  ])('has an end for an original peer, which gets IPv4 only: %s', (_name, form, most, octets) => {
    const far = new InterceptSide({ responseForm: form });
    feed(far.end, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0));
    expect(fillWith(far)).toBe(most);
    expect(far.end.length).toBe(octets);
    far.end.clear();
    expect(far.end.packets).toBe(0);
    const six = buildPacket({ family: 6 });
    expect(far.end.addResponse(viewOf(six), six.length, 0)).toBe(AddResult.notIpv4);
    expect(far.end.addCount(1, 1)).toBe(false);
    expect(far.end.ping(1)).toBe(false);
    far.end.bye(ByeCode.slow, 'too slow');
    expect(far.end.length).toBe(0);
  });

  it.each([
    ['headers', 0, 262_144],
    ['payload', ALL_PAYLOAD, 2_097_152],
  ])(
    'has an end for one of ours that wants %s, and still says why it ends',
    (_n, payload, room) => {
      const near = new TcpcopySide({ payload });
      const far = new InterceptSide();
      settle(near, far);
      const filled = fillWith(far);
      expect(far.end.length).toBeGreaterThan(room - 1500);
      expect(far.end.length).toBeLessThanOrEqual(room);
      far.end.bye(ByeCode.slow, 'too slow');
      feed(near.end, drain(far.end));
      expect(near.heard.filter((line) => line.startsWith('response'))).toHaveLength(filled);
      expect(near.end.failure?.reason).toContain('too slow');
    },
  );

  it('pads the words of an end with zeros, whatever lay there before', () => {
    const near = new TcpcopySide();
    const far = new InterceptSide();
    settle(near, far);
    far.end.memory.bytes.fill(0xee);
    far.end.bye(ByeCode.limit, 'x');
    expect(Array.from(drain(far.end).slice(8))).toEqual([0, 6, 0, 1, 0x78, 0, 0, 0]);
  });

  it('stays bounded when a peer asks and never reads', () => {
    const near = new TcpcopySide();
    const far = new InterceptSide();
    settle(near, far);
    const ping = Uint8Array.of(0, 0, 0, 8, 129, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8);
    const pings = new Uint8Array(16 * 4096);
    for (let at = 0; at < pings.length; at += 16) pings.set(ping, at);
    for (let i = 0; i < 64; i++) expect(feed(far.end, pings)).toBe(true);
    expect(far.end.length).toBeLessThanOrEqual(262_144 + 16);
    far.end.bye(ByeCode.slow, 'too slow');
    expect(far.end.failure?.fault).toBe(Fault.bye);
  });
});
