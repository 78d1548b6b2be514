import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PacketRecord, slowParse } from '../../test/property/wire-oracle.ts';
import { buildPacket, memoryOf, timestampOption } from '../../test/property/wire-packets.ts';
import { PacketError, PacketView } from './packet-view.ts';

const words = (a: number, b: number, c: number, d: number): number[] =>
  [a, b, c, d].flatMap((w) => [w >>> 24, (w >>> 16) & 255, (w >>> 8) & 255, w & 255]);

const recordOf = (view: PacketView): PacketRecord => ({
  family: view.family,
  src: words(view.src0, view.src1, view.src2, view.src3),
  dst: words(view.dst0, view.dst1, view.dst2, view.dst3),
  ttl: view.ttl,
  trafficClass: view.trafficClass,
  ipHeaderLength: view.ipHeaderLength,
  packetLength: view.packetLength,
  tcpHeaderLength: view.tcpHeaderLength,
  sourcePort: view.sourcePort,
  destinationPort: view.destinationPort,
  seq: view.seq >>> 0,
  ack: view.ack >>> 0,
  flags: view.flags,
  window: view.window,
  urgentPointer: view.urgentPointer,
  payloadLength: view.payloadLength,
});

const OFFSET = 12;

function parse(
  packet: Uint8Array,
  wireLength = packet.length,
): { view: PacketView; error: number } {
  const view = new PacketView();
  const error = view.parse(memoryOf(packet, OFFSET), OFFSET, packet.length, wireLength);
  return { view, error };
}

function expectAsSlow(packet: Uint8Array, wireLength = packet.length): void {
  const { view, error } = parse(packet, wireLength);
  const slow = slowParse(packet, wireLength);
  expect(error).toBe(slow.error);
  if (!slow.record) return;
  expect(recordOf(view)).toEqual(slow.record);
  const headers = OFFSET + slow.record.ipHeaderLength + slow.record.tcpHeaderLength;
  expect(view.tcpOffset).toBe(OFFSET + slow.record.ipHeaderLength);
  expect(view.payloadOffset).toBe(headers);
  expect(view.optionsOffset + view.optionsLength).toBe(headers);
}

const hopByHop = { type: 0, body: [5, 2, 0, 0, 1, 0] };
const destination = { type: 60, body: Array.from({ length: 14 }, () => 0) };

const samples: readonly (readonly [string, Uint8Array])[] = [
  ['IPv4', buildPacket({ payload: [1, 2, 3] })],
  [
    'IPv4 with options of IP and TCP',
    buildPacket({ ipOptions: [7, 4, 4, 0], options: timestampOption(1, 2), payload: [9] }),
  ],
  ['IPv6', buildPacket({ family: 6, payload: [1, 2, 3], trafficClass: 0xb9 })],
  [
    'IPv6 with extension headers',
    buildPacket({ family: 6, extensions: [hopByHop, destination], options: timestampOption(1, 2) }),
  ],
];

describe('PacketView', () => {
  it('reads the fields of a known packet', () => {
    const { view, error } = parse(
      buildPacket({ options: timestampOption(1, 2), payload: [7, 8, 9], ttl: 61, trafficClass: 4 }),
    );
    expect(error).toBe(PacketError.none);
    expect(recordOf(view)).toEqual({
      family: 4,
      src: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 168, 0, 2],
      dst: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 2, 3],
      ttl: 61,
      trafficClass: 4,
      ipHeaderLength: 20,
      packetLength: 55,
      tcpHeaderLength: 32,
      sourcePort: 8080,
      destinationPort: 40_000,
      seq: 0x1122_3344,
      ack: 0x5566_7788,
      flags: 0x18,
      window: 29_200,
      urgentPointer: 0,
      payloadLength: 3,
    });
    expect(view.segmentLength).toBe(3);
    expect(view.isPureAck).toBe(false);
  });

  it.each(samples)('judges every truncation of %s as the slow parser does', (_name, packet) => {
    for (let n = 0; n <= packet.length; n++) {
      expectAsSlow(packet.slice(0, n));
      expectAsSlow(packet.slice(0, n), packet.length);
    }
    const lost = parse(packet.slice(0, packet.length - 1), packet.length);
    const whole = packet.length - lost.view.payloadLength === packet.length;
    expect(lost.error).toBe(whole ? PacketError.truncated : PacketError.cutByCapture);
  });

  it.each(samples)('judges every value of every header octet of %s alike', (_name, packet) => {
    for (let at = 0; at < packet.length; at++) {
      for (const value of [0, 1, 6, 15, 16, 44, 64, 69, 79, 96, 127, 128, 255]) {
        const mutant = packet.slice();
        mutant[at] = value;
        expectAsSlow(mutant);
      }
    }
  });

  it('judges all 64 flag combinations alike', () => {
    for (let flags = 0; flags < 64; flags++) expectAsSlow(buildPacket({ flags, payload: [1] }));
  });

  it('judges whatever octets alike', () => {
    const sample = fc.constantFrom(...samples.map(([, packet]) => packet));
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 });
    fc.assert(
      fc.property(sample, edits, fc.nat(), fc.nat(), (packet, changes, cut, grow) => {
        const mutant = packet.slice(0, packet.length - (cut % 8));
        for (const [at, value] of changes) mutant[at % mutant.length] = value;
        expectAsSlow(mutant, mutant.length + (grow % 16));
      }),
      { numRuns: 2000 },
    );
  });

  it('leaves the padding of a short frame out of the payload', () => {
    const { view, error } = parse(Uint8Array.from([...buildPacket({ flags: 0x10 }), 0, 0, 0, 0]));
    expect(error).toBe(PacketError.none);
    expect(view.payloadLength).toBe(0);
    expect(view.isPureAck).toBe(true);
  });

  it.each([4, 6] as const)('takes the length on the wire when IPv%i declares 0', (family) => {
    const { view, error } = parse(
      buildPacket({ family, declaredLength: 0, payload: [1, 2] }),
      70_000,
    );
    expect(error).toBe(PacketError.cutByCapture);
    expect(view.packetLength).toBe(70_000);
    expect(view.payloadLength).toBe(70_000 - (family === 4 ? 40 : 60));
  });

  it('row 59: a fragment is not taken for a segment, be it the first or a later one', () => {
    for (const field of [0x2000, 0x2001, 0x0001, 0x1fff]) {
      const fragment = buildPacket({ payload: [1, 2, 3] });
      new DataView(fragment.buffer, fragment.byteOffset).setUint16(6, field);
      expect(parse(fragment).error, field.toString(16)).toBe(PacketError.fragment);
    }
  });

  it('counts SYN and FIN into the segment length', () => {
    expect(parse(buildPacket({ flags: 0x02 })).view.segmentLength).toBe(1);
    expect(parse(buildPacket({ flags: 0x11, payload: [1, 2] })).view.segmentLength).toBe(3);
  });

  it('refuses more extension headers than anyone sends', () => {
    const extensions = Array.from({ length: 9 }, () => destination);
    expect(parse(buildPacket({ family: 6, extensions })).error).toBe(
      PacketError.badExtensionHeader,
    );
    expect(parse(buildPacket({ family: 6, extensions: extensions.slice(1) })).error).toBe(
      PacketError.none,
    );
  });
});
