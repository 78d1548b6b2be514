import { describe, expect, it } from 'vitest';
import { buildPacket, memoryOf } from '../../test/property/wire-packets.ts';
import { Memory } from '../base/memory.ts';
import { PacketError, PacketView } from '../wire/packet-view.ts';
import { FINE, MAX_BODY } from './extended-frame.ts';
import { OutBuffer } from './out-buffer.ts';
import { addRecord, ALL_PAYLOAD, readRecord } from './response-record.ts';

interface Heard {
  readonly memory: Memory;
  readonly octets: Uint8Array;
  readonly wireLength: number;
  readonly receivedAt: number;
}

/** The records of all frames in `out`. */
function readAll(out: OutBuffer): { heard: Heard[]; bodies: number[] } {
  const heard: Heard[] = [];
  const bodies: number[] = [];
  const memory = memoryOf(out.memory.bytes.slice(0, out.length), 3);
  for (let at = 3; at < 3 + out.length; ) {
    const body = memory.view.getUint32(at);
    bodies.push(body);
    at += 8;
    for (const end = at + body; at < end; at += memory.view.getUint32(at)) {
      const fault = readRecord(memory, at, memory.view.getUint32(at), {
        handleResponse: (from, offset, length, wireLength, receivedAt) => {
          const octets = from.bytes.slice(offset, offset + length);
          heard.push({ memory: memoryOf(octets), octets, wireLength, receivedAt });
        },
      });
      expect(fault).toBe(FINE);
    }
  }
  return { heard, bodies };
}

const roomy = (): OutBuffer => new OutBuffer(4_000_000, 64);

function viewIn(memory: Memory, offset: number, length: number, wireLength = length): PacketView {
  const view = new PacketView();
  view.parse(memory, offset, length, wireLength);
  return view;
}

describe('addRecord', () => {
  it.each([
    ['IPv4 with 40 octets of options', { ipOptions: Array.from({ length: 40 }, () => 1) }],
    ['40 octets of TCP options', { options: Array.from({ length: 40 }, () => 1) }],
    [
      'IPv6 with extension headers',
      { family: 6 as const, extensions: [{ type: 0, body: Array.from({ length: 262 }, () => 0) }] },
    ],
  ])('keeps all of the headers: %s', (_name, spec) => {
    const packet = buildPacket({ ...spec, payload: [1, 2, 3] });
    const out = roomy();
    const view = viewIn(memoryOf(packet, 5), 5, packet.length);
    expect(addRecord(out, 1e6, view, packet.length, 77, 0)).toBe(true);
    const { heard } = readAll(out);
    expect(heard).toHaveLength(1);
    expect(heard[0]!.octets).toEqual(packet.slice(0, -3));
    expect(heard[0]).toMatchObject({ wireLength: packet.length, receivedAt: 77 });
    const again = new PacketView();
    const error = again.parse(heard[0]!.memory, 0, heard[0]!.octets.length, packet.length);
    expect(error).toBe(PacketError.cutByCapture);
    expect(again.payloadLength).toBe(3);
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8])('pads %i octets of payload with zeros', (n) => {
    const packet = buildPacket({ payload: Array.from({ length: n }, () => 0xff) });
    const out = roomy();
    out.reserve(200);
    out.memory.bytes.fill(0xee);
    addRecord(out, 1e6, viewIn(memoryOf(packet), 0, packet.length), packet.length, 0, ALL_PAYLOAD);
    expect(out.length % 4).toBe(0);
    const end = 8 + 24 + packet.length;
    expect(Array.from(out.memory.bytes.slice(end, out.length))).toEqual(
      Array.from({ length: out.length - end }, () => 0),
    );
    expect(readAll(out).heard[0]!.octets).toEqual(packet);
  });

  it('takes no more payload than was captured, wanted, or belongs to the packet', () => {
    const packet = buildPacket({ payload: [1, 2, 3, 4, 5, 6] });
    // The last four octets are the padding of a short frame on the wire.
    const memory = memoryOf([...packet, 9, 9, 9, 9]);
    const present = (captured: number, wanted: number): number => {
      const out = roomy();
      addRecord(out, 1e6, viewIn(memory, 0, captured, packet.length + 4), captured, 0, wanted);
      const flags = out.memory.view.getUint16(8 + 6);
      const { octets } = readAll(out).heard[0]!;
      expect(flags).toBe(octets.length < packet.length ? 1 : 0);
      return octets.length - 40;
    };
    expect(present(40, ALL_PAYLOAD)).toBe(0);
    expect(present(43, ALL_PAYLOAD)).toBe(3);
    expect(present(46, 5)).toBe(5);
    expect(present(50, ALL_PAYLOAD)).toBe(6);
  });

  it('tells how long a packet was that no IP length can say, and cuts what no frame can hold', () => {
    const packet = buildPacket({ declaredLength: 0, payload: [1] });
    const memory = Memory.alloc(400_000);
    memory.bytes.fill(7);
    memory.bytes.set(packet);
    const out = roomy();
    const view = viewIn(memory, 0, 400_000);
    expect(addRecord(out, 4e6, view, 400_000, 0, ALL_PAYLOAD)).toBe(true);
    const { heard, bodies } = readAll(out);
    expect(bodies).toEqual([MAX_BODY]);
    expect(heard[0]!.wireLength).toBe(400_000);
    expect(heard[0]!.octets).toHaveLength(MAX_BODY - 24);
  });

  it('closes a frame at 64 KB', () => {
    const out = roomy();
    const packet = buildPacket();
    const view = viewIn(memoryOf(packet), 0, packet.length);
    for (let i = 0; i < 2000; i++) addRecord(out, 4e6, view, packet.length, i, 0);
    const { heard, bodies } = readAll(out);
    expect(bodies).toEqual([65_536, 62_464]);
    expect(heard.map((one) => one.receivedAt)).toEqual(Array.from({ length: 2000 }, (_, i) => i));
  });

  it('adds all or nothing at the limit', () => {
    const out = roomy();
    const packet = buildPacket();
    const view = viewIn(memoryOf(packet), 0, packet.length);
    let added = 0;
    while (addRecord(out, 8 + 64 * 10 + 63, view, packet.length, 0, 0)) added++;
    expect(added).toBe(10);
    expect(readAll(out).heard).toHaveLength(10);
  });
});
