import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../wire/address.ts';
import { MAX_INSTRUCTIONS } from './bpf.ts';
import { runFilter } from './bpf-run.ts';
import { guarded } from './packet-filter.ts';
import {
  type FilterTarget,
  FilterTooLongError,
  responseFilter,
  transferFilter,
  WHOLE_PACKET,
} from './transfer-filter.ts';

// Few values, so that packets hit targets, or miss them by one property.
const v4 = fc.integer({ min: 0, max: 5 }).map((n) => IpAddress.v4(0x0a00_0000 + n));
const v6 = fc
  .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 }))
  .map(
    ([word, n]) =>
      new IpAddress(
        0xfd00_0000 + (word === 0 ? n : 0),
        word === 1 ? n : 0,
        word === 2 ? n : 0,
        word === 3 ? n : 9,
      ),
  );
const port = fc.oneof(fc.integer({ min: 79, max: 90 }), fc.constantFrom(1, 255, 256, 65_535));
const target: fc.Arbitrary<FilterTarget> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ address: fc.oneof(v4, v6), port }) },
  { weight: 1, arbitrary: fc.record({ port }) },
);

interface Packet {
  readonly to: IpAddress;
  readonly port: number;
  readonly protocol: number;
  readonly fragment: number;
  readonly optionWords: number;
  readonly cut: number;
  readonly version: number;
}
const packet: fc.Arbitrary<Packet> = fc.record({
  to: fc.oneof(v4, v6),
  port,
  protocol: fc.oneof(
    { weight: 5, arbitrary: fc.constant(6) },
    { weight: 2, arbitrary: fc.constantFrom(17, 0, 43, 44, 60, 135, 1) },
  ),
  // Don't Fragment, More Fragments, an offset.
  fragment: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(0, 0x4000) },
    { weight: 1, arbitrary: fc.constantFrom(0x2000, 1, 0x1fff, 0x2001) },
  ),
  optionWords: fc.integer({ min: 0, max: 10 }),
  cut: fc.oneof(
    { weight: 5, arbitrary: fc.constant(1000) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 60 }) },
  ),
  version: fc.oneof(
    { weight: 9, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 15 }) },
  ),
});

/** The packet turned round: `to` and `port` are where it comes from. */
function emitResponse(p: Packet): DataView {
  const view = emit({ ...p, cut: 1000 });
  const is6 = p.to.family === 6;
  const [from, to, length] = is6 ? [8, 24, 16] : [12, 16, 4];
  const ports = is6 ? 40 : 20 + 4 * p.optionWords;
  for (const [a, b, n] of [[from, to, length] as const, [ports, ports + 2, 2] as const]) {
    for (let i = 0; i < n; i++) {
      const octet = view.getUint8(a + i);
      view.setUint8(a + i, view.getUint8(b + i));
      view.setUint8(b + i, octet);
    }
  }
  return new DataView(view.buffer, 0, Math.min(p.cut, view.byteLength));
}

function emit(p: Packet): DataView {
  const is6 = p.to.family === 6;
  const ipLength = is6 ? 40 : 20 + 4 * p.optionWords;
  const view = new DataView(new ArrayBuffer(ipLength + 20));
  const version = p.version === 0 ? p.to.family : p.version;
  view.setUint8(0, (version << 4) | (is6 ? 0 : 5 + p.optionWords));
  if (is6) {
    view.setUint8(6, p.protocol);
    for (const [i, word] of [p.to.w0, p.to.w1, p.to.w2, p.to.w3].entries()) {
      view.setInt32(24 + 4 * i, word);
    }
  } else {
    view.setUint16(6, p.fragment);
    view.setUint8(9, p.protocol);
    view.setInt32(16, p.to.w3);
  }
  view.setUint16(ipLength, 40_000);
  view.setUint16(ipLength + 2, p.port);
  return new DataView(view.buffer, 0, Math.min(p.cut, view.byteLength));
}

/** The rule, written down as it is told, for packets whose version is the address's. */
function expected(
  p: Packet,
  targets: readonly FilterTarget[],
  protocols: readonly number[] = [6],
): boolean {
  const here = targets.filter((t) => t.address === undefined || t.address.equals(p.to));
  if (p.to.family === 6) {
    if ([0, 43, 44, 60, 135].includes(p.protocol)) return here.length > 0;
  } else if (protocols.includes(p.protocol) && (p.fragment & 0x1fff) !== 0) return here.length > 0;
  return protocols.includes(p.protocol) && here.some((t) => t.port === p.port);
}

