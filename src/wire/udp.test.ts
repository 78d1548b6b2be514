import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  buildDatagram,
  buildFragment,
  type Datagram,
  datagram,
  datagram6,
  piecesOf,
} from '../../test/property/udp-packets.ts';
import { memoryOf } from '../../test/property/wire-packets.ts';
import { addressSum } from './checksum.ts';
import { PacketError } from './packet-error.ts';
import {
  copyChecksum,
  DatagramView,
  isPartialDatagram,
  isSoundDatagram,
  isUdp,
  restFromChecksum,
  restFromPayload,
} from './udp.ts';

const OFFSET = 8;

function parse(
  octets: Uint8Array,
  wireLength = octets.length,
): { view: DatagramView; error: number } {
  const view = new DatagramView();
  const error = view.parse(memoryOf(octets, OFFSET), OFFSET, octets.length, wireLength);
  return { view, error };
}

const looksUdp = (octets: Uint8Array): boolean => isUdp(memoryOf(octets, 4), 4, octets.length);

/** IPv6 extension headers put in front of what the packet carries. */
function extended(octets: Uint8Array, ...kinds: number[]): Uint8Array {
  const chain = kinds.flatMap((_, i) => [kinds[i + 1] ?? octets[6] ?? 0, 0, 1, 4, 0, 0, 0, 0]);
  const packet = [...octets.subarray(0, 40), ...chain, ...octets.subarray(40)];
  packet[6] = kinds[0] as number;
  packet[5] = packet.length - 40;
  return Uint8Array.from(packet);
}

describe('DatagramView', () => {
  it.each([
    ['IPv4', datagram(), 20],
    ['IPv6', datagram6(), 40],
    ['empty', datagram({ payload: new Uint8Array(0) }), 20],
  ] as const)('%s: reads ports, lengths and checksum', (_, d, ip) => {
    const octets = buildDatagram(d);
    const { view, error } = parse(octets);
    expect(error).toBe(PacketError.none);
    expect(view).toMatchObject({
      sourcePort: d.from.port,
      destinationPort: d.to.port,
      ttl: d.ttl,
      trafficClass: d.trafficClass,
      udpOffset: OFFSET + ip,
      payloadOffset: OFFSET + ip + 8,
      payloadLength: d.payload.length,
      isFragment: false,
      checksum: (octets[ip + 6] as number) * 256 + (octets[ip + 7] as number),
    });
    expect(isSoundDatagram(view)).toBe(true);
  });

  it('leaves out what follows the datagram, and refuses a length that cannot be', () => {
    const octets = Uint8Array.from([...buildDatagram(datagram()), 9, 9, 9, 9]);
    octets[3] = octets.length;
    expect(parse(octets).view).toMatchObject({ payloadLength: 5 });
    for (const length of [0, 7, 18]) {
      const lying = buildDatagram(datagram());
      lying[25] = length;
      expect(parse(lying).error).toBe(PacketError.badUdpLength);
    }
  });

  it('tells what the capture cut and what is too short', () => {
    const octets = buildDatagram(datagram());
    expect(parse(octets.subarray(0, 30), octets.length).error).toBe(PacketError.cutByCapture);
    expect(parse(octets.subarray(0, 27), octets.length).error).toBe(PacketError.truncated);
    expect(parse(octets.subarray(0, 19)).error).toBe(PacketError.truncated);
    octets[3] = 27;
    expect(parse(octets).error).toBe(PacketError.badTotalLength);
  });

  it.each([
    ['IPv4', datagram({ payload: new Uint8Array(40) }), 3],
    ['IPv6', datagram6({ payload: new Uint8Array(40) }), 0x1234_5678],
  ] as const)('%s: reads a fragment', (_, d, id) => {
    const piece = piecesOf(d, 16)[1];
    if (piece === undefined) throw new Error('no second piece');
    const octets = buildFragment(d, piece, id);
    const { view, error } = parse(octets);
    expect(error).toBe(PacketError.fragment);
    expect(view).toMatchObject({
      fragmentOffset: 16,
      moreFragments: true,
      fragmentId: id,
      payloadLength: 16,
      payloadOffset: OFFSET + octets.length - 16,
      isFragment: true,
    });
    expect(parse(octets.subarray(0, -1), octets.length).error).toBe(PacketError.cutByCapture);
    expect(looksUdp(octets)).toBe(true);
  });

  it('takes a datagram in a single IPv6 fragment for whole (RFC 6946), and walks extension headers', () => {
    const [whole] = piecesOf(datagram6(), 1024);
    if (whole === undefined) throw new Error('no piece');
    const atomic = buildFragment(datagram6(), whole, 5);
    expect(parse(atomic)).toMatchObject({ error: PacketError.none, view: { sourcePort: 40_000 } });
    const far = extended(buildDatagram(datagram6()), 0, 60);
    expect(looksUdp(far)).toBe(true);
    expect(parse(far)).toMatchObject({ error: PacketError.none, view: { destinationPort: 53 } });
  });

  it('isUdp says no to TCP, to what is neither IPv4 nor IPv6, and to less than a header', () => {
    const tcp = buildDatagram(datagram());
    tcp[9] = 6;
    expect(looksUdp(tcp)).toBe(false);
    const tcp6 = buildDatagram(datagram6());
    tcp6[6] = 6;
    expect(looksUdp(tcp6)).toBe(false);
    expect(looksUdp(extended(tcp6, 0, 44))).toBe(false);
    expect(looksUdp(buildDatagram(datagram()).subarray(0, 19))).toBe(false);
    expect(looksUdp(buildDatagram(datagram6()).subarray(0, 39))).toBe(false);
    const other = buildDatagram(datagram());
    other[0] = 0x55;
    expect(looksUdp(other)).toBe(false);
  });
});

