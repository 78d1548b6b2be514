import { expect, test } from 'vitest';
import { seconds } from '../base/time.ts';
import { establish } from '../../test/sim/dialogue.ts';
import { LateSink } from '../../test/property/late-sink.ts';
import { buildDatagram, datagram, fragmentsOf } from '../../test/property/udp-packets.ts';
import { memoryOf } from '../../test/property/wire-packets.ts';
import { Random } from '../base/random.ts';
import { ChecksumState } from '../ports/packet-source.ts';
import { Datagrams } from '../replay/datagrams.ts';
import { NO_NEXT_HOP } from '../ports/packet-sink.ts';
import { address, Dialogue } from '../testing/index.ts';
import { formatStatistics, replayStatistics } from './statistics.ts';
import { describeReplay } from './summary.ts';
import { Watchdog } from './watchdog.ts';

const from = (address: string, port = 40_000) => ({ from: { address, port } });

/** The number in the line with this label, indented or not. */
const numberOf = (lines: readonly string[], label: string): number => {
  const line = lines.find((text) => text.trim().replace(/ +\d+$/, '') === label);
  return Number(line?.match(/(\d+)$/)?.[1] ?? Number.NaN);
};

/** The sum of the indented lines below a headline. */
function sumBelow(lines: readonly string[], headline: string): number {
  const start = lines.findIndex((text) => text.startsWith(headline));
  let sum = 0;
  for (let i = start + 1; lines[i]?.startsWith('  '); i++) {
    if (!lines[i]?.includes('of these')) sum += Number(lines[i]?.match(/(\d+)$/)?.[1]);
  }
  return sum;
}

const account = (d: Dialogue): string[] =>
  describeReplay(
    d.replayer,
    { received: 0, dropped: 0 },
    { packets: 0, octets: 0, errors: new Map() },
  );

test('connections that were not begun are told apart by cause, and all sums hold', () => {
  const d = new Dialogue({ replayer: { maxCopies: 2, onlyFromSyn: true } });
  d.client('S', { seq: 1, ...from('127.0.0.1') });
  d.client('S', { seq: 1, ...from('10.1.2.3') });
  d.client('S', { seq: 1, ...from('10.1.2.4') });
  d.client('S', { seq: 1, ...from('10.1.2.5') });
  d.client('PA', { seq: 1, data: 1, ...from('10.1.2.6') });
  d.advance(seconds(15));
  d.client('S', { seq: 1, ...from('10.1.2.7') });
  d.advance(seconds(7));
  d.client('S', { seq: 1, ...from('10.1.2.8') });
  const lines = account(d);
  expect(numberOf(lines, 'not begun: loopback rule')).toBe(1);
  expect(numberOf(lines, 'not begun: --max-connections')).toBe(2);
  expect(numberOf(lines, 'open before the start (-O)')).toBe(1);
  expect(numberOf(lines, 'timed out: no SYN-ACK')).toBe(2);
  expect(numberOf(lines, 'open')).toBe(1);
  expect(sumBelow(lines, 'connections seen')).toBe(numberOf(lines, 'connections seen'));
  expect(sumBelow(lines, 'packets captured')).toBe(numberOf(lines, 'packets captured'));
});

test('with several copies of a connection, connections and copies add up each for themselves', () => {
  const d = new Dialogue({ replayer: { copies: 3, maxCopies: 4, percentage: 32 } });
  d.client('S', { seq: 1, ...from('10.1.2.3') });
  d.client('S', { seq: 1, ...from('192.168.1.7', 51_000) });
  d.client('S', { seq: 1, ...from('62.135.200.9', 1025) });
  const lines = account(d);
  expect(numberOf(lines, 'to be copied')).toBe(2);
  expect(numberOf(lines, 'copies of these (-n)')).toBe(6);
  expect(numberOf(lines, 'not begun: --max-connections')).toBe(2);
  expect(sumBelow(lines, 'connections seen')).toBe(3);
  expect(sumBelow(lines, 'copies of these (-n)')).toBe(6);
});

