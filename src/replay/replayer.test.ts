import { describe, expect, it } from 'vitest';
import { CLIENT_ISN, dialogue, establish } from '../../test/sim/dialogue.ts';
import { Random } from '../base/random.ts';
import { micros, millis, seconds } from '../base/time.ts';
import { ChecksumState } from '../ports/packet-source.ts';
import { Outcome } from '../session/outcome.ts';
import { Verdict } from '../session/verdict.ts';
import { Dialogue } from '../testing/dialogue.ts';
import { address } from '../testing/harness.ts';
import { buildPacket } from '../testing/packet.ts';
import { ClientAddresses } from './client-addresses.ts';
import { selector } from './sampling.ts';

const addresses = (...texts: string[]) => ({
  clientAddresses: { v4: new ClientAddresses(texts.map(address)), v6: undefined },
});

const from = (ip: string, port = 40_000) => ({ from: { address: ip, port } });

dialogue(
  'row 21: a session is registered with the address and port that its SYN comes from',
  (d) => {
    d.client('S', { seq: 1, ...from('10.1.2.3') });
    const syn = d.expect('S', { seq: 1, from: { address: '10.5.0.9', port: 40_000 } });
    const [route] = d.routes;
    expect(`${String(route?.source)}:${route?.sourcePort}`).toBe(
      `${syn.from.address}:${syn.from.port}`,
    );
    expect(`${String(route?.target)}:${route?.targetPort}`).toBe(
      `${syn.to.address}:${syn.to.port}`,
    );
  },
  { replayer: addresses('10.5.0.9') },
);

