import { rmSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { seqOf } from '../../src/base/seq.ts';
import type { Instant } from '../../src/base/time.ts';
import type { Copy } from '../../src/replay/copy.ts';
import { Outcome } from '../../src/session/outcome.ts';
import { payloadOf } from '../../src/testing/dialogue.ts';
import { Judge } from '../../src/testing/judge.ts';
import type { Packet } from '../../src/testing/packet.ts';
import { isCalm, randomWorld } from '../../src/testing/random-world.ts';
import { Simulation } from '../../src/testing/simulation.ts';
import { failure } from './failing-world.ts';

/*
 * A simulator that finds nothing wrong may be blind. Here each rule is broken once: by changing what a copy sends, or what it
 * keeps, in worlds that are well otherwise.
 */

const SEEDS = Array.from({ length: 40 }, (_, i) => i + 1);

interface Spoiling {
  readonly tamper?: (packet: Packet) => Packet;
  readonly spoil?: (simulation: Simulation) => void;
}

/** Whether one of the worlds complains as it should. */
function isNoticed({ tamper, spoil }: Spoiling, complaint: RegExp): boolean {
  return SEEDS.some((seed) => {
    const simulation = new Simulation(
      randomWorld(seed, { isKind: true }),
      tamper === undefined ? {} : { tamper },
    );
    spoil?.(simulation);
    try {
      simulation.run();
      return false;
    } catch (error) {
      return complaint.test(String(error).split('\n')[0] as string);
    }
  });
}

const hasText = (p: Packet): boolean => p.payload.length > 0;

const PACKETS: readonly [string, (p: Packet) => Packet, RegExp][] = [
  [
    'an octet of the payload is another',
    (p) => ({ ...p, payload: p.payload.map((octet, i) => (i === 3 ? octet ^ 1 : octet)) }),
    /octet \d+ is not the client's/,
  ],
  [
    'an octet that was not captured is sent too',
    (p) => (hasText(p) ? { ...p, payload: payloadOf(p.payload.length + 1, p.seq) } : p),
    /has octets that were not captured/,
  ],
  [
    'a FIN is sent that was not captured',
    (p) => (hasText(p) ? { ...p, flags: `${p.flags.replace('F', '')}F` } : p),
    /has a FIN that was not captured/,
  ],
  [
    'what is not urgent is called so',
    (p) => (hasText(p) ? { ...p, flags: `${p.flags.replace('U', '')}U`, urgentPointer: 7777 } : p),
    /calls urgent what is not/,
  ],
  [
    'an octet is acknowledged that has not come',
    (p) => ({ ...p, ack: p.ack === 0 ? 0 : (p.ack + 1) >>> 0 }),
    /acknowledges \d+, which never came/,
  ],
  [
    'a range is acknowledged that has not come',
    (p) => ({ ...p, options: { ...p.options, sack: [[(p.ack + 10) >>> 0, (p.ack + 20) >>> 0]] } }),
    /acknowledges \d+ to \d+, which did not come/,
  ],
  [
    'our time stamps go back',
    (p) => {
      const { timestamps } = p.options;
      if (!timestamps || !hasText(p)) return p;
      return { ...p, options: { timestamps: [(timestamps[0] - 100) >>> 0, timestamps[1]] } };
    },
    /has a TSval of \d+ after \d+/,
  ],
  [
    'a time stamp is echoed that has not come',
    (p) => {
      const { timestamps } = p.options;
      if (!timestamps || !hasText(p)) return p;
      return { ...p, options: { timestamps: [timestamps[0], (timestamps[1] + 1000) >>> 0] } };
    },
    /echoes \d+, which never came/,
  ],
  [
    'a packet is longer than the way allows',
    (p) => (hasText(p) ? { ...p, payload: payloadOf(9100, p.seq) } : p),
    /\d+ octets where \d+ pass/,
  ],
  [
    'a packet comes from no client',
    (p) => ({ ...p, seq: (p.seq + 2 ** 31) >>> 0 }),
    /no connection/,
  ],
];

const STATES: readonly [string, (simulation: Simulation) => void, RegExp][] = [
  [
    'a row is not given back',
    ({ replayer }) => replayer.context.store.take(seqOf(0), 1, 0, seqOf(0), -1, 0),
    /1 rows are left/,
  ],
  [
    'a cell is not given back',
    ({ replayer }) => replayer.context.pool.take(100),
    /256 octets are left/,
  ],
  [
    'a captured packet is counted twice',
    ({ replayer }) => replayer.ledger.captured++,
    /captured packets are counted/,
  ],
  [
    'a packet has two verdicts',
    ({ replayer }) => replayer.ledger.countVerdict(0),
    /packets captured, \d+ accounted for/,
  ],
  [
    'an outcome is not counted',
    ({ replayer }) => {
      replayer.ledger.countOutcome = () => {};
    },
    /connections add up|connections without an outcome/,
  ],
  [
    'octets are taken and forgotten',
    ({ replayer }) => replayer.context.counters.takenOctets++,
    /octets taken, \d+ sent and \d+ let go of/,
  ],
  [
    'a timer always expires',
    ({ harness, replayer }) => {
      replayer.pollTimeout = (): Instant => harness.now;
    },
    /a timer is armed in the past/,
  ],
];

describe('what the simulator notices', () => {
  it('nothing in the same worlds when nothing is spoiled', () => {
    expect(isNoticed({ tamper: (p) => p }, /./)).toBe(false);
    expect(SEEDS.some((seed) => isCalm(randomWorld(seed, { isKind: true })))).toBe(true);
  });

  it.each(PACKETS)('%s', (_, tamper, complaint) => {
    expect(isNoticed({ tamper }, complaint)).toBe(true);
  });

  it.each(STATES)('%s', (_, spoil, complaint) => {
    expect(isNoticed({ spoil }, complaint)).toBe(true);
  });

  it('a segment that is sent again and again', () => {
    const { pairs, mtu } = randomWorld(1, { isKind: true });
    const online = pairs.map((pair) => pair.online);
    const judge = new Judge(online, mtu);
    const [{ client, online: to, isn }] = online as [(typeof online)[number]];
    const syn: Packet = {
      from: client,
      to,
      flags: 'S',
      seq: isn >>> 0,
      ack: 0,
      window: 0,
      urgentPointer: 0,
      ttl: 64,
      trafficClass: 0,
      ipId: 0,
      dontFragment: false,
      options: {},
      payload: new Uint8Array(0),
    };
    judge.noteCaptured(syn);
    for (let i = 0; i < 60; i++) expect(judge.judge(syn, 40)).toBe('');
    expect(judge.judge(syn, 40)).toBe('is sent for the 61th time');
  });

  it('an outcome that promises more than the target has', () => {
    const { pairs, mtu } = randomWorld(1, { isKind: true });
    const { online } = pairs[0] as (typeof pairs)[number];
    const judge = new Judge([online], mtu);
    const copy = { outcome: Outcome.completed, capturedIss: seqOf(online.isn) } as Copy;
    expect(judge.judgeEnd(copy, online, 0, false)).toMatch(/^ends as "completed"/);
  });
});

describe('a world that fails', () => {
  it('says how to see it again, and where its packets are', () => {
    const { message } = failure(7, { isKind: true }, 'wrong');
    expect(message).toMatch(/^kind world, seed 7: wrong\nPackets in .*kind-7\.pcapng\n/);
    expect(message).toContain('SIM_SEED=7 npm run test:sim');
    const path = /Packets in (.*)/.exec(message)?.[1] as string;
    expect(statSync(path).size).toBeGreaterThan(1000);
    rmSync(path);
  });
});
