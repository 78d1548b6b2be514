import { describe, expect, it } from 'vitest';
import { type CaptureRecords, RecordState } from '../ports/capture-records.ts';
import { ChecksumState } from '../ports/packet-source.ts';
import { TransferTable } from '../replay/transfers.ts';
import { buildDatagram, datagram, fragmentsOf } from '../../test/property/udp-packets.ts';
import { address } from '../testing/harness.ts';
import { buildPacket, slowSum } from '../testing/packet.ts';
import { CaptureRecord } from '../wire/capture-record.ts';
import { CaptureSieve, Side, type SieveOptions } from './capture-sieve.ts';
import { describeNothing, describeSurvey } from './file-account.ts';
import { type FileSurvey, surveyFiles } from './file-survey.ts';

const T0 = Date.UTC(2026, 0, 31, 12) * 1000;
const TABLE = new TransferTable([
  {
    address: address('10.66.0.1'),
    port: 80,
    target: address('10.66.0.2'),
    targetPort: 8080,
    path: { mtu: 1500 },
    loopbackOnly: false,
  },
]);

function packet(
  from: string,
  to: string,
  flags = 'PA',
  payload: Uint8Array = Uint8Array.of(1, 2, 3, 4),
): Uint8Array {
  const endpoint = (text: string): { address: string; port: number } => {
    const [ip = '', port] = text.split(':');
    return { address: ip, port: Number(port) };
  };
  return buildPacket({
    from: endpoint(from),
    to: endpoint(to),
    flags,
    seq: 1,
    ack: 1,
    window: 1,
    urgentPointer: 0,
    ttl: 64,
    trafficClass: 0,
    ipId: 0,
    dontFragment: true,
    options: {},
    payload,
  });
}

const CLIENT = '10.77.0.1:4000';
const SERVER = '10.66.0.1:80';

/** A millisecond lies between two packets. `missing`: octets that the capture cut off. */
interface Given {
  readonly octets: Uint8Array;
  readonly missing?: number;
  readonly linkType?: number;
}

function recordOf({ octets, missing = 0, linkType = 101 }: Given, i: number): CaptureRecord {
  const record = new CaptureRecord();
  record.time = T0 + 1000 * i;
  record.linkType = linkType;
  record.bytes = octets;
  record.view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  record.length = octets.length - missing;
  record.wireLength = octets.length;
  return record;
}

function look(
  given: readonly Given[],
  faults: readonly string[] = [],
  options: SieveOptions = {},
): Promise<FileSurvey> {
  let at = -1;
  let isLate = true;
  let more: () => void = () => {};
  const records: CaptureRecords = {
    get record() {
      return recordOf(given[at] as Given, at);
    },
    next: () => {
      if (isLate) {
        isLate = false;
        setImmediate(() => more());
        return RecordState.pending;
      }
      return ++at < given.length ? RecordState.ready : RecordState.ended;
    },
    onMore: (callback) => {
      more = callback;
    },
    faults,
    close: () => {},
  };
  return surveyFiles(records, TABLE, options, () => Promise.resolve());
}

