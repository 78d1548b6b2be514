import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Memory } from '../base/memory.ts';
import { ChecksumState } from '../ports/packet-source.ts';
import {
  MessageKind,
  QueueMessage,
  Verdict,
  VERDICT_LENGTH,
  writeBind,
  writeCopyRange,
  writeFlags,
  writeMaxLength,
} from './queue-message.ts';
import { readQueueStatus } from './queue-socket.ts';
import { Verdicts } from './verdicts.ts';

const hex = (text: string): number[] =>
  text
    .replaceAll(/\s/g, '')
    .match(/../g)!
    .map((octet) => Number.parseInt(octet, 16));

/** Of 43 octets of a packet of 1500, as the kernel sends it: header, family and queue 3, then the attributes. */
const PACKET = hex(`
  90000000 0003 0000 00000000 00000000  02 00 0003
  0b00 0100 00000007 0800 01 00
  0800 0500 00000002
  1400 0400 000000006728a3c0 0000000000012345
  0800 0e00 00000001
  2f00 0a00 ${'45'.repeat(43)} 00
  0800 0d00 000005dc`);
PACKET[0] = PACKET.length;

/** nlmsgerr: EPERM for request 5. */
const ANSWER = hex(
  '24000000 0200 0000 05000000 12340000 ffffffff 1c000000 0203 0500 05000000 00000000',
);

function memoryOf(octets: readonly number[], offset = 0): Memory {
  const memory = Memory.alloc(offset + octets.length);
  memory.bytes.set(octets, offset);
  return memory;
}

const written = (write: (memory: Memory) => number): string => {
  const memory = Memory.alloc(64);
  return Buffer.from(memory.bytes.slice(0, write(memory))).toString('hex');
};

