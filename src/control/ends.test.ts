import { describe, expect, it } from 'vitest';
import {
  drain,
  feed,
  hex,
  InterceptSide,
  settle,
  signerOf,
  TcpcopySide,
  viewOf,
} from '../../test/property/control-pair.ts';
import { buildPacket, timestampOption } from '../../test/property/wire-packets.ts';
import { IpAddress, parseAddress } from '../wire/address.ts';
import { CountId } from './count-id.ts';
import { Fault } from './fault.ts';
import { AddResult } from './frame.ts';
import { CAPABILITIES } from './hello.ts';
import { ALL_PAYLOAD } from './response-record.ts';
import { ByeCode } from './small-frames.ts';
import { HELLO_PATIENCE, Stage, TellResult } from './tcpcopy-end.ts';

const V4 = [parseAddress('10.1.2.3')!, 40_000, parseAddress('192.168.0.2')!, 8080] as const;
const V6 = [parseAddress('fd01::9')!, 40_001, parseAddress('fd00::2')!, 80] as const;
const V4_TEXT = '10.1.2.3:40000 192.168.0.2:8080';
const V6_TEXT = '[fd01::9]:40001 [fd00::2]:80';

describe('two of ours', () => {
  it('agree on the extended protocol, speaking version 6 meanwhile', () => {
    const near = new TcpcopySide();
    const far = new InterceptSide();
    expect(near.end.register(...V4)).toBe(TellResult.ok);
    expect(near.end.register(...V6)).toBe(TellResult.notYet);
    settle(near, far);
    expect(far.heard).toEqual(['version 6', `add ${V4_TEXT}`, 'extended false']);
    expect(near.heard).toEqual([`stage ${Stage.extended}`]);
    expect(near.end.capabilities).toBe(CAPABILITIES);
    expect(near.end.register(...V6)).toBe(TellResult.ok);
    expect(near.end.endSession(...V4)).toBe(TellResult.ok);
    settle(near, far);
    expect(far.heard.slice(3)).toEqual([`add ${V6_TEXT}`, `delete ${V4_TEXT}`]);
  });

  it('carry responses of both families, with their headers and times', () => {
    const near = new TcpcopySide();
    const far = new InterceptSide();
    settle(near, far);
    const packets = [
      buildPacket({ ipOptions: [1, 1, 1, 0], options: timestampOption(1, 2), payload: [1, 2, 3] }),
      buildPacket({ family: 6, payload: [4, 5] }),
    ];
    for (const packet of packets) {
      const added = far.end.addResponse(viewOf(packet), packet.length, 1_700_000_000_123_456);
      expect(added).toBe(AddResult.ok);
    }
    expect(far.end.packets).toBe(2);
    near.heard.length = 0;
    settle(near, far);
    expect(near.heard).toEqual([
      `response ${packets[0]!.length} 1700000000123456 ${hex(packets[0]!.slice(0, -3))}`,
      `response ${packets[1]!.length} 1700000000123456 ${hex(packets[1]!.slice(0, -2))}`,
    ]);
  });

  it.each([
    ['octet', 1],
    ['two octets', 2],
    ['all', ALL_PAYLOAD],
  ])('carry the payload that is wanted: %s', (_name, wanted) => {
    const near = new TcpcopySide({ payload: wanted });
    const far = new InterceptSide();
    settle(near, far);
    expect(far.heard).toContain(`payload ${wanted}`);
    const packet = buildPacket({ payload: [1, 2, 3, 4, 5] });
    far.end.addResponse(viewOf(packet), packet.length, 0);
    settle(near, far);
    const octets = packet.slice(0, Math.min(40 + wanted, 45));
    expect(near.heard.at(-1)).toBe(`response 45 0 ${hex(octets)}`);
  });

  it('tell of targets, settings, counts and liveness', () => {
    const near = new TcpcopySide({ targets: [{ address: V4[2], port: 8080 }] });
    const far = new InterceptSide();
    settle(near, far);
    near.end.setTargets([
      { address: V6[2], port: 80 },
      { address: new IpAddress(0, 0, 0, 0), port: 0 },
    ]);
    near.end.setPayload(64);
    near.end.ping(Number.MAX_SAFE_INTEGER);
    far.end.ping(7);
    far.end.addCount(CountId.captured, 2 ** 40 + 1);
    far.end.addCount(CountId.slowPeer, 3);
    settle(near, far);
    expect(far.heard).toEqual([
      'version 6',
      'extended false',
      'targets 192.168.0.2:8080',
      'targets [fd00::2]:80 [::]:0',
      'payload 64',
      'pong 7',
    ]);
    expect(near.heard.slice(1)).toEqual([
      `count ${CountId.captured} ${2 ** 40 + 1}`,
      `count ${CountId.slowPeer} 3`,
      `pong ${Number.MAX_SAFE_INTEGER}`,
    ]);
  });

  it('prove the same key to each other before anything is registered', () => {
    const near = new TcpcopySide({ key: signerOf('k') });
    const far = new InterceptSide({ key: signerOf('k'), allowOriginal: false });
    expect(near.end.register(...V4)).toBe(TellResult.notYet);
    settle(near, far);
    expect(near.heard).toEqual([`stage ${Stage.proving}`, `stage ${Stage.extended}`]);
    expect(far.heard).toEqual(['version 6', 'extended true']);
    expect(near.end.register(...V4)).toBe(TellResult.ok);
    settle(near, far);
    expect(far.heard.at(-1)).toBe(`add ${V4_TEXT}`);
  });

  it('refuse each other with different keys, and both say so', () => {
    const near = new TcpcopySide({ key: signerOf('k') });
    const far = new InterceptSide({ key: signerOf('K') });
    settle(near, far);
    expect(far.end.failure?.fault).toBe(Fault.wrongKey);
    expect(near.end.failure?.fault).toBe(Fault.bye);
    expect(near.end.failure?.reason).toContain('does not fit');
    expect(near.end.stage).toBe(Stage.closed);
    expect(far.heard).not.toContain('extended true');
  });

  it('say why they end', () => {
    const near = new TcpcopySide();
    const far = new InterceptSide();
    settle(near, far);
    far.end.bye(ByeCode.limit, 'too many connections');
    expect(feed(near.end, drain(far.end))).toBe(false);
    expect(near.end.failure?.reason).toBe('intercept ends the connection: too many connections');
  });
});