describe('the look before the start', () => {
  it('counts connections, their sides, and those that were open before', async () => {
    const survey = await look([
      { octets: packet('10.77.0.1:4000', '10.77.0.2:80') },
      { octets: packet(CLIENT, SERVER, 'S') },
      { octets: packet(SERVER, CLIENT, 'SA') },
      { octets: packet(CLIENT, SERVER) },
      { octets: packet('10.77.0.1:4001', SERVER) },
      { octets: packet(SERVER, '10.77.0.9:1') },
    ]);
    expect(survey).toMatchObject({ connections: 2, whole: 1, twoSided: 1, cut: 0 });
    expect(survey.counts).toMatchObject({ read: 6, client: 3, server: 2, foreign: 1 });
    const { found, warnings } = describeSurvey(survey);
    expect(found).toBe(
      'The capture holds 2 connections of -x (mixed, 2 of an unknown protocol), 3 packets of clients among 6, over 0.004 s from 2026-01-31T12:00:00.001Z',
    );
    expect(warnings).toEqual(['1 connections were open before the capture began']);
  });

  it('row 112: counts cut packets, and says how to record whole ones', async () => {
    const survey = await look([
      { octets: packet(CLIENT, SERVER, 'S') },
      { octets: packet(CLIENT, SERVER), missing: 2 },
      { octets: packet(CLIENT, SERVER), missing: 30 },
    ]);
    expect(survey.cut).toBe(1);
    expect(survey.counts.unusable).toBe(1);
    const { warnings } = describeSurvey(survey);
    expect(warnings[0]).toMatch(/^1 packets of clients are cut .* tcpdump -s 0$/);
    expect(warnings[1]).toMatch(/^1 packets are fragments or have impossible headers$/);
  });

  it('tells what the connections begin like, and warns of TLS', async () => {
    const text = (words: string): Uint8Array => Uint8Array.from(words, (c) => c.charCodeAt(0));
    const tls = Uint8Array.of(22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3);
    const survey = await look([
      { octets: packet('10.77.0.1:1', SERVER, 'PA', text('GET / HTTP/1.1')) },
      { octets: packet('10.77.0.1:2', SERVER, 'PA', text('POST /a HTTP/1.1')) },
      { octets: packet('10.77.0.1:3', SERVER, 'PA', tls) },
      // Open before, so that the rest of an answer comes first.
      { octets: packet(SERVER, '10.77.0.1:4', 'PA', text('rest of an answer')) },
      { octets: packet('10.77.0.1:4', SERVER, 'PA', text('GET /b HTTP/1.1')) },
      { octets: packet('10.77.0.1:5', SERVER, 'S', new Uint8Array(0)) },
    ]);
    const { found, warnings } = describeSurvey(survey);
    expect(found).toContain('5 connections of -x (mixed, 3 HTTP/1, 1 TLS)');
    expect(warnings.join('\n')).toContain('1 connections are TLS');
  });

  it('warns of damage and of link types that it does not know', async () => {
    const survey = await look(
      [{ octets: packet(CLIENT, SERVER, 'S') }, { octets: packet(CLIENT, SERVER), linkType: 147 }],
      ["'a.pcap' is damaged"],
    );
    const { found, warnings } = describeSurvey(survey);
    expect(found).toContain('1 connections of -x (clients only, 1 of an unknown protocol)');
    expect(warnings).toEqual([
      "'a.pcap' is damaged; what comes before is replayed",
      '1 packets have a link type that is not known here',
    ]);
  });

  it('with --udp, tells datagrams of clients, fragments included, and takes none for a connection', async () => {
    const query = datagram({
      from: { address: '10.77.0.1', port: 4000 },
      to: { address: '10.66.0.1', port: 80 },
      payload: new Uint8Array(40),
    });
    const given = [
      { octets: buildDatagram(query) },
      ...fragmentsOf(query, 32, 1).map((octets) => ({ octets })),
      { octets: buildDatagram({ ...query, from: query.to, to: query.from }) },
      { octets: buildDatagram({ ...query, to: { address: '10.66.0.1', port: 81 } }) },
      { octets: buildDatagram(query), missing: 3 },
      { octets: buildDatagram(query), missing: 41 },
    ];
    const survey = await look(given, [], { udp: true });
    expect(survey).toMatchObject({ connections: 0, cut: 1 });
    const { counts } = survey;
    expect(counts).toMatchObject({ client: 4, datagrams: 4, server: 1, foreign: 1, unusable: 1 });
    expect(describeSurvey(survey).found).toContain('4 packets of clients (4 of them UDP) among 7');
    const without = await look(given);
    expect(without.counts).toMatchObject({ client: 0, notTcp: 5, unusable: 2 });
  });

  it('says why nothing fits', async () => {
    const survey = await look([
      { octets: packet(CLIENT, '10.77.0.2:80') },
      { octets: packet(CLIENT, SERVER), linkType: 147 },
    ]);
    expect(survey.connections).toBe(0);
    expect(describeNothing(survey, TABLE)).toBe(
      'Nothing in the capture fits -x: among its 2 packets are 1 of TCP, none of which a client sent to 10.66.0.1:80, and 1 of a link type not known here',
    );
  });
});

describe('shards and datagrams', () => {
  it('every datagram is in one shard, all its fragments in the same', () => {
    const shards = [0, 1, 2].map(
      (index) => new CaptureSieve(TABLE, { udp: true, shard: { index, count: 3 } }),
    );
    const to = { address: '10.66.0.1', port: 80 };
    const used = new Set<number>();
    for (let n = 1; n < 100; n++) {
      const d = datagram({
        from: { address: '10.77.0.1', port: n },
        to,
        payload: new Uint8Array(40),
      });
      const takers = [buildDatagram(d), ...fragmentsOf(d, 32, n)].map((octets) =>
        shards.flatMap((s, i) => (s.sift(recordOf({ octets }, 0)) === Side.client ? [i] : [])),
      );
      expect(takers.every(({ length }) => length === 1)).toBe(true);
      expect(takers[1]).toEqual(takers[2]);
      for (const [taker] of takers) used.add(taker as number);
    }
    expect(used.size).toBe(3);
  });
});

describe('checksums that were left to hardware', () => {
  const sift = (change: (view: DataView, octets: Uint8Array) => void): ChecksumState => {
    const octets = packet(CLIENT, SERVER);
    change(new DataView(octets.buffer), octets);
    const sieve = new CaptureSieve(TABLE);
    expect(sieve.sift(recordOf({ octets }, 0))).toBe(Side.client);
    return sieve.packet.checksum;
  };
  /** Folded, not complemented, of addresses and protocol. */
  const pseudo = (octets: Uint8Array, length: number): number => {
    const sum = slowSum([...octets.subarray(12, 20), 0, 6, 0, length]);
    return (sum >>> 16) + (sum & 0xffff);
  };

  it('are taken for what they are', () => {
    expect(sift((v, o) => v.setUint16(36, pseudo(o, 24)))).toBe(ChecksumState.partial);
    expect(sift((v, o) => v.setUint16(36, pseudo(o, 0)))).toBe(ChecksumState.partial);
    expect(sift((v) => v.setUint16(36, 0))).toBe(ChecksumState.partial);
  });

  it('of datagrams too, where 0 means that there is none', () => {
    const to = { address: '10.66.0.1', port: 80 };
    const sieve = new CaptureSieve(TABLE, { udp: true });
    for (const [kind, state] of [
      ['partial', ChecksumState.partial],
      ['none', ChecksumState.unknown],
      ['right', ChecksumState.unknown],
    ] as const) {
      const octets = buildDatagram(datagram({ to, checksum: kind }));
      expect(sieve.sift(recordOf({ octets }, 0))).toBe(Side.client);
      expect(sieve.packet.checksum).toBe(state);
    }
  });

  it('and all others are checked', () => {
    expect(sift(() => {})).toBe(ChecksumState.unknown);
    expect(sift((v) => v.setUint16(36, v.getUint16(36) ^ 1))).toBe(ChecksumState.unknown);
  });
});