const v4 = fc.ipV4();
const v6 = fc.ipV6().filter((text) => !text.includes('.'));
const port = fc.integer({ min: 0, max: 65_535 });
const datagrams: fc.Arbitrary<readonly [Datagram, Datagram]> = fc
  .boolean()
  .chain((is4) => {
    const address = is4 ? v4 : v6;
    const end = fc.record({ address, port });
    return fc.tuple(end, end, end, end, fc.uint8Array({ maxLength: 60 }));
  })
  .map(([from, to, copyFrom, copyTo, payload]) => {
    const given = { payload, ttl: 64, trafficClass: 0, checksum: 'right' } as const;
    return [
      { ...given, from, to },
      { ...given, from: copyFrom, to: copyTo },
    ] as const;
  });

const checksumOf = (octets: Uint8Array): number => parse(octets).view.checksum;
const endsOf = ({ view }: { view: DatagramView }): number =>
  addressSum(view) + view.sourcePort + view.destinationPort;

describe('the checksum of a copy', () => {
  it('is the one computed anew, from a complete one and from one left to hardware', () => {
    fc.assert(
      fc.property(datagrams, ([captured, copy]) => {
        const ends = endsOf(parse(buildDatagram(copy)));
        const expected = checksumOf(buildDatagram(copy));
        const { view } = parse(buildDatagram(captured));
        expect(copyChecksum(restFromChecksum(view), ends)).toBe(expected);
        const partial = parse(buildDatagram({ ...captured, checksum: 'partial' })).view;
        expect(copyChecksum(restFromPayload(partial), ends)).toBe(expected);
      }),
      { numRuns: 3000, seed: 768 },
    );
  });

  it('that would be 0 is 0xffff', () => {
    const copy = datagram({ payload: Uint8Array.of(0, 0) });
    const { view } = parse(buildDatagram(copy));
    // The payload makes up for what is missing: the sum is 0xffff.
    const makesUp = datagram({ payload: Uint8Array.of(view.checksum >>> 8, view.checksum & 255) });
    expect(checksumOf(buildDatagram(makesUp))).toBe(0xffff);
    const other = datagram({ ...makesUp, from: { address: '10.1.2.4', port: 39_999 } });
    const captured = parse(buildDatagram(other)).view;
    const ends = endsOf(parse(buildDatagram(makesUp)));
    expect(copyChecksum(restFromChecksum(captured), ends)).toBe(0xffff);
    expect(copyChecksum(restFromPayload(captured), ends)).toBe(0xffff);
  });

  it('a wrong one is found, and one that was left to hardware is told apart', () => {
    fc.assert(
      fc.property(datagrams, ([d]) => {
        const viewOf = (checksum: Datagram['checksum']): DatagramView =>
          parse(buildDatagram({ ...d, checksum })).view;
        expect(isSoundDatagram(viewOf('right'))).toBe(true);
        expect(isSoundDatagram(viewOf('wrong'))).toBe(false);
        expect(isPartialDatagram(viewOf('partial'))).toBe(true);
        expect(isPartialDatagram(viewOf('none'))).toBe(false);
      }),
      { numRuns: 1000, seed: 1071 },
    );
  });
});