describe('with an original intercept, which says nothing', () => {
  it('tcpcopy speaks version 6 at once and knows after a while that it is', () => {
    const near = new TcpcopySide();
    expect(near.end.register(...V4)).toBe(TellResult.ok);
    expect(near.end.register(...V6)).toBe(TellResult.notYet);
    const offer = '0000000000000006544350580001';
    expect(hex(drain(near.end))).toBe(`${offer}0a0102039c400001c0a800021f90`);
    expect(HELLO_PATIENCE).toBeGreaterThan(0);
    expect(near.end.handleTimeout()).toBe(true);
    expect(near.end.register(...V6)).toBe(TellResult.needsIpv6);
    expect(near.end.endSession(...V4)).toBe(TellResult.ok);
    expect(hex(drain(near.end))).toBe('0a0102039c400002c0a800021f90');
    expect(near.end.ping(1)).toBe(false);
    near.end.setPayload(1);
    near.end.setTargets([]);
    near.end.bye('done');
    expect(near.end.length).toBe(0);
  });

  it('tcpcopy with a key registers nothing and gives it up', () => {
    const near = new TcpcopySide({ key: signerOf('k') });
    expect(near.end.register(...V4)).toBe(TellResult.notYet);
    expect(drain(near.end)).toHaveLength(14);
    expect(near.end.handleTimeout()).toBe(false);
    expect(near.end.failure?.fault).toBe(Fault.notProven);
    expect(near.end.register(...V4)).toBe(TellResult.closed);
  });
});

it('row 23: an original tcpcopy is sent nothing before its first response', () => {
  const far = new InterceptSide();
  feed(far.end, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0));
  feed(far.end, Uint8Array.of(10, 1, 2, 3, 0x9c, 0x40, 0, 1, 192, 168, 0, 2, 0x1f, 0x90));
  expect(far.heard).toEqual(['version 6', `add ${V4_TEXT}`]);
  expect(far.end.length).toBe(0);
});
