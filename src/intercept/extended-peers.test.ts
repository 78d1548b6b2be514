import { describe, expect, it } from 'vitest';
import { signerOf } from '../../test/property/control-pair.ts';
import { at, Net } from '../../test/property/intercept-bench.ts';
import { buildPacket, memoryOf } from '../../test/property/wire-packets.ts';
import { CountId } from '../control/count-id.ts';
import { ALL_PAYLOAD } from '../control/response-record.ts';
import { Stage } from '../control/tcpcopy-end.ts';
import { formatEndpoint, parseAddress } from '../wire/address.ts';

const V6 = [parseAddress('2001:db8::9')!, 40_000, parseAddress('fd00::2')!, 8080] as const;
const V4 = [parseAddress('10.1.2.3')!, 40_000, parseAddress('192.168.0.2')!, 8080] as const;

const hexOf = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');

describe('peers of ours', () => {
  it('get IPv6 responses whole, each its own', () => {
    const net = new Net();
    const [one, two] = [net.join(1), net.join(2)];
    one.end.register(...V6);
    two.end.register(...V4);
    net.settle();
    expect([one.end.stage, net.core.routes.size]).toEqual([Stage.extended, 2]);
    const [six, four] = [buildPacket({ family: 6, seq: 6 }), buildPacket({ seq: 4 })];
    net.captureOctets(six);
    net.captureOctets(four);
    net.settle();
    expect(net.responses(1)).toEqual([`${six.length} 0 ${hexOf(six)}`]);
    expect(net.responses(2)).toEqual([`${four.length} 0 ${hexOf(four)}`]);
    expect(net.core.counters()).toMatchObject({ forwarded: 2, unroutable: 0 });
  });

  it('get an IPv6 response that came before its registration', () => {
    const net = new Net();
    const side = net.join(1);
    const packet = buildPacket({ family: 6, flags: 0x12 });
    net.captureOctets(packet);
    expect(net.core.counters().waiting).toBe(1);
    side.end.register(...V6);
    net.settle();
    expect(net.responses(1)).toEqual([`${packet.length} 0 ${hexOf(packet)}`]);
  });

  it('get as much payload as they want, and the capture is told of the largest wish', () => {
    const net = new Net();
    const packet = buildPacket({ payload: Array.from({ length: 300 }, (_, i) => i & 255) });
    const some = net.join(1, { payload: 100 });
    expect(net.core.wantedPayload).toBe(100);
    net.join(2, { payload: ALL_PAYLOAD });
    expect(net.core.wantedPayload).toBe(ALL_PAYLOAD);
    net.hangUp(2);
    net.sides.delete(2);
    expect(net.core.wantedPayload).toBe(100);
    some.end.register(...V4);
    net.settle();
    net.captureOctets(packet);
    net.settle();
    expect(net.responses(1)).toEqual([`340 0 ${hexOf(packet.slice(0, 140))}`]);
  });

  it('have their sessions ended, and what comes after is no stranger', () => {
    const net = new Net();
    const side = net.join(1);
    side.end.register(...V4);
    side.end.endSession(...V4);
    net.settle();
    net.capture({});
    expect([net.core.routes.size, net.core.routes.lingering]).toEqual([0, 1]);
    expect(Array.from(net.core.counters().unrouted)).toEqual([0, 0, 0, 1, 0]);
  });

  it('say what is to be captured', () => {
    const net = new Net();
    const target = { address: V6[2], port: 8080 };
    const side = net.join(1, { targets: [target] });
    const listed = (): string[] =>
      net.core.targets.list().map(({ address, port }) => formatEndpoint(address!, port!));
    expect(listed()).toEqual(['[fd00::2]:8080']);
    const before = net.core.targets.version;
    side.end.register(...V6);
    net.settle();
    expect(net.core.targets.version).toBe(before);
    side.end.setTargets([target, { address: V4[2], port: 81 }]);
    net.settle();
    expect(listed()).toEqual(['[fd00::2]:8080', '192.168.0.2:81']);
  });

  it('hear what intercept has counted, and their own', () => {
    const net = new Net();
    const side = net.join(1);
    net.connect(9);
    side.end.register(...V4);
    net.settle();
    net.capture({});
    net.capture({ destinationPort: 1 });
    net.passTo(31);
    net.core.reportCounts(7);
    net.settle(31);
    const counts = side.heard.filter((line) => line.startsWith('count'));
    expect(counts).toEqual([
      `count ${CountId.captured} 2`,
      `count ${CountId.lostByKernel} 7`,
      `count ${CountId.neverRegistered} 1`,
      `count ${CountId.expired} 0`,
      `count ${CountId.foreign} 0`,
      `count ${CountId.unusable} 0`,
      `count ${CountId.sent} 1`,
      `count ${CountId.slowPeer} 0`,
      `count ${CountId.routes} 1`,
    ]);
  });
});