describe('sampling (-r)', () => {
  for (const [ip, port, wanted] of [
    ['10.1.2.3', 40_000, 31],
    ['10.1.2.3', 40_001, 32],
    ['192.168.1.7', 51_000, 60],
    ['62.135.200.9', 1025, 2],
  ] as const) {
    it(`rows 47 and 48: ${ip}:${port} has selector ${wanted}`, () => {
      const { w0, w1, w2, w3 } = address(ip);
      expect(selector(w0, w1, w2, w3, port)).toBe(wanted);
    });
    for (const percentage of [wanted, wanted + 1]) {
      dialogue(
        `and -r ${percentage} ${percentage > wanted ? 'copies' : 'leaves out'} it`,
        (d) => {
          const verdict = d.client('S', { seq: 1, ...from(ip, port) });
          expect(verdict).toBe(percentage > wanted ? Verdict.syn : Verdict.notSampled);
          if (percentage > wanted) d.expect('S', { seq: 1, ...from(ip, port) });
          else expect(d.client('PA', { seq: 2, ...from(ip, port), data: 5 })).toBe(verdict);
          d.expectNothing();
        },
        { replayer: { percentage } },
      );
    }
  }

  it('row 49: -r 50 copies about half of the connections, each of them whole', () => {
    const random = new Random(7);
    let copied = 0;
    const d = new Dialogue({ replayer: { percentage: 50 } });
    for (let i = 0; i < 10_000; i++) {
      const word = random.uint32();
      const port = random.int(1024, 65_536);
      const isChosen = selector(0, 0, 0xffff, word, port) < 50;
      if (isChosen) copied++;
      // Some of them, loopback addresses aside: the target is none.
      if (i % 25 !== 0 || word >>> 24 === 127) continue;
      const end = from([24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.'), port);
      const verdicts = [
        d.client('S', { seq: 1, ...end }),
        d.client('PA', { seq: 2, ...end, data: 5 }),
        d.client('FA', { seq: 7, ...end }),
      ];
      if (isChosen) expect(verdicts).toEqual([Verdict.syn, Verdict.data, Verdict.fin]);
      else expect(verdicts).toEqual(Array(3).fill(Verdict.notSampled));
      expect(d.takeSent()).toHaveLength(isChosen ? 1 : 0);
    }
    // 49.7 % of all addresses and ports.
    expect(copied / 10_000).toBeCloseTo(0.497, 1);
    expect(Math.abs(copied - 4970)).toBeLessThan(250);
    d.finish();
  });

  for (const percentage of [0, 100]) {
    dialogue(
      `row 10: -r ${percentage} copies connections of every selector`,
      (d) => {
        const selectors = new Set<number>();
        for (let port = 20_000; selectors.size < 100; port++) {
          const { w0, w1, w2, w3 } = address('10.1.2.3');
          selectors.add(selector(w0, w1, w2, w3, port));
          expect(d.client('S', { seq: 1, ...from('10.1.2.3', port) })).toBe(Verdict.syn);
          d.expect('S', from('10.1.2.3', port));
        }
      },
      { replayer: { percentage } },
    );
  }

  dialogue(
    'the address that counts is the one of -c',
    (d) => {
      expect(d.client('S', { seq: 1, ...from('62.135.200.9', 40_000) })).toBe(Verdict.notSampled);
    },
    { replayer: { percentage: 31, ...addresses('10.1.2.3') } },
  );
});

describe('client addresses (-c)', () => {
  const three = { replayer: addresses('172.16.0.1', '172.16.0.2', '172.16.0.3') };

  dialogue(
    'row 51: three addresses, four clients: 1, 2, 3, 1, and they keep them',
    (d) => {
      const clients = ['10.1.2.3', '10.1.2.4', '10.1.2.5', '10.1.2.6'];
      const wanted = ['172.16.0.1', '172.16.0.2', '172.16.0.3', '172.16.0.1'];
      for (const round of [0, 1]) {
        clients.forEach((ip, i) => {
          d.client('S', { seq: 1, ...from(ip, 40_000 + 10 * round + i) });
          expect(d.takeSent()[0]?.from.address).toBe(wanted[i]);
        });
      }
    },
    three,
  );

  dialogue(
    'row 52: clients of equal index share an address',
    (d) => {
      d.client('S', { seq: 1, ...from('10.1.2.3', 1) });
      d.client('S', { seq: 1, ...from('2.3.10.1', 2) });
      expect(d.takeSent().map((p) => p.from.address)).toEqual(['172.16.0.1', '172.16.0.1']);
    },
    three,
  );

  dialogue(
    'the checksum of captured data is checked with the address it had',
    (d) => {
      d.target0 = { ...d.target0, to: { address: '172.16.0.1', port: 40_000 } };
      d.client('S', { seq: CLIENT_ISN, mss: 1460 });
      d.target('SA', { seq: 9000, ack: CLIENT_ISN + 1, mss: 1460 });
      expect(d.client('PA', { seq: 1001, ack: 5001, data: 99 })).toBe(Verdict.data);
      const sent = d.takeSent().at(-1);
      expect(sent).toMatchObject({ seq: 1001, from: { address: '172.16.0.1', port: 40_000 } });
    },
    { replayer: addresses('172.16.0.1') },
  );

  dialogue(
    'row 54: two clients on one address and port: the second gets another port',
    (d) => {
      expect(d.client('S', { seq: 1, ...from('10.1.2.3') })).toBe(Verdict.syn);
      expect(d.client('S', { seq: 1, ...from('10.1.2.4') })).toBe(Verdict.syn);
      const ports = d.takeSent().map((p) => p.from.port);
      expect(new Set(ports).size).toBe(2);
      expect(ports[0]).toBe(40_000);
    },
    { replayer: addresses('172.16.0.1') },
  );

  dialogue(
    'where no port is free, a connection is not begun until one is',
    (d) => {
      const first = 2048;
      for (let i = 0; i < first; i++) {
        d.client('S', { seq: 1, ...from('10.1.2.3', 10_000 + i) });
      }
      expect(d.open).toBe(first);
      expect(d.client('S', { seq: 1, ...from('10.1.2.4') })).toBe(Verdict.noFreePort);
      expect(d.client('PA', { seq: 2, ...from('10.1.2.4'), data: 5 })).toBe(Verdict.leftOut);
      expect(d.replayer.ledger.notBegun).toBe(1);
      expect(d.replayer.ledger.connections).toBe(first + 1);
      const ports = new Set(d.takeSent().map((p) => p.from.port));
      expect([ports.size, Math.min(...ports), Math.max(...ports)]).toEqual([2048, 6144, 8191]);
      d.advance(seconds(30));
      d.takeSent();
      expect(d.client('S', { seq: 9, ...from('10.1.2.4') })).toBe(Verdict.syn);
      expect(d.takeSent().at(-1)).toMatchObject({ flags: 'S', seq: 9 });
    },
    { replayer: { ...addresses('172.16.0.1'), portRange: 3 } },
  );
});

describe('connections whose start was not captured', () => {
  dialogue('row 76: data begins a copy with a SYN of its own, MSS alone in it', (d) => {
    expect(d.client('PA', { seq: 2000, ack: 5001, data: 10, timestamps: [5, 6] })).toBe(
      Verdict.data,
    );
    const syn = d.expect('S', { seq: 1999, mss: 1460, window: 65_535, ttl: 64 });
    expect(syn.options).toEqual({ mss: 1460 });
    d.target('SA', { seq: 9000, ack: 2000, mss: 1460 });
    d.expect('A', { seq: 2000, ack: 9001 });
    d.expect('PA', { seq: 2000, ack: 9001, data: 10 });
    d.client('PA', { seq: 2010, ack: 5301, data: 10 });
    d.expectNothing();
    d.target('PA', { seq: 9001, ack: 2010, data: 300 });
    d.expect('PA', { seq: 2010, data: 10 });
    expect(d.replayer.ledger.joined).toBe(1);
  });

  dialogue(
    'row 77: with -O nothing',
    (d) => {
      expect(d.client('PA', { seq: 2000, ack: 5001, data: 10 })).toBe(Verdict.strayData);
      d.expectNothing();
    },
    { replayer: { onlyFromSyn: true } },
  );

  dialogue(
    '-O: a connection left alone is counted once, and again when its port begins anew',
    (d) => {
      const { ledger } = d.replayer;
      for (let i = 0; i < 3; i++) d.client('PA', { seq: 2000 + i, ack: 5001, data: 1 });
      d.client('PA', { seq: 1, data: 1, ...from('10.1.2.4') });
      expect([ledger.connections, ledger.skipped, d.open]).toEqual([2, 2, 0]);
      d.client('FA', { seq: 2003, ack: 5001 });
      d.client('PA', { seq: 9000, ack: 6001, data: 1 });
      expect([ledger.connections, ledger.skipped]).toEqual([3, 3]);
    },
    { replayer: { onlyFromSyn: true } },
  );

  dialogue(
    '-O: what goes on after its copy has ended is no further connection',
    (d) => {
      establish(d);
      d.target('R', { seq: 9001 });
      d.advance(seconds(10));
      expect(d.client('PA', { seq: 1001, ack: 5001, data: 10 })).toBe(Verdict.strayData);
      const { ledger } = d.replayer;
      expect([ledger.connections, ledger.skipped]).toEqual([1, 0]);
      expect(ledger.outcomes[Outcome.resetByTarget]).toBe(1);
    },
    { replayer: { onlyFromSyn: true } },
  );

  dialogue('row 78: acknowledgement, FIN and RST begin nothing', (d) => {
    for (const flags of ['A', 'FA', 'R', 'RA']) {
      expect(d.client(flags, { seq: 2000, ack: 5001 })).toBe(Verdict.stray);
    }
    d.expectNothing();
  });

  dialogue('what is damaged begins nothing either: its address may be wrong too', (d) => {
    const line = { seq: 5001, ack: 1, data: 100, checksum: ChecksumState.unknown };
    // The last octet of the client's address, and one of the payload.
    for (const corrupt of [15, 60]) {
      expect(d.client('PA', { ...line, corrupt })).toBe(Verdict.badChecksum);
    }
    d.expectNothing();
    expect(d.replayer.ledger.connections).toBe(0);
  });

  dialogue('a keep-alive probe with an octet begins nothing; a single octet pushed does', (d) => {
    expect(d.client('A', { seq: 5000, ack: 1, data: 1 })).toBe(Verdict.stray);
    d.expectNothing();
    expect(d.client('PA', { seq: 5001, ack: 1, data: 1 })).toBe(Verdict.data);
    d.expect('S', { seq: 5000 });
  });

  dialogue('row 76: a client 0 before the wrap', (d) => {
    d.client('PA', { seq: 0, ack: 5001, data: 10 });
    d.expect('S', { seq: 0xffff_ffff });
    d.target('SA', { seq: 9000, ack: 0, mss: 1460 });
    d.expect('A', { seq: 0 });
    d.expect('PA', { seq: 0, data: 10 });
  });
});

describe('a port used again', () => {
  dialogue('row 90: a new SYN while the old copy lives, idle: reset and begun anew', (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 10 });
    d.expect('PA');
    d.target('A', { seq: 9001, ack: 1011 });
    d.client('S', { seq: 777_000, mss: 1460 });
    d.expect('RA', { seq: 1011, ack: 9001 });
    d.expect('S', { seq: 777_000 });
    expect(d.replayer.ledger.outcomes[Outcome.replaced]).toBe(1);
    expect(d.replayer.context.store.used).toBe(0);
    d.target('A', { seq: 9001, ack: 1011 });
    d.expect('R', { seq: 1011 });
    d.advance(millis(3));
    d.takeSent();
    d.target('SA', { seq: 50_000, ack: 777_001, mss: 1460 });
    d.client('A', { seq: 777_001, ack: 6001 });
    d.expect('A', { seq: 777_001, ack: 50_001 });
  });

  dialogue('a new SYN while the old copy lingers', (d) => {
    establish(d);
    d.client('RA', { seq: 1001, ack: 5001 });
    d.expect('RA');
    d.client('S', { seq: 777_000, mss: 1460 });
    d.expect('S', { seq: 777_000 });
    expect(d.replayer.size).toBe(1);
  });

  dialogue(
    'with -O, data after the end of a copy begins nothing, and the route is given up in time',
    (d) => {
      establish(d);
      d.target('R', { seq: 9001 });
      expect(d.client('PA', { seq: 1001, ack: 5001, data: 10 })).toBe(Verdict.lostData);
      d.expectNothing();
      d.advance(seconds(7));
      expect(d.routes).toHaveLength(0);
    },
    { replayer: { onlyFromSyn: true } },
  );

  dialogue('a copy that has lingered long enough is forgotten', (d) => {
    establish(d);
    d.client('RA', { seq: 1001, ack: 5001 });
    expect(d.client('A', { seq: 1001, ack: 5001 })).toBe(Verdict.afterEnd);
    d.advance(seconds(7));
    expect(d.client('A', { seq: 1001, ack: 5001 })).toBe(Verdict.stray);
  });

  dialogue('two SYNs of one port before anything was polled', (d) => {
    d.batch(() => {
      d.client('S', { seq: 1000 });
      d.client('S', { seq: 2000 });
      d.client('PA', { seq: 2001, ack: 1, data: 5 });
    });
    d.expect('S', { seq: 2000 });
    d.expectNothing();
    expect(d.replayer.ledger.connections).toBe(2);
  });

  dialogue('a request after the end of a copy begins another, the rest of one does not', (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 10 });
    d.expect('PA');
    d.target('R', { seq: 9001 });
    expect(d.client('PA', { seq: 1001, ack: 5001, data: 10 })).toBe(Verdict.afterEnd);
    expect(d.client('FA', { seq: 1011, ack: 5001 })).toBe(Verdict.afterEnd);
    expect(d.client('PA', { seq: 1011, ack: 5001, data: 10 })).toBe(Verdict.lostData);
    d.expectNothing();
    expect(d.client('PA', { seq: 1021, ack: 5301, data: 10 })).toBe(Verdict.data);
    d.expect('S', { seq: 1020 });
    expect(d.replayer.ledger.joined).toBe(1);
  });

  dialogue('nor does the rest of a request whose beginning was held when the copy ended', (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 10 });
    d.expect('PA');
    d.target('A', { seq: 9001, ack: 1011, window: 0 });
    d.client('PA', { seq: 1011, ack: 5301, data: 10 });
    d.client('PA', { seq: 1031, ack: 5301, data: 10 });
    d.advance(seconds(11)); // A hole that nothing fills.
    expect(d.client('PA', { seq: 1041, ack: 5301, data: 10 })).toBe(Verdict.lostData);
    d.takeSent();
    d.target('A', { seq: 9001, ack: 1011 });
    d.target('PA', { seq: 9001, ack: 1011, data: 300 });
    d.expect('PA', { seq: 1011, data: 10 });
    d.target('A', { seq: 9301, ack: 1021 });
    d.expect('RA', { seq: 1021 });
    expect(d.client('PA', { seq: 1041, ack: 5301, data: 10 })).toBe(Verdict.lostData);
    expect(d.client('PA', { seq: 1051, ack: 5601, data: 10 })).toBe(Verdict.data);
    d.expect('S', { seq: 1050 });
  });
});