describe('transferFilter', () => {
  it('lets pass what the slow predicate lets pass', () => {
    let passed = 0;
    fc.assert(
      fc.property(
        fc.array(target, { maxLength: 30 }),
        fc.array(packet, { minLength: 20 }),
        (targets, packets) => {
          const program = transferFilter(targets);
          for (const p of packets.filter((q) => q.version === 0 && q.cut === 1000)) {
            const result = runFilter(program, emit(p));
            passed += result === 0 ? 0 : 1;
            expect(result).toBe(expected(p, targets) ? WHOLE_PACKET : 0);
          }
        },
      ),
      { numRuns: 2000, seed: 2 },
    );
    expect(passed).toBeGreaterThan(1000);
  });

  it('lets pass UDP too, or alone, when asked', () => {
    const passed = new Map<number, number>();
    fc.assert(
      fc.property(
        fc.array(target, { maxLength: 30 }),
        fc.array(packet, { minLength: 20 }),
        fc.constantFrom([6, 17], [17, 6], [17]),
        (targets, packets, protocols) => {
          const program = transferFilter(targets, 200, protocols);
          for (const p of packets.filter((q) => q.version === 0 && q.cut === 1000)) {
            const result = runFilter(program, emit(p));
            expect(result).toBe(expected(p, targets, protocols) ? 200 : 0);
            if (result > 0) passed.set(p.protocol, (passed.get(p.protocol) ?? 0) + 1);
          }
        },
      ),
      { numRuns: 1000, seed: 17 },
    );
    expect(Math.min(passed.get(6) ?? 0, passed.get(17) ?? 0)).toBeGreaterThan(100);
  });

  it('never lets a cut packet or another version pass that it would not let pass whole', () => {
    fc.assert(
      fc.property(fc.array(target, { maxLength: 30 }), packet, (targets, p) => {
        const result = runFilter(transferFilter(targets), emit(p));
        const otherVersion = p.version !== 0 && p.version !== p.to.family;
        if (otherVersion && p.version !== 4 && p.version !== 6) expect(result).toBe(0);
        if (!otherVersion && !expected(p, targets)) expect(result).toBe(0);
      }),
      { numRuns: 5000, seed: 3 },
    );
  });

  it('holds hundreds of transfers, all within reach of its jumps', () => {
    const targets = Array.from({ length: 400 }, (_, i) => ({
      address: IpAddress.v4(0x0a00_0000 + i * 7),
      port: 1000 + i,
    }));
    const program = transferFilter(targets, 96);
    expect(program.length).toBeLessThan(MAX_INSTRUCTIONS);
    for (const { code, jt, jf } of program) {
      expect(Math.max(jt, jf)).toBeLessThan(256);
      expect(code).toBeLessThan(256);
    }
    const base = { protocol: 6, fragment: 0, optionWords: 0, cut: 1000, version: 0 };
    for (const [i, { address, port: own }] of targets.entries()) {
      expect(runFilter(program, emit({ ...base, to: address, port: own }))).toBe(96);
      const other = (targets[(i + 1) % 400] as { port: number }).port;
      expect(runFilter(program, emit({ ...base, to: address, port: other }))).toBe(0);
    }
  });

  it('says so when there are more than the kernel takes', () => {
    const targets = Array.from({ length: 2000 }, (_, i) => ({
      address: IpAddress.v4(i),
      port: 1 + i,
    }));
    expect(() => transferFilter(targets)).toThrow(FilterTooLongError);
    expect(() => transferFilter(targets)).toThrow(/2000 targets need \d+ .* takes 4096/);
  });
});

describe('responseFilter', () => {
  it('looks at where packets come from as transferFilter does at where they go', () => {
    let passed = 0;
    fc.assert(
      fc.property(
        fc.array(target, { maxLength: 30 }),
        fc.array(packet, { minLength: 20 }),
        (sources, packets) => {
          const program = responseFilter(sources, 160);
          for (const p of packets.filter((q) => q.version === 0 && q.cut === 1000)) {
            const result = runFilter(program, emitResponse(p));
            passed += result === 0 ? 0 : 1;
            expect(result).toBe(expected(p, sources) ? 160 : 0);
          }
        },
      ),
      { numRuns: 1000, seed: 4 },
    );
    expect(passed).toBeGreaterThan(500);
  });

  it('lets all of TCP pass for a source without address and port, and nothing without sources', () => {
    const base = { protocol: 6, fragment: 0, optionWords: 0, cut: 1000, version: 0 };
    for (const to of [IpAddress.v4(1), new IpAddress(0xfd00_0000, 0, 0, 9)]) {
      expect(runFilter(responseFilter([{}], 160), emitResponse({ ...base, to, port: 7 }))).toBe(
        160,
      );
      expect(runFilter(responseFilter([], 160), emitResponse({ ...base, to, port: 7 }))).toBe(0);
      const udp = emitResponse({ ...base, protocol: 17, to, port: 7 });
      expect(runFilter(responseFilter([{}], 160), udp)).toBe(0);
    }
  });
});

describe('guarded', () => {
  const syn = emit({
    to: IpAddress.v4(1),
    port: 80,
    protocol: 6,
    fragment: 0,
    optionWords: 0,
    cut: 1000,
    version: 0,
  });
  const program = transferFilter([{ port: 80 }]);
  const passes = (
    guard: Parameters<typeof guarded>[1],
    protocol: number,
    packetType: number,
  ): boolean => runFilter(guarded(program, guard), syn, { protocol, packetType }) !== 0;

  it('chooses by direction and protocol before the program looks', () => {
    for (const everyProtocol of [false, true]) {
      for (const otherHosts of [false, true]) {
        const guard = { everyProtocol, otherHosts, outgoing: false, families: [4, 6] as const };
        const types = [0, 1, 2, 3, 4].map((type) => passes(guard, 0x0800, type));
        expect(types).toEqual([true, false, false, otherHosts, false]);
        expect(passes(guard, 0x86dd, 0)).toBe(true);
        expect(passes(guard, 0x0806, 0)).toBe(!everyProtocol);
        const outgoing = [0, 1, 2, 3, 4].map((type) =>
          passes({ ...guard, outgoing: true }, 0x0800, type),
        );
        expect(outgoing).toEqual([false, false, false, false, true]);
        const six = [0x0800, 0x86dd].map((p) => passes({ ...guard, families: [6] }, p, 0));
        expect(six).toEqual([!everyProtocol, true]);
      }
    }
  });

  it('lets everything pass behind it when there is no program', () => {
    const guard = {
      everyProtocol: false,
      otherHosts: false,
      outgoing: false,
      families: [4],
    } as const;
    expect(runFilter(guarded(undefined, guard), syn, { protocol: 0, packetType: 0 })).toBe(
      WHOLE_PACKET,
    );
  });
});