test('datagrams stand beside connections, and all sums hold', () => {
  const d = new Dialogue();
  d.client('S', { seq: 1, ...from('10.1.2.3') });
  const { common } = d.replayer;
  const datagrams = new Datagrams(common, 2, new Random(1));
  const query = datagram({ to: { address: '10.8.0.1', port: 80 }, payload: new Uint8Array(2000) });
  const [first] = fragmentsOf(query, 1480, 1);
  const lying = buildDatagram(query);
  lying[25] = 3;
  lying[24] = 0;
  for (const octets of [buildDatagram(query), first as Uint8Array, lying]) {
    const { length } = octets;
    const packet = { memory: memoryOf(octets), offset: 0, length, wireLength: length };
    const all = { ...packet, checksum: ChecksumState.unknown, receivedAt: 0 };
    datagrams.handlePacket(d.now, all, new LateSink());
  }
  const sent = { packets: 0, octets: 0, errors: new Map<string, number>() };
  const lines = describeReplay(d.replayer, { received: 0, dropped: 0 }, sent, datagrams);
  expect(numberOf(lines, 'packets captured')).toBe(4);
  expect(sumBelow(lines, 'packets captured')).toBe(4);
  expect(numberOf(lines, 'UDP: copied')).toBe(1);
  expect(numberOf(lines, 'UDP: fragment, others to come')).toBe(1);
  expect(numberOf(lines, 'not usable: impossible UDP length')).toBe(1);
  expect(numberOf(lines, 'UDP datagrams')).toBe(2);
  expect(numberOf(lines, 'UDP datagrams in fragments')).toBe(2);
  const block = replayStatistics(d.replayer, datagrams).map(formatStatistics);
  expect(block.at(-1)).toBe('udp captured:1,udp sent:2');
  expect(block.at(-2)).toBe('total captured packets:4');
  // Without datagrams there is no such line, and without connections no other.
  expect(replayStatistics(d.replayer).map(formatStatistics)).toEqual(block.slice(0, -1));
});

test('copies that moved, that found no place, and refusals that came too late are told', () => {
  const d = new Dialogue({ replayer: { portRange: 30 } });
  const refuse = (sourcePort: number): void => {
    const [source, target] = [address('10.1.2.3'), address('10.9.0.1')];
    d.refuse({ source, sourcePort, target, targetPort: 8080 });
  };
  d.client('S', { seq: 1 });
  for (let n = 0; n < 17; n++) refuse(d.expect('S').from.port);
  refuse(1);
  const lines = account(d);
  expect(numberOf(lines, 'no free port (-c)')).toBe(1);
  expect(numberOf(lines, 'of these, moved to another port')).toBe(1);
  expect(numberOf(lines, 'refusals that came too late')).toBe(1);
  expect(sumBelow(lines, 'connections seen')).toBe(1);
  const watchdog = new Watchdog(d.replayer, () => ({ received: 0, dropped: 0 }), d.now);
  d.client('S', { seq: 1, ...from('10.1.2.3', 50_000) });
  for (let n = 0; n < 17; n++) refuse(d.expect('S').from.port);
  expect(watchdog.look(d.now)).toEqual([expect.stringMatching(/^1 copies were not made.*-c/)]);
});

test('every request is in one line', () => {
  const d = new Dialogue();
  establish(d);
  for (let n = 0; n < 4; n++) d.client('PA', { seq: 1001 + n * 10, ack: 5001 + n * 10, data: 10 });
  d.target('PA', { seq: 9001, ack: 1011, data: 10 });
  const running = account(d);
  expect(numberOf(running, 'answered')).toBe(1);
  expect(sumBelow(running, 'requests captured')).toBe(4);
  d.target('R', { seq: 9011 });
  d.stop();
  const lines = account(d);
  expect(numberOf(lines, 'sent, then: reset by target')).toBe(1);
  expect(numberOf(lines, 'never sent: stopped with the program')).toBe(2);
  expect(sumBelow(lines, 'requests captured')).toBe(4);
});

test('what is held for the target is told, until it has been acknowledged', () => {
  const d = new Dialogue();
  d.client('S', { seq: 1000 });
  d.client('A', { seq: 1001, ack: 5001 });
  d.client('PA', { seq: 1001, ack: 5001, data: 100 });
  d.client('PA', { seq: 1101, ack: 5001, data: 1000 });
  expect(numberOf(account(d), 'pieces held for targets')).toBe(2);
  expect(numberOf(account(d), 'octets of memory')).toBe(256 + 1024);
  d.target('SA', { seq: 9000, ack: 1001 });
  d.target('A', { seq: 9001, ack: 2101 });
  expect(numberOf(account(d), 'pieces held for targets')).toBe(0);
  expect(numberOf(account(d), 'octets of memory')).toBeNaN();
});

test('what could not be sent is told by its error, and whose refusal it was', () => {
  const lines = describeReplay(
    new Dialogue().replayer,
    { received: 0, dropped: 0 },
    { packets: 1, octets: 40, errors: new Map([['EPERM', 3]]).set(NO_NEXT_HOP, 2) },
  );
  expect(numberOf(lines, 'refused by the kernel: EPERM')).toBe(3);
  expect(numberOf(lines, 'not sent: no next hop (-o)')).toBe(2);
});