describe('who may connect', () => {
  it('proves the key and is served', () => {
    const net = Net.withKey();
    const side = net.join(1, { key: signerOf('secret') });
    side.end.register(...V4);
    net.settle();
    expect([side.end.stage, net.core.routes.size]).toEqual([Stage.extended, 1]);
    expect(net.lines).toContain('info: tcpcopy connected from 10.0.0.1:1');
  });

  it.each([
    ['another key', { key: signerOf('wrong') }],
    ['no key', {}],
  ])('%s: refused with its cause, and no route', (_name, options) => {
    const net = Net.withKey();
    const side = net.join(1, options);
    side.end.register(...V4);
    net.settle();
    net.passTo(11);
    expect([net.core.routes.size, net.core.connectionCount]).toEqual([0, 0]);
    expect(net.warnings.join()).toContain('closing control connection 10.0.0.1:1: ');
    expect(net.lines.join()).not.toContain('tcpcopy connected');
    // The right one is served all the same.
    const good = net.join(2, { key: signerOf('secret') });
    expect(good.end.stage).toBe(Stage.extended);
  });

  it('an original peer: refused where a key is wanted, served where it is allowed', () => {
    for (const isAllowed of [false, true]) {
      const net = Net.withKey({}, 'secret', isAllowed);
      net.connect(1, [10, 1, 2, 3, 0x9c, 0x40, 0, 1, 192, 168, 0, 2, 0x1f, 0x90]);
      net.settle();
      expect(net.core.routes.size).toBe(isAllowed ? 1 : 0);
      expect(net.closed).toEqual(isAllowed ? [] : [1]);
      if (!isAllowed) expect(net.warnings[0]).toContain('cannot prove the key');
    }
  });

  it('the octets of a handshake that was good once are worth nothing another time', () => {
    const net = Net.withKey();
    const recorded: number[] = [];
    const handle = net.core.handleControlData.bind(net.core);
    net.core.handleControlData = (now, connection, memory, length) => {
      recorded.push(...memory.bytes.slice(0, length));
      handle(now, connection, memory, length);
    };
    const side = net.join(1, { key: signerOf('secret') });
    side.end.register(...V4);
    net.settle();
    expect(net.core.routes.size).toBe(1);
    net.hangUp(1);
    net.sides.clear();
    net.accept(2);
    handle(at(0), 2, memoryOf(recorded), recorded.length);
    net.settle();
    expect([net.core.routes.size, net.closed]).toEqual([0, [2]]);
    expect(net.warnings[0]).toContain('does not fit the key');
  });
});

describe('a tcpcopy that ends', () => {
  it('in order is no warning', () => {
    const net = new Net();
    net.join(1).end.bye('tcpcopy ends');
    net.settle();
    expect(net.closed).toEqual([1]);
    expect(net.lines.at(-1)).toMatch(/^info: tcpcopy at .*disconnected: .*tcpcopy ends$/);
  });

  it('because it was refused is one', () => {
    const net = Net.withKey();
    net.join(1, { key: signerOf('another') });
    expect(net.lines.at(-1)).toMatch(/^warn: closing .*does not fit the key/);
  });
});
