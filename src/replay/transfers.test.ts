import { describe, expect } from 'vitest';
import { dialogue } from '../../test/sim/dialogue.ts';
import { Verdict } from '../session/verdict.ts';
import { address, transfer } from '../testing/harness.ts';
import { buildPacket } from '../testing/packet.ts';
import { PacketError } from '../wire/packet-view.ts';

const from = (ip: string, port = 40_000) => ({ from: { address: ip, port } });

describe('transfers (-x)', () => {
  const options = {
    replayer: {
      transfers: [
        transfer(80, '10.9.0.1', 8080),
        transfer(81, '10.9.0.2', 9090),
        { ...transfer(82, '10.9.0.3', 82), address: address('10.8.0.1') },
      ],
    },
  };

  dialogue(
    'two pairs go to their own targets, also from one client port',
    (d) => {
      for (const [port, target] of [
        [80, { address: '10.9.0.1', port: 8080 }],
        [81, { address: '10.9.0.2', port: 9090 }],
      ] as const) {
        d.client('S', { seq: 1, to: { address: '10.8.0.1', port } });
        d.expect('S', { to: target });
      }
      expect(d.replayer.size).toBe(2);
    },
    options,
  );

  dialogue(
    'row 57: another port, another address or the other family matches nothing',
    (d) => {
      const to = (ip: string, port: number) => ({ to: { address: ip, port } });
      expect(d.client('S', to('10.8.0.1', 443))).toBe(Verdict.unmatched);
      expect(d.client('S', to('10.8.0.2', 82))).toBe(Verdict.unmatched);
      const v6 = { from: { address: 'fd00::1', port: 5 }, to: { address: 'fd00::2', port: 80 } };
      expect(d.client('S', v6)).toBe(Verdict.unmatched);
      expect(d.client('S', to('10.8.0.1', 82))).toBe(Verdict.syn);
    },
    options,
  );

  dialogue(
    'rows 57 and 59: UDP, headers of impossible length and fragments are counted, and no more',
    (d) => {
      const spoiled = (...changes: readonly (readonly [number, number])[]): Uint8Array => {
        const octets = buildPacket({
          from: { address: '10.1.2.3', port: 40_000 },
          to: { address: '10.8.0.1', port: 80 },
          seq: 1,
          ack: 0,
          flags: 'S',
          window: 100,
          urgentPointer: 0,
          ttl: 64,
          trafficClass: 0,
          ipId: 1,
          dontFragment: true,
          options: {},
          payload: new Uint8Array(0),
        });
        for (const [at, value] of changes) octets[at] = value;
        return octets;
      };
      const errors = [
        [PacketError.notTcp, [[9, 17]]],
        [PacketError.badIpHeaderLength, [[0, 0x44]]],
        [PacketError.badDataOffset, [[32, 0x40]]],
        // An offset, and More Fragments.
        [PacketError.fragment, [[7, 1]]],
        [PacketError.fragment, [[6, 0x20]]],
      ] as const;
      for (const [error, changes] of errors) {
        const before = d.replayer.ledger.packetErrors[error] as number;
        d.capture(spoiled(...changes));
        expect(d.replayer.ledger.packetErrors[error]).toBe(before + 1);
      }
      expect([d.replayer.ledger.captured, d.replayer.size]).toEqual([errors.length, 0]);
      d.expectNothing();
      d.capture(spoiled());
      d.expect('S', { seq: 1 });
    },
  );

  dialogue('a loopback address and any other do not go together', (d) => {
    expect(d.client('S', from('127.0.0.1'))).toBe(Verdict.loopback);
    d.expectNothing();
  });

  dialogue(
    'row 13: a target at a loopback address gets the connections of loopback addresses, and no others',
    (d) => {
      expect(d.client('S', from('10.0.0.5'))).toBe(Verdict.loopback);
      d.expectNothing();
      expect(d.client('S', from('127.0.0.1'))).toBe(Verdict.syn);
      d.expect('S', { ...from('127.0.0.1'), to: { address: '127.0.0.1', port: 81 } });
    },
    { replayer: { transfers: [transfer(80, '127.0.0.1', 81)] } },
  );

  dialogue(
    'row 14: -H is where copies of loopback addresses come from, and of no others',
    (d) => {
      expect(d.client('S', from('127.0.0.1'))).toBe(Verdict.syn);
      d.expect('S', from('10.1.1.1'));
      expect(d.client('S', from('10.1.2.3'))).toBe(Verdict.syn);
      d.expect('S', from('10.1.2.3'));
    },
    { replayer: { localhostAddress: address('10.1.1.1') } },
  );
});
