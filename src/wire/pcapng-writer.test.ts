import { describe, expect, it } from 'vitest';
import { PcapngWriter } from './pcapng-writer.ts';

interface Block {
  readonly type: number;
  readonly body: Buffer;
}

/** Blocks as the format's document draws them; both lengths must agree. */
function blocksOf(file: Uint8Array): Block[] {
  const buffer = Buffer.from(file);
  const blocks: Block[] = [];
  for (let at = 0; at < buffer.length; ) {
    const length = buffer.readUInt32LE(at + 4);
    expect(length % 4).toBe(0);
    expect(buffer.readUInt32LE(at + length - 4)).toBe(length);
    const body = buffer.subarray(at + 8, at + length - 4);
    blocks.push({ type: buffer.readUInt32LE(at), body });
    at += length;
  }
  return blocks;
}

/** The options of a block, from octet `at` of its body on, by code. */
function optionsOf(body: Buffer, start: number): Map<number, string> {
  const options = new Map<number, string>();
  for (let at = start; at < body.length; ) {
    const code = body.readUInt16LE(at);
    const length = body.readUInt16LE(at + 2);
    if (code === 0) {
      expect(at + 4).toBe(body.length);
      break;
    }
    options.set(code, body.toString('utf8', at + 4, at + 4 + length));
    at += 4 + ((length + 3) & ~3);
  }
  return options;
}

const V4 = Uint8Array.from({ length: 41 }, (_, i) => (i === 0 ? 0x45 : i));
const V6 = Uint8Array.from({ length: 60 }, (_, i) => (i === 0 ? 0x60 : i));

describe('PcapngWriter', () => {
  it('begins with a section and its interfaces', () => {
    const writer = new PcapngWriter('tcpcopy');
    expect([writer.addInterface('captured'), writer.addInterface('größer', 96)]).toEqual([0, 1]);
    const [section, first, second] = blocksOf(writer.take()) as [Block, Block, Block];
    expect(section.type).toBe(0x0a0d0d0a);
    expect(section.body.readUInt32LE(0)).toBe(0x1a2b3c4d);
    expect([section.body.readUInt16LE(4), section.body.readUInt16LE(6)]).toEqual([1, 0]);
    expect(optionsOf(section.body, 16).get(4)).toBe('tcpcopy');
    expect([first.type, first.body.readUInt16LE(0), first.body.readUInt32LE(4)]).toEqual([1, 1, 0]);
    expect(optionsOf(first.body, 8).get(2)).toBe('captured');
    expect(second.body.readUInt32LE(4)).toBe(96);
    expect(optionsOf(second.body, 8).get(2)).toBe('größer');
  });

  it('writes packets of both families with their times, lengths and comments', () => {
    const writer = new PcapngWriter('tcpcopy');
    writer.addInterface('captured');
    writer.take();
    const at = 1_700_000_000_123_456;
    writer.addPacket(0, at, V4);
    writer.addPacket(0, at + 0.7, V6, 1500, 'cut');
    const [first, second] = blocksOf(writer.take()) as [Block, Block];
    expect([first.type, first.body.readUInt32LE(0)]).toEqual([6, 0]);
    expect(first.body.readUInt32LE(4) * 2 ** 32 + first.body.readUInt32LE(8)).toBe(at);
    expect([first.body.readUInt32LE(12), first.body.readUInt32LE(16)]).toEqual([55, 55]);
    expect(first.body.readUInt16BE(20 + 12)).toBe(0x0800);
    expect([...first.body.subarray(34, 34 + 41)]).toEqual([...V4]);
    expect(first.body.length).toBe(20 + 56);
    expect([second.body.readUInt32LE(12), second.body.readUInt32LE(16)]).toEqual([74, 1514]);
    expect(second.body.readUInt16BE(20 + 12)).toBe(0x86dd);
    expect([...second.body.subarray(34, 34 + 60)]).toEqual([...V6]);
    expect(optionsOf(second.body, 20 + 76).get(1)).toBe('cut');
  });

  it('grows as needed, and takes what was written once', () => {
    const writer = new PcapngWriter('tcpcopy');
    writer.addInterface('captured');
    const large = new Uint8Array(60_000).fill(0x45);
    for (let i = 0; i < 5; i++) writer.addPacket(0, i, large);
    expect(writer.length).toBeGreaterThan(300_000);
    expect(blocksOf(writer.take())).toHaveLength(7);
    expect(writer.take()).toHaveLength(0);
  });

  it('refuses packets of an interface that was not added', () => {
    const writer = new PcapngWriter('tcpcopy');
    expect(() => writer.addPacket(0, 0, V4)).toThrow(
      'Cannot write a packet of interface 0: 0 were added',
    );
  });
});