describe('QueueMessage', () => {
  it('reads a packet where it lies', () => {
    const message = new QueueMessage();
    const memory = memoryOf(PACKET, 8);
    expect(message.read(memory, 8, 8 + PACKET.length)).toBe(8 + PACKET.length);
    expect(message).toMatchObject({
      kind: MessageKind.packet,
      id: 7,
      hook: 1,
      inDevice: 2,
      length: 43,
      wireLength: 1500,
      checksum: ChecksumState.partial,
      receivedAt: 0x6728a3c0 * 1e6 + 0x12345,
    });
    expect(message.offset % 4).toBe(0);
    const octets = memory.bytes.slice(message.offset, message.offset + 43);
    expect(octets.every((octet) => octet === 0x45)).toBe(true);
  });

  it('takes a packet for whole that has no other length, and for verified where nothing else is said', () => {
    const message = new QueueMessage();
    const short = PACKET.slice(0, -8);
    short[0] = short.length;
    const at = short.findIndex((_, i) => short[i] === 0x0e && short[i - 2] === 8);
    short[at] = 0x7f;
    message.read(memoryOf(short), 0, short.length);
    expect([message.length, message.wireLength]).toEqual([43, 43]);
    expect(message.checksum).toBe(ChecksumState.valid);
  });

  it('reads answers, also of several messages in a row', () => {
    const message = new QueueMessage();
    const octets = [...ANSWER, ...PACKET];
    const memory = memoryOf(octets);
    expect(message.read(memory, 0, octets.length)).toBe(ANSWER.length);
    expect(message).toMatchObject({ kind: MessageKind.answer, sequence: 5, errno: 1 });
    expect(message.read(memory, ANSWER.length, octets.length)).toBe(octets.length);
    expect(message.kind).toBe(MessageKind.packet);
  });

  it('knows a packet without a number as none, and one without octets as empty', () => {
    const message = new QueueMessage();
    const bare = PACKET.slice(0, 20);
    bare[0] = 20;
    message.read(memoryOf(bare), 0, 20);
    expect(message.kind).toBe(MessageKind.other);
    const numbered = PACKET.slice(0, 32);
    numbered[0] = 32;
    message.read(memoryOf(numbered), 0, 32);
    expect([message.kind, message.id, message.length]).toEqual([MessageKind.packet, 7, 0]);
  });

  it('stays within what has come, whatever that is', () => {
    const message = new QueueMessage();
    const spoiled = fc
      .tuple(
        fc.constantFrom(PACKET, ANSWER, [...ANSWER, ...PACKET]),
        fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 8 }),
        fc.nat(200),
      )
      .map(([octets, changes, cut]) => {
        const copy = [...octets];
        for (const [at, value] of changes) copy[at % copy.length] = value;
        return copy.slice(0, cut + 1);
      });
    fc.assert(
      fc.property(fc.oneof(spoiled, fc.uint8Array({ maxLength: 120 })), (octets) => {
        const end = octets.length;
        const memory = memoryOf([...octets]);
        let messages = 0;
        for (let at = 0; at < end; messages++) {
          const next = message.read(memory, at, end);
          expect(next).toBeGreaterThan(at);
          expect(next).toBeLessThanOrEqual(end);
          if (message.kind === MessageKind.packet) {
            expect(message.offset + message.length).toBeLessThanOrEqual(end);
            expect(message.wireLength).toBeGreaterThanOrEqual(message.length);
          }
          at = next;
        }
        expect(messages).toBeLessThanOrEqual(1 + end / 16);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('configurations', () => {
  it('are what the kernel expects', () => {
    expect(written((memory) => writeBind(memory, 3, 1))).toBe(
      '1c0000000203050001000000000000000000000308000100' + '01000000',
    );
    expect(written((memory) => writeCopyRange(memory, 3, 2, 160))).toBe(
      '200000000203050002000000000000000000000309000200' + '000000a002000000',
    );
    expect(written((memory) => writeMaxLength(memory, 0x1234, 3, 8192))).toBe(
      '1c0000000203050003000000000000000000123408000300' + '00002000',
    );
    expect(written((memory) => writeFlags(memory, 0, 4))).toBe(
      '240000000203050004000000000000000000000008000500' + '000000040800040000000004',
    );
  });
});

describe('Verdicts', () => {
  /** As numbers: up to which packet, and what. */
  const sent = (verdicts: Verdicts): [number, number][] => {
    const { view } = verdicts.memory;
    const list: [number, number][] = [];
    for (let at = 0; at < verdicts.length; at += VERDICT_LENGTH) {
      list.push([view.getUint32(at + 28), view.getUint32(at + 24)]);
    }
    return list;
  };

  it('are one message for packets in a row that have the same', () => {
    const verdicts = new Verdicts(3, 8);
    for (const id of [1, 2, 3]) verdicts.note(id, Verdict.drop);
    verdicts.note(4, Verdict.accept);
    verdicts.note(5, Verdict.drop);
    expect(sent(verdicts)).toEqual([
      [3, Verdict.drop],
      [4, Verdict.accept],
      [5, Verdict.drop],
    ]);
    expect(Buffer.from(verdicts.memory.bytes.slice(0, 32)).toString('hex')).toBe(
      '20000000030301000000000000000000000000030c0002000000000000000003',
    );
    verdicts.clear();
    expect(verdicts.length).toBe(0);
    verdicts.note(6, Verdict.drop);
    expect(sent(verdicts)).toEqual([[6, Verdict.drop]]);
  });

  it('give every packet its own, when the kernel applies them in turn', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 64 }), (wanted) => {
        const verdicts = new Verdicts(0, 64);
        for (const [i, yes] of wanted.entries()) {
          verdicts.note(i + 1, yes ? Verdict.accept : Verdict.drop);
        }
        const applied: boolean[] = [];
        for (const [id, verdict] of sent(verdicts)) {
          while (applied.length < id) applied.push(verdict === Verdict.accept);
        }
        expect(applied).toEqual(wanted);
      }),
    );
  });
});

describe('readQueueStatus', () => {
  const TEXT =
    '    3   1234     0 2   160     5     7      100  1\n    0    -99    12 2   160     0     0  12  1\n';

  it('finds the owner of a queue and what was lost', () => {
    expect(readQueueStatus(TEXT, 3)).toEqual({ owner: 1234, dropped: 12 });
    expect(readQueueStatus(TEXT, 0)).toEqual({ owner: -99, dropped: 0 });
    expect(readQueueStatus(TEXT, 1)).toBeUndefined();
    expect(readQueueStatus('', 0)).toBeUndefined();
    expect(readQueueStatus('0 what is this', 0)).toBeUndefined();
  });
});
