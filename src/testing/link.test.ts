import { describe, expect, it } from 'vitest';
import { Random } from '../base/random.ts';
import { type Instant, micros, millis, NEVER } from '../base/time.ts';
import { EventQueue } from './event-queue.ts';
import { Link, type LinkFaults, PERFECT } from './link.ts';
import { buildPacket, readPacket } from './packet.ts';

const START = 1000 as Instant;

function packet(payload: number, dontFragment = false): Uint8Array {
  return buildPacket({
    from: { address: '10.0.0.1', port: 1 },
    to: { address: '10.0.0.2', port: 2 },
    flags: 'A',
    seq: payload,
    ack: 0,
    window: 0,
    urgentPointer: 0,
    ttl: 64,
    trafficClass: 0,
    ipId: 0,
    dontFragment,
    options: {},
    payload: new Uint8Array(payload),
  });
}

interface Passage {
  readonly arrivals: { at: number; octets: Uint8Array }[];
  readonly tooLong: number[];
  readonly link: Link;
}

/** Sends packets at once and lets all arrive. */
function pass(faults: Partial<LinkFaults>, packets: readonly Uint8Array[], seed = 1): Passage {
  const events = new EventQueue();
  const arrivals: Passage['arrivals'] = [];
  const tooLong: number[] = [];
  let now = START;
  const link = new Link(
    events,
    new Random(seed),
    { ...PERFECT, ...faults },
    (octets) => arrivals.push({ at: now - START, octets }),
    (_, mtu) => tooLong.push(mtu),
  );
  for (const octets of packets) link.send(START, octets);
  while (events.next !== NEVER) {
    now = events.next;
    events.runNext();
  }
  return { arrivals, tooLong, link };
}

const many = (n: number): Uint8Array[] => Array.from({ length: n }, (_, i) => packet(i + 1));
const sizes = ({ arrivals }: Passage): number[] => arrivals.map(({ octets }) => octets.length);

describe('Link', () => {
  it('passes everything in order after its delay', () => {
    const passage = pass({ delay: millis(7) }, many(5));
    expect(sizes(passage)).toEqual([41, 42, 43, 44, 45]);
    expect(passage.arrivals.every(({ at }) => at === 7000)).toBe(true);
  });

  it('loses, doubles and reorders as often as it is told', () => {
    const lossy = pass({ loss: 0.2 }, many(1000));
    expect(lossy.arrivals.length + lossy.link.counters.lost).toBe(1000);
    expect(lossy.link.counters.lost).toBeGreaterThan(150);
    expect(lossy.link.counters.lost).toBeLessThan(250);
    const doubled = pass({ duplicate: 0.1 }, many(1000));
    expect(doubled.arrivals.length).toBe(1000 + doubled.link.counters.duplicated);
    expect(doubled.link.counters.duplicated).toBeGreaterThan(60);
    const mixed = pass({ reorder: 0.3, jitter: millis(3) }, many(100));
    expect(sizes(mixed)).not.toEqual(sizes(pass({}, many(100))));
    expect(sizes(mixed).sort((a, b) => a - b)).toEqual(sizes(pass({}, many(100))));
  });

  it('damages so that the receiver notices, and leaves the octets of the sender alone', () => {
    const sent = packet(500);
    const before = sent.slice();
    for (let seed = 1; seed <= 200; seed++) {
      const { arrivals } = pass({ corrupt: 1 }, [sent], seed);
      expect(() => readPacket((arrivals[0] as { octets: Uint8Array }).octets)).toThrow(/./);
    }
    expect(sent).toEqual(before);
  });

  it('has a rate: one packet after the other, and a queue that overflows', () => {
    const packets = Array.from({ length: 10 }, () => packet(960));
    const all = pass({ rate: 1_000_000, queue: 64_000, delay: micros(0) }, packets);
    expect(all.arrivals.map(({ at }) => at)).toEqual(packets.map((_, i) => (i + 1) * 1000));
    const few = pass({ rate: 1_000_000, queue: 4000, delay: micros(0) }, packets);
    expect(few.arrivals).toHaveLength(4);
    expect(few.link.counters).toMatchObject({ overflowed: 6, lost: 0 });
  });

  it('fragments what is too long: whole when every fragment arrives', () => {
    const packets = Array.from({ length: 1000 }, () => packet(1460));
    const whole = pass({ mtu: 576 }, packets);
    expect(whole.arrivals).toHaveLength(1000);
    expect(whole.link.counters.fragmented).toBe(1000);
    // 1480 octets in fragments of 552: three, of which none may be lost.
    const lossy = pass({ mtu: 576, loss: 0.1 }, packets);
    expect(lossy.arrivals.length).toBeGreaterThan(680);
    expect(lossy.arrivals.length).toBeLessThan(780);
  });

  it('drops what is too long and not to be fragmented, and says so; what fits passes', () => {
    const passage = pass({ mtu: 576 }, [packet(537, true), packet(536, true), packet(1460, true)]);
    expect(sizes(passage)).toEqual([576]);
    expect(passage.tooLong).toEqual([576, 576]);
    expect(passage.link.counters.tooLong).toBe(2);
  });
});
