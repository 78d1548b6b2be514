import { describe, expect, it } from 'vitest';
import { buildPacket } from '../../test/property/wire-packets.ts';
import { Memory } from '../base/memory.ts';
import { seqOf } from '../base/seq.ts';
import { parseAddress } from './address.ts';
import { finishTcpChecksum } from './checksum.ts';
import { writeIpv4Header } from './ipv4.ts';
import { writeIpv6Header } from './ipv6.ts';
import { writeTcpHeader } from './tcp-header.ts';

/** Writes the segment that `buildPacket()` builds by default. */
function writeSegment(memory: Memory, at: number): void {
  writeTcpHeader(
    memory,
    at,
    8080,
    40_000,
    seqOf(0x1122_3344),
    seqOf(0x5566_7788),
    0x18,
    29_200,
    20,
  );
}

function dirtyMemory(): Memory {
  const memory = Memory.alloc(128);
  memory.bytes.fill(0xff);
  return memory;
}

describe('header writers', () => {
  it('write an IPv4 packet octet for octet as the slow builder does', () => {
    const memory = dirtyMemory();
    const src = parseAddress('192.168.0.2')!.w3;
    const dst = parseAddress('10.1.2.3')!.w3;
    expect(writeIpv4Header(memory, 8, 0xb8, 40, 0x1234, true, 63, 6, src, dst)).toBe(28);
    writeSegment(memory, 28);
    finishTcpChecksum(memory, 8, 20, 20, 20, 0);
    const packet = buildPacket({ trafficClass: 0xb8, ttl: 63 });
    expect(Array.from(memory.bytes.slice(8, 48))).toEqual(Array.from(packet));
    expect(memory.bytes[7]).toBe(0xff);
    expect(memory.bytes[48]).toBe(0xff);
  });

  it('write an IPv6 packet octet for octet as the slow builder does', () => {
    const memory = dirtyMemory();
    const src = parseAddress('fd00::2')!;
    const dst = parseAddress('2001:db8::9')!;
    expect(writeIpv6Header(memory, 8, 0xb8, 20, 6, 63, src, dst)).toBe(48);
    writeSegment(memory, 48);
    finishTcpChecksum(memory, 8, 40, 20, 20, 0);
    const packet = buildPacket({ family: 6, trafficClass: 0xb8, ttl: 63 });
    expect(Array.from(memory.bytes.slice(8, 68))).toEqual(Array.from(packet));
    expect(memory.bytes[68]).toBe(0xff);
  });

  it('clear Don’t Fragment when asked to', () => {
    const memory = dirtyMemory();
    writeIpv4Header(memory, 0, 0, 40, 7, false, 64, 6, 1, 2);
    expect(memory.view.getUint16(6)).toBe(0);
  });

  it('put the header length with options into the data offset', () => {
    const memory = dirtyMemory();
    writeTcpHeader(memory, 0, 1, 2, seqOf(0), seqOf(0), 0x02, 1, 60);
    expect(memory.view.getUint16(12)).toBe(0xf002);
  });
});
