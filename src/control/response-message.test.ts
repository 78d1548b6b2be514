import { describe, expect, it } from 'vitest';
import {
  buildPacket,
  memoryOf,
  type PacketSpec,
  sackOption,
  slowSum,
  timestampOption,
} from '../../test/property/wire-packets.ts';
import { Memory } from '../base/memory.ts';
import { PacketError, PacketView } from '../wire/packet-view.ts';
import { TcpOptions } from '../wire/tcp-options.ts';
import { MESSAGE_LENGTH, responseParts, writeResponse } from './response-message.ts';

const payloadOf = (n: number): number[] => Array.from({ length: n }, () => 0xdd);

/** Messages for a packet of which only `captured` octets are there. */
function messagesFor(packet: Uint8Array, wireLength = packet.length, captured = 200): Uint8Array[] {
  const view = new PacketView();
  const length = Math.min(captured, packet.length);
  const error = view.parse(memoryOf(packet, 8), 8, length, wireLength);
  expect([PacketError.none, PacketError.cutByCapture]).toContain(error);
  return Array.from({ length: responseParts(view) }, (_, part) => {
    const memory = Memory.alloc(MESSAGE_LENGTH + 16);
    memory.bytes.fill(0xee);
    writeResponse(view, part, memory, 2);
    expect(memory.bytes[1]).toBe(0xee);
    expect(memory.bytes[2 + MESSAGE_LENGTH]).toBe(0xee);
    return memory.bytes.slice(2, 2 + MESSAGE_LENGTH);
  });
}

const messageFor = (spec: PacketSpec): Uint8Array => messagesFor(buildPacket(spec))[0]!;

/** The message as a reader sees it who computes the payload from the lengths, as the original does. */
function read(message: Uint8Array): { view: PacketView; options: TcpOptions } {
  const memory = memoryOf(message);
  const view = new PacketView();
  expect([PacketError.none, PacketError.cutByCapture]).toContain(
    view.parse(memory, 0, MESSAGE_LENGTH, 0xffff),
  );
  const options = new TcpOptions();
  options.parse(memory, view.optionsOffset, view.optionsLength);
  return { view, options };
}

describe('writeResponse', () => {
  it('row 36: copies an ordinary response unchanged: 1448 octets of payload, 12 of options', () => {
    const packet = buildPacket({ options: timestampOption(5, 6), payload: payloadOf(1448) });
    const [message] = messagesFor(packet);
    const expected = [...packet.slice(0, 52), ...new Uint8Array(12)];
    expect(Array.from(message!)).toEqual(expected);
    expect(message!.slice(2, 4)).toEqual(Uint8Array.of(0x05, 0xdc));
  });

  it.each([0, 4, 8, 12, 16, 20, 24])('copies %i octets of TCP options as they are', (n) => {
    const options = Array.from({ length: n }, () => 1);
    const message = messageFor({ options, payload: [1, 2, 3] });
    expect(Array.from(message.slice(40))).toEqual([...options, ...payloadOf(24 - n).map(() => 0)]);
    expect(read(message).view.payloadLength).toBe(3);
  });

  it.each([4, 20, 40])(
    'row 44: leaves out %i octets of IP options and mends length and checksum',
    (n) => {
      const ipOptions = Array.from({ length: n }, () => 1);
      const message = messageFor({
        ipOptions,
        options: timestampOption(5, 6),
        payload: payloadOf(9),
      });
      expect(message[0]).toBe(0x45);
      expect(slowSum(message.slice(0, 20))).toBe(0xffff);
      const { view, options } = read(message);
      expect(view.packetLength).toBe(20 + 32 + 9);
      expect(view.payloadLength).toBe(9);
      expect(options).toMatchObject({ hasTimestamps: true, tsval: 5, tsecr: 6 });
    },
  );

  it('row 43: keeps timestamps and the latest SACK block of options that do not fit', () => {
    const blocks = [[100, 200] as const, [300, 400] as const, [500, 600] as const];
    const message = messageFor({
      flags: 0x10,
      options: [...timestampOption(5, 6), ...sackOption(blocks)],
      payload: payloadOf(7),
    });
    const { view, options } = read(message);
    expect(view.tcpHeaderLength).toBe(44);
    expect(view.payloadLength).toBe(7);
    expect(options).toMatchObject({ tsval: 5, tsecr: 6, sackCount: 1, malformed: false });
    expect([options.sackLeft[0], options.sackRight[0]]).toEqual([100, 200]);
    expect(slowSum(message.slice(0, 20))).toBe(0xffff);
  });

  it('keeps two SACK blocks where there are no timestamps', () => {
    const blocks = [1, 2, 3, 4].map((n) => [n * 100, n * 100 + 50] as const);
    const { view, options } = read(messageFor({ flags: 0x10, options: sackOption(blocks) }));
    expect(view.payloadLength).toBe(0);
    expect(options.sackCount).toBe(2);
    expect(Array.from(options.sackRight.slice(0, 2))).toEqual([150, 250]);
  });

  it('keeps all that a SYN-ACK negotiates', () => {
    const unknown = Array.from({ length: 16 }, (_, i) => (i === 0 ? 254 : 16));
    const syn = [2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7, ...timestampOption(5, 0), ...unknown];
    const { view, options } = read(messageFor({ flags: 0x12, options: syn }));
    expect(view.tcpHeaderLength).toBe(44);
    expect(options).toMatchObject({
      mss: 1460,
      windowScale: 7,
      sackPermitted: true,
      hasTimestamps: true,
      tsval: 5,
    });
  });

  it('drops options that do not fit and mean nothing to TCP', () => {
    const unknown = Array.from({ length: 28 }, (_, i) => (i === 0 ? 254 : 28));
    const message = messageFor({ options: unknown, payload: payloadOf(3) });
    expect(Array.from(message.slice(40))).toEqual(Array.from(new Uint8Array(24)));
    expect(read(message).view.payloadLength).toBe(3);
  });

  it('states the length that the capture saw where the packet declares 0', () => {
    const packet = buildPacket({ declaredLength: 0, payload: payloadOf(30) });
    expect(read(messagesFor(packet)[0]!).view.payloadLength).toBe(30);
  });

  it('splits what no IPv4 length can declare into parts that follow each other', () => {
    const packet = buildPacket({ declaredLength: 0, seq: 0xffff_ff00, flags: 0x19, payload: [1] });
    const wireLength = 40 + 180_000;
    const parts = messagesFor(packet, wireLength).map((message) => read(message).view);
    expect(parts).toHaveLength(3);
    let next = 0xffff_ff00 | 0;
    for (const part of parts) {
      expect(part.seq).toBe(next);
      next = (next + part.payloadLength) | 0;
    }
    expect((next - (0xffff_ff00 | 0)) | 0).toBe(180_000);
    expect(parts.map((part) => part.flags)).toEqual([0x10, 0x10, 0x19]);
  });
});
