import { describe, expect } from 'vitest';
import { dialogue, establish } from '../../test/sim/dialogue.ts';
import { millis, seconds } from '../base/time.ts';
import { ChecksumState } from '../ports/packet-source.ts';
import { transfer } from '../testing/harness.ts';
import { Outcome } from './outcome.ts';
import { Verdict } from './verdict.ts';

describe('captured data', () => {
  dialogue('row 66: packets of one request leave at once', (d) => {
    establish(d);
    d.client('A', { seq: 1001, ack: 5001, data: 100 });
    d.client('PA', { seq: 1101, ack: 5001, data: 50 });
    d.expect('A', { seq: 1001, ack: 9001, data: 100, window: 65_535 });
    d.expect('PA', { seq: 1101, ack: 9001, data: 50, window: 65_535 });
    d.expectNothing();
  });

  dialogue('row 58: an acknowledgement of the client is not sent', (d) => {
    establish(d);
    expect(d.client('A', { seq: 1001, ack: 5301 })).toBe(Verdict.acknowledgement);
    d.silence(seconds(1));
  });

  dialogue('row 56: a merged packet is cut to the MSS; FIN and PSH go with the last', (d) => {
    establish(d, { syn: { timestamps: [1, 0] }, synAck: { timestamps: [5, 1], window: 65_535 } });
    d.client('FPA', { seq: 1001, ack: 5001, data: 4328, timestamps: [2, 1] });
    d.expect('A', { seq: 1001, data: 1448 });
    d.expect('A', { seq: 2449, data: 1448 });
    d.expect('FPA', { seq: 3897, data: 1432 });
  });

  for (const [mtu, mss, wanted] of [
    [1500, 1460, 1460],
    [576, 1460, 536],
    [9000, 1460, 1460],
    [1500, 536, 536],
    [1280, 8960, 1240],
  ] as const) {
    dialogue(
      `-M ${mtu} and a target's MSS of ${mss}: segments of ${wanted}`,
      (d) => {
        establish(d, { synAck: { mss } });
        d.client('PA', { seq: 1001, ack: 5001, data: 65_000 });
        let seq = 1001;
        for (let guard = 0; seq < 66_001 && guard < 200; guard++) {
          for (const p of d.takeSent()) {
            expect(p.payload.length).toBe(Math.min(wanted, 66_001 - seq));
            expect(p.seq).toBe(seq);
            seq += p.payload.length;
          }
          d.target('A', { seq: 9001, ack: seq });
        }
        expect(seq).toBe(66_001);
      },
      { replayer: { transfers: [transfer(80, '10.9.0.1', 8080, mtu)] } },
    );
  }

  dialogue('row 79: captured in the order 1, 3, 2, sent in the order 1, 2, 3', (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.expect('PA', { seq: 1001, data: 100 });
    d.client('PA', { seq: 1201, ack: 5001, data: 100 });
    d.silence(millis(100));
    d.client('A', { seq: 1101, ack: 5001, data: 100 });
    d.expect('A', { seq: 1101, data: 100 });
    d.expect('PA', { seq: 1201, data: 100 });
    d.target('A', { seq: 9001, ack: 1301 });
    d.silence(seconds(60));
    expect(d.open).toBe(1);
  });

  dialogue('row 80: a packet that the capture lost for good ends the copy after 10 s', (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.expect('PA');
    d.target('A', { seq: 9001, ack: 1101 });
    d.client('PA', { seq: 1201, ack: 5001, data: 100 });
    d.silence(seconds(9.9));
    d.advance(seconds(0.2));
    d.expect('RA', { seq: 1101, ack: 9001 });
    expect(d.replayer.ledger.outcomes[Outcome.captureGap]).toBe(1);
  });

  dialogue('every hole gets its own ten seconds, also where there always is one', (d) => {
    establish(d);
    const data = (n: number): number => d.client('A', { seq: 1001 + 10 * n, ack: 5001, data: 10 });
    data(1);
    for (let n = 0; n < 20; n += 2) {
      d.advance(seconds(4));
      data(n + 3);
      data(n);
    }
    expect(d.open).toBe(1);
    expect(d.takeSent().at(-1)).toMatchObject({ seq: 1191 });
  });

  dialogue('a packet seen on two interfaces is no retransmission', (d) => {
    establish(d);
    const stamps = [100_000_000, 100_000_040, 100_000_090, 100_000_120];
    const [first, second] = [
      { seq: 1001, ack: 5001, data: 100 },
      { seq: 1101, ack: 5001, data: 100 },
    ];
    const seen = [first, second, first, second].map((line, i) => {
      d.receivedAt = stamps[i] as number;
      return d.client('PA', line);
    });
    expect(seen).toEqual([Verdict.data, Verdict.data, Verdict.seenTwice, Verdict.seenTwice]);
    d.receivedAt = 100_200_000;
    expect(d.client('PA', second)).toBe(Verdict.retransmission);
    expect(d.takeSent().map((p) => p.seq)).toEqual([1001, 1101]);
  });

  dialogue('row 81: what the client retransmits is not sent again', (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.expect('PA');
    d.advance(millis(100));
    expect(d.client('PA', { seq: 1001, ack: 5001, data: 100 })).toBe(Verdict.retransmission);
    d.target('A', { seq: 9001, ack: 1101 });
    expect(d.client('PA', { seq: 1001, ack: 5001, data: 100 })).toBe(Verdict.retransmission);
    expect(d.client('PA', { seq: 1051, ack: 5001, data: 20 })).toBe(Verdict.retransmission);
    d.silence(millis(100));
  });

  dialogue('row 82: of a packet that overlaps, only what is new', (d) => {
    establish(d);
    d.client('A', { seq: 1001, ack: 5001, data: 100 });
    d.expect('A', { data: 100 });
    d.client('PA', { seq: 1051, ack: 5001, data: 100 });
    d.expect('PA', { seq: 1101, data: 50 });
  });

  dialogue('a packet that fills two holes and covers what lies between them', (d) => {
    establish(d);
    d.client('A', { seq: 1101, ack: 5001, data: 50 });
    d.client('PA', { seq: 1201, ack: 5001, data: 50 });
    d.expectNothing();
    d.client('FPA', { seq: 1001, ack: 5001, data: 260 });
    const sent = d.takeSent();
    expect(sent.map((p) => p.flags)).toEqual(['A', 'A', 'A', 'PA', 'FPA']);
    expect(sent.map((p) => [p.seq, p.payload.length])).toEqual([
      [1001, 100],
      [1101, 50],
      [1151, 50],
      [1201, 50],
      [1251, 10],
    ]);
  });

  dialogue('a FIN on a retransmission that adds nothing else is sent', (d) => {
    establish(d);
    d.client('PA', { seq: 1001, ack: 5001, data: 100 });
    d.expect('PA');
    expect(d.client('FPA', { seq: 1001, ack: 5001, data: 100 })).not.toBe(Verdict.retransmission);
    const fin = d.expect('FPA', { seq: 1101 });
    expect(fin.payload).toHaveLength(0);
  });

  dialogue('bad checksums are left out, and the good packet after them is taken', (d) => {
    establish(d);
    const line = { seq: 1001, ack: 5001, data: 100 };
    expect(d.client('PA', { ...line, corrupt: 90 })).toBe(Verdict.badChecksum);
    expect(d.client('PA', { seq: 1051, ack: 5001, data: 100, corrupt: 90 })).toBe(
      Verdict.badChecksum,
    );
    expect(d.client('R', { seq: 1001, corrupt: 34 })).toBe(Verdict.badChecksum);
    expect(d.replayer.context.pool.used).toBe(0);
    d.silence(millis(10));
    expect(d.client('PA', line)).toBe(Verdict.data);
    d.expect('PA', { seq: 1001, data: 100 });
  });

  dialogue('a SYN with a bad checksum begins nothing', (d) => {
    expect(d.client('S', { seq: 1000, mss: 1460, corrupt: 25 })).toBe(Verdict.badChecksum);
    d.expectNothing();
    expect(d.replayer.ledger.connections).toBe(0);
  });

  dialogue('checksums left to hardware are not looked at', (d) => {
    establish(d);
    d.client('PA', {
      seq: 1001,
      ack: 5001,
      data: 100,
      corrupt: 36,
      checksum: ChecksumState.partial,
    });
    d.expect('PA', { seq: 1001, data: 100 });
  });

  dialogue('row 60: what the capture cut is not sent', (d) => {
    establish(d);
    expect(d.client('PA', { seq: 1001, ack: 5001, data: 100, cutTo: 100 })).toBe(-1);
    d.expectNothing();
  });

  dialogue('row 95: data far beyond any window is left out, and the copy goes on', (d) => {
    establish(d);
    const far = { seq: 1001 + (1 << 24) + 1, ack: 5001, data: 10 };
    expect(d.client('PA', far)).toBe(Verdict.outOfWindow);
    d.client('PA', { seq: 1001, ack: 5001, data: 10 });
    d.expect('PA', { seq: 1001, data: 10 });
  });

  dialogue('nothing follows a FIN, and no FIN comes before data that was captured', (d) => {
    establish(d);
    d.client('A', { seq: 1201, ack: 5001, data: 100 });
    expect(d.client('FA', { seq: 1101, ack: 5001 })).toBe(Verdict.outOfWindow);
    d.client('FA', { seq: 1301, ack: 5001 });
    expect(d.client('PA', { seq: 1302, ack: 5001, data: 5 })).toBe(Verdict.outOfWindow);
  });

  dialogue('urgent data keeps its pointer, also where a packet is cut or overlaps', (d) => {
    establish(d, { synAck: { mss: 100 } });
    d.client('UPA', { seq: 1001, ack: 5001, data: 150, urgentPointer: 120 });
    d.expect('UA', { seq: 1001, data: 100, urgentPointer: 120 });
    d.expect('UPA', { seq: 1101, data: 50, urgentPointer: 20 });
    d.target('A', { seq: 9001, ack: 1151 });
    d.client('UPA', { seq: 1141, ack: 5001, data: 30, urgentPointer: 25 });
    d.expect('UPA', { seq: 1151, data: 20, urgentPointer: 15 });
  });

  dialogue(
    'a connection that holds too many pieces ends with a reset',
    (d) => {
      establish(d);
      for (let i = 0; i < 4; i++) d.client('PA', { seq: 1101 + 10 * i, ack: 5001, data: 10 });
      expect(d.client('PA', { seq: 1141, ack: 5001, data: 10 })).toBe(Verdict.overLimit);
      d.expect('RA', { seq: 1001 });
      expect(d.replayer.ledger.outcomes[Outcome.segmentLimit]).toBe(1);
      expect(d.client('PA', { seq: 1151, ack: 5001, data: 10 })).toBe(Verdict.lostData);
      d.expectNothing();
    },
    { session: { maxSegments: 4 } },
  );

  dialogue(
    'memory that runs out ends the connection that asked for it, and comes back',
    (d) => {
      establish(d);
      let verdict: number = Verdict.data;
      for (let seq = 1001; verdict === Verdict.data && seq < 10_000_000; seq += 65_000) {
        verdict = d.client('A', { seq, ack: 5001, data: 65_000 });
      }
      expect(verdict).toBe(Verdict.overLimit);
      expect(d.replayer.context.pool.used).toBe(0);
      expect(d.takeSent().at(-1)?.flags).toBe('RA');
    },
    { replayer: { maxPayload: 1 } },
  );

  for (const isn of [0xffff_ff00, 0xffff_ffff, 0x7fff_ffff, 0x7fff_ff00]) {
    dialogue(`sequence numbers wrap: ISN ${isn.toString(16)}`, (d) => {
      establish(d, { isn });
      const at = (n: number): number => (isn + 1 + n) >>> 0;
      d.client('A', { seq: at(0), ack: 5001, data: 200 });
      d.client('A', { seq: at(400), ack: 5001, data: 200 });
      d.client('A', { seq: at(100), ack: 5001, data: 300 });
      d.client('FPA', { seq: at(600), ack: 5001, data: 100 });
      const sent = d.takeSent();
      expect(sent.map((p) => p.seq)).toEqual([at(0), at(200), at(400), at(600)]);
      expect(sent.map((p) => p.payload.length)).toEqual([200, 200, 200, 100]);
      d.target('A', { seq: 9001, ack: at(350) });
      d.target('FA', { seq: 9001, ack: at(701) });
      d.expect('A', { seq: at(701), ack: 9002 });
      expect(d.replayer.ledger.outcomes[Outcome.completed]).toBe(1);
      expect(d.replayer.context.store.used).toBe(0);
    });
  }
});