describe('limits and strangers', () => {
  dialogue(
    'no more copies than the limit',
    (d) => {
      expect(d.client('S', from('10.1.2.3'))).toBe(Verdict.syn);
      expect(d.client('S', from('10.1.2.4'))).toBe(Verdict.overLimit);
      expect(d.replayer.ledger.notBegun).toBe(1);
      expect(d.replayer.ledger.refused[Verdict.overLimit]).toBe(1);
      expect(d.replayer.ledger.refused[Verdict.noFreePort]).toBe(0);
    },
    { replayer: { maxCopies: 1 } },
  );

  dialogue(
    'a connection that met a limit when it began is not joined when there is room again',
    (d) => {
      const other = from('10.1.2.4');
      d.client('S', { seq: 1, ...from('10.1.2.3') });
      d.client('S', { seq: 1, ...other });
      d.client('R', { seq: 2, ...from('10.1.2.3') });
      d.advance(seconds(60));
      expect(d.replayer.size).toBe(0);
      d.takeSent();
      expect(d.client('PA', { seq: 2, ack: 1, data: 5, ...other })).toBe(Verdict.leftOut);
      expect(d.client('A', { seq: 7, ack: 1, ...other })).toBe(Verdict.stray);
      expect(d.client('FA', { seq: 7, ack: 1, ...other })).toBe(Verdict.stray);
      d.expectNothing();
      expect([d.replayer.ledger.connections, d.replayer.ledger.notBegun]).toEqual([2, 1]);
      // Its port begins anew.
      expect(d.client('S', { seq: 900, ...other })).toBe(Verdict.syn);
    },
    { replayer: { maxCopies: 1 } },
  );

  dialogue(
    'a connection whose beginning nobody saw, and that meets a limit, is counted and refused once',
    (d) => {
      d.client('S', { seq: 1, ...from('10.1.2.3') });
      const open = { ack: 1, data: 5, ...from('10.1.2.4') };
      expect(d.client('PA', { seq: 2, ...open })).toBe(Verdict.overLimit);
      expect(d.client('PA', { seq: 7, ...open })).toBe(Verdict.leftOut);
      const { ledger } = d.replayer;
      expect([ledger.connections, ledger.notBegun, ledger.joined]).toEqual([2, 1, 1]);
    },
    { replayer: { maxCopies: 1 } },
  );

  dialogue('of data that overlaps what an ended copy was given, only the rest is copied', (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.expect('PA', { seq: 1001, data: 100 });
    d.target('RA', { seq: 9001, ack: 1101 });
    const line = { seq: 1051, ack: 5301, data: 100, checksum: ChecksumState.unknown };
    expect(d.client('PA', { ...line, corrupt: 60 })).toBe(Verdict.badChecksum);
    d.expectNothing();
    expect(d.client('PA', line)).toBe(Verdict.data);
    d.expect('S', { seq: 1100 });
    d.target('SA', { seq: 70_000, ack: 1101, mss: 1460 });
    d.expect('A', { seq: 1101 });
    d.expect('PA', { seq: 1101, data: 50 });
  });

  dialogue('responses for no copy are counted', (d) => {
    d.target('SA', { seq: 1, ack: 1 });
    d.expectNothing();
    expect(d.replayer.ledger.unknownResponses).toBe(1);
  });

  dialogue('responses that are no packets are counted', (d) => {
    d.respond(new Uint8Array(64));
    d.expectNothing();
    expect(d.replayer.ledger.malformedResponses).toBe(1);
  });

  it('many connections at once, each for itself', () => {
    const d = new Dialogue();
    const ends = (i: number) => ({ address: `10.1.${i >> 8}.${i & 255}`, port: 1024 + i });
    for (let i = 0; i < 3000; i++) {
      d.client('S', { seq: i * 1000, mss: 1460, from: ends(i) });
      d.client('A', { seq: i * 1000 + 1, ack: 1, from: ends(i) });
      d.client('PA', { seq: i * 1000 + 1, ack: 1, data: 20, from: ends(i) });
      d.advance(micros(100));
    }
    expect(d.takeSent().filter((p) => p.flags === 'S')).toHaveLength(3000);
    for (let i = 0; i < 3000; i += 2) {
      d.target('SA', { seq: i, ack: i * 1000 + 1, mss: 1460, to: ends(i) });
    }
    const sent = d.takeSent().filter((p) => p.payload.length > 0);
    expect(sent).toHaveLength(1500);
    for (const [i, p] of sent.entries()) expect(p.from).toEqual(ends(i * 2));
    d.stop();
    d.finish();
    expect(d.replayer.ledger.outcomes[Outcome.stopped]).toBe(3000);
    expect(buildPacket(sent[0] as never).length).toBe(60);
  });
});
