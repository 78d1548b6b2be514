import { describe, expect, it } from 'vitest';
import { TcpcopySide } from '../../test/property/control-pair.ts';
import { buildPacket } from '../../test/property/wire-packets.ts';
import { addOf, Net, VERSION } from '../../test/property/intercept-bench.ts';
import { parseAddress } from '../wire/address.ts';
import { describeCounters, describeRoutes } from './counters.ts';

const TARGET = parseAddress('192.168.0.2')!;
const session = (port: number) => [parseAddress('10.1.2.3')!, port, TARGET, 8080] as const;
const V4 = session(40_000);
const TAKEN = 'taken 10.1.2.3:40000 192.168.0.2:8080';
const one = { instance: new Uint8Array(8).fill(1) };
const other = { instance: new Uint8Array(8).fill(2) };

const register = (net: Net, side: TcpcopySide, port = 40_000): void => {
  side.end.register(...session(port));
  net.settle();
};
const taken = (side: TcpcopySide): string[] => side.heard.filter((l) => l.startsWith('taken'));
const respond = (net: Net): void => {
  net.captureOctets(buildPacket({}));
  net.settle();
};

describe('a session of one tcpcopy', () => {
  it('is refused to another one, which is told; its responses go on', () => {
    const net = new Net();
    const [a, b] = [net.join(1, one), net.join(2, other)];
    register(net, a);
    register(net, b);
    respond(net);
    expect([taken(a), taken(b)]).toEqual([[], [TAKEN]]);
    expect([net.responses(1).length, net.responses(2).length]).toEqual([1, 0]);
    expect(net.core.routes).toMatchObject({ size: 1, added: 1, taken: 1, moved: 0 });
    expect(net.warnings).toEqual([]);
    expect(net.lines.at(-1)).toMatch(
      /^info: .*10\.0\.0\.1:2 .*that tcpcopy at 10\.0\.0\.1:1 has: refused/,
    );
    expect(describeRoutes(net.core.routes).at(-1)).toBe(
      'registrations refused, another tcpcopy has the address and port: 1',
    );
  });

  it.each<[string, (net: Net, a: TcpcopySide) => void]>([
    ['has ended', (_, { end }) => end.endSession(...V4)],
    ['has lost its connection', (net) => net.part(1)],
    ['has said farewell', (_, { end }) => end.bye('done')],
  ])('is given to another once it %s', (_name, leave) => {
    const net = new Net();
    const [a, b] = [net.join(1, one), net.join(2, other)];
    register(net, a);
    leave(net, a);
    net.settle();
    register(net, b);
    respond(net);
    expect([taken(b), net.responses(2).length]).toEqual([[], 1]);
  });

  it('moves between its own connections, and its holder may lose one of them', () => {
    const net = new Net();
    const [a, again, b] = [net.join(1, one), net.join(2, one), net.join(3, other)];
    register(net, a);
    register(net, again);
    net.part(1);
    register(net, b);
    respond(net);
    expect([taken(again), taken(b)]).toEqual([[], [TAKEN]]);
    expect(net.responses(2).length).toBe(1);
    expect(net.core.routes).toMatchObject({ moved: 1, taken: 1 });
  });

  it('is no lease for those that say nothing of leases: the newest word counts, as ever', () => {
    const net = new Net();
    const a = net.join(1, one);
    register(net, a);
    net.accept(2, 0, '10.0.0.2');
    net.tell(2, [...VERSION], addOf(40_000));
    expect(net.core.routes).toMatchObject({ moved: 1, taken: 0 });
    expect(net.warnings.join()).toMatch(/10\.0\.0\.2:2 has registered a session .*with -c/);
    register(net, a);
    register(net, net.join(3));
    register(net, net.join(4, other));
    expect(net.core.routes).toMatchObject({ moved: 4, taken: 0 });
    expect(taken(a)).toEqual([]);
  });

  it('is told by the ends that were registered, though --dnat routes by less', () => {
    const net = new Net({ dnat: true });
    const [a, b] = [net.join(1, one), net.join(2, other)];
    register(net, a);
    register(net, b);
    expect(taken(b)).toEqual([TAKEN]);
    a.end.endSession(...V4);
    net.settle();
    register(net, b);
    expect([taken(b).length, net.core.routes.size]).toEqual([1, 1]);
  });
});

describe('many refusals', () => {
  const PORTS = Array.from({ length: 1500 }, (_, i) => 2000 + i);

  it('of one batch are one frame', () => {
    const net = new Net();
    const [a, b] = [net.join(1, one), net.join(2, other)];
    for (const side of [a, b]) {
      for (const port of PORTS) side.end.register(...session(port));
      net.settle();
    }
    expect(taken(b)).toHaveLength(PORTS.length);
    expect(net.longest).toBe(8 + 40 * PORTS.length);
    const refusals = net.lines.filter((line) => line.includes('refused'));
    expect(refusals).toHaveLength(11);
  });

  it('to one that does not read are dropped and counted, and take bounded room', () => {
    const net = new Net();
    const [a, b] = [net.join(1, one), net.join(2, other)];
    for (const port of PORTS) a.end.register(...session(port));
    net.settle();
    net.stalled.add(2);
    for (let i = 0; i < 10; i++) {
      for (const port of PORTS) b.end.register(...session(port));
      net.settle();
    }
    expect(net.core.counters().refusalsLost).toBe(15_000);
    expect(describeCounters(net.core.counters()).at(-1)).toMatch(/^refusals that .*: 15000$/);
    expect(taken(b)).toEqual([]);
  });

  it('that meet a full output are dropped and counted', () => {
    const net = new Net();
    const [a, b] = [net.join(1, one), net.join(2, other)];
    for (const port of PORTS) a.end.register(...session(port));
    net.settle();
    // Read in one wake-up, with nothing sent in between.
    for (let i = 0; i < 10; i++) {
      for (const port of PORTS) b.end.register(...session(port));
      net.hand(2);
    }
    net.settle();
    const lost = net.core.counters().refusalsLost;
    expect(lost).toBeGreaterThan(0);
    expect(taken(b)).toHaveLength(15_000 - lost);
    expect(net.longest).toBeLessThan(400_000);
  });
});
