import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildPacket, memoryOf } from '../../test/property/wire-packets.ts';
import type { Memory } from '../base/memory.ts';
import { PacketView } from '../wire/packet-view.ts';
import { AddResult, FrameDecoder, FrameEncoder, Mark, type ResponseHandler } from './frame.ts';
import { FRAME_ERROR_TEXT, FrameError } from './frame-error.ts';
import { OutBuffer } from './out-buffer.ts';
import {
  BARE,
  COMBINED,
  COMBINED_WITH_PAYLOAD,
  MAX_FRAME_LENGTH,
  type ResponseForm,
} from './response-form.ts';
import { MESSAGE_LENGTH } from './response-message.ts';

class Recorder implements ResponseHandler {
  readonly messages: Uint8Array[] = [];

  handleResponse(memory: Memory, offset: number): void {
    this.messages.push(memory.bytes.slice(offset, offset + MESSAGE_LENGTH));
  }
}

/** A message that can be told from others. */
function message(n: number): Uint8Array {
  const octets = Uint8Array.from({ length: MESSAGE_LENGTH }, (_, i) => (n * 7 + i) & 255);
  octets[0] = 0x45;
  return octets;
}

const frame = (...messages: Uint8Array[]): number[] => [
  0,
  messages.length,
  ...messages.flatMap((m) => Array.from(m)),
];

function decode(
  pieces: readonly ArrayLike<number>[],
  form: ResponseForm = COMBINED,
): { decoder: FrameDecoder; messages: Uint8Array[] } {
  const decoder = new FrameDecoder({ form });
  const recorder = new Recorder();
  for (const piece of pieces) {
    const memory = memoryOf(piece);
    decoder.push(memory, piece.length, recorder);
    memory.bytes.fill(0xee);
  }
  return { decoder, messages: recorder.messages };
}

const viewOf = (packet: Uint8Array): PacketView => {
  const view = new PacketView();
  view.parse(memoryOf(packet), 0, packet.length, packet.length);
  return view;
};

describe('FrameDecoder', () => {
  it('row 37: reads every split of two frames into two pieces alike', () => {
    const messages = [message(1), message(2), message(3)];
    const octets = [...frame(messages[0]!, messages[1]!), ...frame(messages[2]!)];
    for (let cut = 0; cut <= octets.length; cut++) {
      const got = decode([octets.slice(0, cut), octets.slice(cut)]);
      expect(got.messages).toEqual(messages);
      expect(got.decoder.inFrame).toBe(false);
    }
  });

  it('reads octet by octet', () => {
    const octets = [...frame(message(1), message(2)), ...frame(message(3))];
    const got = decode(octets.map((octet) => [octet]));
    expect(got.messages).toEqual([message(1), message(2), message(3)]);
  });

  it('knows that a frame is not complete', () => {
    const octets = frame(message(1));
    for (let cut = 1; cut < octets.length; cut++) {
      expect(decode([octets.slice(0, cut)]).decoder.inFrame).toBe(true);
    }
  });

  it('row 38: passes over a count of 0', () => {
    const got = decode([[0, 0, 0, 0, ...frame(message(1)), 0, 0]]);
    expect(got.messages).toEqual([message(1)]);
    expect(got.decoder).toMatchObject({ frames: 4, messages: 1, error: FrameError.none });
  });

  it('row 39: takes a frame of 16 and refuses one of 17, with all that follows', () => {
    const sixteen = Array.from({ length: 16 }, (_, i) => message(i));
    const got = decode([frame(...sixteen), [0, 17, ...message(1)], frame(message(2))]);
    expect(got.messages).toEqual(sixteen);
    expect(got.decoder.error).toBe(FrameError.badCount);
  });

  it('row 45: names an intercept that was built with --disable-combined', () => {
    const got = decode([message(1).with(1, 0)]);
    expect(got.messages).toEqual([]);
    expect(got.decoder.error).toBe(FrameError.uncombined);
    expect(FRAME_ERROR_TEXT[got.decoder.error]).toContain('--disable-combined');
  });

  it('takes the marks of the extended protocol for counts, where it was not told of them', () => {
    expect(decode([[0x54, 0x43]]).decoder.error).toBe(FrameError.badCount);
    expect(decode([[0x54, 0x45]]).decoder.error).toBe(FrameError.badCount);
  });

  it('does not blame the build when frames came before', () => {
    const got = decode([frame(message(1)), message(2).with(1, 0)]);
    expect(got.decoder.error).toBe(FrameError.badCount);
  });

  it('refuses a message that is no IPv4 header, as of a payload build', () => {
    const got = decode([frame(message(1), message(2).with(0, 0x60), message(3))]);
    expect(got.messages).toEqual([message(1)]);
    expect(got.decoder.error).toBe(FrameError.notIpv4);
    expect(FRAME_ERROR_TEXT[got.decoder.error]).toContain('--with-resp-payload');
  });
});

describe('FrameDecoder in payload mode', () => {
  const long = (n: number): number[] => [...message(n), ...new Uint8Array(128).fill(n)];

  it('reads 6 messages of 192 octets, however they are split', () => {
    const octets = [0, 6, ...[1, 2, 3, 4, 5, 6].flatMap(long), 0, 1, ...long(7)];
    for (let cut = 0; cut <= octets.length; cut += 7) {
      const decoder = new FrameDecoder({ form: COMBINED_WITH_PAYLOAD });
      const heard: number[] = [];
      const handler = {
        handleResponse: (memory: Memory, offset: number): void => {
          heard.push(memory.bytes[offset + 191]!);
        },
      };
      for (const piece of [octets.slice(0, cut), octets.slice(cut)]) {
        decoder.push(memoryOf(piece), piece.length, handler);
      }
      expect(heard).toEqual([1, 2, 3, 4, 5, 6, 7]);
    }
  });

  it.each([
    ['a count of 7', [0, 7]],
    ['a second message of 64 octets', [0, 2, ...message(1), ...new Uint8Array(128), ...long(0)]],
  ])('names an intercept built without it: %s', (_name, octets) => {
    const decoder = new FrameDecoder({ form: COMBINED_WITH_PAYLOAD });
    const spoiled = Uint8Array.from(octets);
    if (spoiled.length > 2) spoiled[2 + 192] = 0;
    decoder.push(memoryOf(spoiled), spoiled.length, new Recorder());
    expect(decoder.error).toBe(FrameError.noPayload);
    expect(FRAME_ERROR_TEXT[decoder.error]).toContain('--with-resp-payload');
  });

  it('refuses a count of 17 as no build would send it', () => {
    const decoder = new FrameDecoder({ form: COMBINED_WITH_PAYLOAD });
    expect(decoder.push(memoryOf([0, 17]), 2, new Recorder())).toBe(FrameError.badCount);
  });
});

describe('FrameDecoder without frames', () => {
  const messages = [message(1), message(2), message(3)];
  const octets = messages.flatMap((m) => Array.from(m));

  it('reads every split into three pieces alike, and knows at which a message is not complete', () => {
    for (let from = 0; from <= octets.length; from++) {
      expect(decode([octets.slice(0, from)], BARE).decoder.inFrame).toBe(from % 64 !== 0);
      for (let to = from; to <= octets.length; to += 5) {
        const got = decode([octets.slice(0, from), octets.slice(from, to), octets.slice(to)], BARE);
        expect(got.messages).toEqual(messages);
        expect(got.decoder).toMatchObject({ inFrame: false, error: FrameError.none, messages: 3 });
      }
    }
  });

  it('reads octet by octet, and a header with IP options', () => {
    const longer = [...octets, ...message(4).with(0, 0x46)];
    const got = decode(
      longer.map((octet) => [octet]),
      BARE,
    );
    expect(got.messages).toEqual([...messages, message(4).with(0, 0x46)]);
    expect(got.decoder.inFrame).toBe(false);
  });

  it.each([
    ['hello', Mark.hello],
    ['change to extended frames', Mark.extended],
  ])('stops behind the mark of a %s, first or later, however it is cut', (_name, mark) => {
    for (const before of [0, 1, 2]) {
      const said = [...octets.slice(0, 64 * before), mark >>> 8, mark & 255, 9, 9];
      for (let cut = 0; cut < said.length - 2; cut++) {
        const decoder = new FrameDecoder({ form: BARE, marks: true });
        const recorder = new Recorder();
        decoder.push(memoryOf(said.slice(0, cut)), cut, recorder);
        expect(decoder.mark).toBe(Mark.none);
        decoder.push(memoryOf(said), said.length, recorder, cut);
        expect(decoder).toMatchObject({ mark, consumed: said.length - 2, inFrame: false });
        expect(recorder.messages).toEqual(messages.slice(0, before));
      }
    }
    expect(decode([[mark >>> 8, mark & 255]], BARE).decoder.error).toBe(FrameError.noHeader);
  });

  it.each([
    ['a frame of one', [0, 1, ...octets]],
    ['a frame of sixteen', [0, 16, ...octets]],
    ['a frame of none', [0, 0]],
  ])('row 45, the other way round: names an intercept that sends frames: %s', (_name, said) => {
    for (const pieces of [[said], said.map((octet) => [octet])]) {
      const got = decode(pieces, BARE);
      expect(got.messages).toEqual([]);
      expect(got.decoder.error).toBe(FrameError.combined);
      expect(FRAME_ERROR_TEXT[got.decoder.error]).toMatch(/without --disable-combined; .* leave/);
    }
  });

  it.each([
    ['a count of 17', [0, 17]],
    ['a count behind a message', [...message(1), 0, 1, ...message(2)]],
    ['an IPv6 header', [...message(1), 0x60, 0]],
    ['a message that has lost its first octet', [...message(1), ...message(2).slice(1)]],
  ])('refuses what is no header, and does not blame the build: %s', (_name, said) => {
    const got = decode([said, message(3)], BARE);
    expect(got.messages).toEqual(said.length > 64 ? [message(1)] : []);
    expect(got.decoder.error).toBe(FrameError.noHeader);
  });
});

describe('FrameEncoder without frames', () => {
  it('puts one message behind the other, in no more room than frames have', () => {
    const encoder = new FrameEncoder(2, { form: BARE });
    for (let seq = 0; seq < 31; seq++) {
      expect(encoder.add(viewOf(buildPacket({ seq, payload: [1, 2] })))).toBe(AddResult.ok);
      expect(encoder.length).toBe(64 * (seq + 1));
    }
    expect(encoder.addMessage(memoryOf(message(1)), 0)).toBe(AddResult.ok);
    expect(encoder.add(viewOf(buildPacket()))).toBe(AddResult.full);
    expect([encoder.length, encoder.packets]).toEqual([2048, 32]);
    const packet = buildPacket({ seq: 9, payload: [1, 2] });
    expect(Array.from(encoder.memory.bytes.slice(9 * 64, 10 * 64))).toEqual([
      ...packet.slice(0, 40),
      ...new Uint8Array(24),
    ]);
    encoder.clear();
    expect([encoder.length, encoder.packets]).toEqual([0, 0]);
    expect(encoder.add(viewOf(buildPacket()))).toBe(AddResult.ok);
    expect(encoder.length).toBe(64);
  });

  it('adds the parts of an oversized response all or not at all', () => {
    const huge = new PacketView();
    const packet = buildPacket({ declaredLength: 0 });
    huge.parse(memoryOf(packet), 0, packet.length, 40 + 17 * 65_471);
    expect(new FrameEncoder(1, { form: BARE }).add(huge)).toBe(AddResult.full);
    const roomy = new FrameEncoder(2, { form: BARE });
    expect(roomy.add(huge)).toBe(AddResult.ok);
    expect([roomy.length, roomy.packets]).toEqual([17 * 64, 1]);
  });
});

describe('FrameEncoder in payload mode', () => {
  /** Payload of the only message, as a receiver finds it; the rest of the message must be zeros. */
  function sent(packet: Uint8Array, captured: number): number[] {
    const encoder = new FrameEncoder(4, { form: COMBINED_WITH_PAYLOAD });
    encoder.add(viewOf(packet), packet.length);
    encoder.clear();
    encoder.memory.bytes.fill(0xee);
    encoder.add(viewOf(packet), captured);
    expect(encoder.length).toBe(2 + 192);
    const data = encoder.memory.bytes.slice(2, 194);
    const at = 20 + (data[32]! >>> 4) * 4;
    const found = data.slice(at, at + Math.min(viewOf(packet).payloadLength, 128));
    expect(Math.max(0, ...data.slice(at + found.length))).toBe(0);
    return Array.from(found);
  }

  it.each([0, 1, 127, 128])('puts %i octets of payload behind the options', (n) => {
    const payload = Array.from({ length: n }, (_, i) => i + 1);
    const options = Array.from({ length: 12 }, () => 1);
    const ipOptions = Array.from({ length: 8 }, () => 1);
    for (const spec of [{ payload }, { payload, options }, { payload, options, ipOptions }]) {
      const packet = buildPacket(spec);
      expect(sent(packet, packet.length)).toEqual(payload);
    }
  });

  it('row 41: leaves out what is longer, or was not captured', () => {
    const packet = buildPacket({ payload: Array.from({ length: 129 }, () => 7) });
    expect(new Set(sent(packet, packet.length))).toEqual(new Set([0]));
    const short = buildPacket({ payload: [7, 7, 7] });
    expect(sent(short, short.length - 1)).toEqual([0, 0, 0]);
  });

  it('begins another frame after 6 messages', () => {
    const encoder = new FrameEncoder(2, { form: COMBINED_WITH_PAYLOAD });
    for (let i = 0; i < 12; i++) expect(encoder.add(viewOf(buildPacket()))).toBe(AddResult.ok);
    expect(encoder.add(viewOf(buildPacket()))).toBe(AddResult.full);
    expect(encoder.addMessage(memoryOf(message(1)), 0)).toBe(AddResult.full);
    expect([0, 1154].map((at) => encoder.memory.view.getUint16(at))).toEqual([6, 6]);
    expect(encoder.length).toBe(2 * 1154);
    encoder.clear();
    encoder.memory.bytes.fill(0xee);
    encoder.addMessage(memoryOf(message(1)), 0);
    expect(Array.from(encoder.memory.bytes.slice(2, 194))).toEqual([
      ...message(1),
      ...new Uint8Array(128),
    ]);
  });
});

describe('FrameEncoder', () => {
  it('makes a lone response a frame of one', () => {
    const encoder = new FrameEncoder(4);
    const packet = buildPacket({ payload: [1, 2, 3] });
    expect(encoder.add(viewOf(packet))).toBe(AddResult.ok);
    expect(encoder.length).toBe(66);
    expect(Array.from(encoder.memory.bytes.slice(0, 66))).toEqual([
      ...[0, 1].concat(Array.from(packet.slice(0, 40))),
      ...new Uint8Array(24),
    ]);
  });

  it('makes 40 responses frames of 16, 16 and 8 that follow each other, order kept', () => {
    const encoder = new FrameEncoder(64);
    for (let seq = 0; seq < 40; seq++) encoder.add(viewOf(buildPacket({ seq })));
    expect(encoder.packets).toBe(40);
    expect(encoder.length).toBe(2 * MAX_FRAME_LENGTH + 2 + 8 * MESSAGE_LENGTH);
    const { view } = encoder.memory;
    expect([0, 1026, 2052].map((at) => view.getUint16(at))).toEqual([16, 16, 8]);
    const got = decode([encoder.memory.bytes.slice(0, encoder.length)]);
    expect(got.messages.map((m) => m[27])).toEqual(Array.from({ length: 40 }, (_, i) => i));
  });

  it('keeps everything as its memory grows', () => {
    const encoder = new FrameEncoder(64);
    for (let seq = 0; seq < 1000; seq++) encoder.add(viewOf(buildPacket({ seq })));
    const got = decode([encoder.memory.bytes.slice(0, encoder.length)]);
    const seqs = got.messages.map((m) => new DataView(m.buffer).getUint32(24));
    expect(seqs).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  });

  it('refuses what exceeds its frames, keeps what it has and has room again when cleared', () => {
    const encoder = new FrameEncoder(2);
    const view = viewOf(buildPacket());
    for (let i = 0; i < 32; i++) expect(encoder.add(view)).toBe(AddResult.ok);
    expect(encoder.add(view)).toBe(AddResult.full);
    expect(encoder.length).toBe(2 * MAX_FRAME_LENGTH);
    expect(encoder.packets).toBe(32);
    encoder.clear();
    expect(encoder.length).toBe(0);
    expect(encoder.add(view)).toBe(AddResult.ok);
    expect(encoder.memory.view.getUint16(0)).toBe(1);
  });

  it('begins another frame behind octets that are not its own', () => {
    const out = new OutBuffer(4096, 64);
    const encoder = new FrameEncoder(2, { out });
    encoder.add(viewOf(buildPacket()));
    out.reserve(2);
    out.memory.view.setUint16(out.take(2), 0);
    encoder.add(viewOf(buildPacket()));
    const { view } = out.memory;
    expect([0, 66, 68].map((at) => view.getUint16(at))).toEqual([1, 0, 1]);
    expect(out.length).toBe(2 * 66 + 2);
  });

  it('refuses IPv6, which version 6 cannot carry', () => {
    const encoder = new FrameEncoder(2);
    expect(encoder.add(viewOf(buildPacket({ family: 6 })))).toBe(AddResult.notIpv4);
    expect(encoder.length).toBe(0);
  });

  it('adds the parts of an oversized response all or not at all', () => {
    const huge = new PacketView();
    const packet = buildPacket({ declaredLength: 0 });
    huge.parse(memoryOf(packet), 0, packet.length, 40 + 17 * 65_471);
    const encoder = new FrameEncoder(1);
    expect(encoder.add(huge)).toBe(AddResult.full);
    expect(encoder.length).toBe(0);
    const roomy = new FrameEncoder(2);
    expect(roomy.add(huge)).toBe(AddResult.ok);
    expect(roomy.packets).toBe(1);
    expect(decode([roomy.memory.bytes.slice(0, roomy.length)]).messages).toHaveLength(17);
  });

  it.each([
    ['headers in frames', COMBINED],
    ['headers and payload in frames', COMBINED_WITH_PAYLOAD],
    ['headers without frames', BARE],
  ])('encode, split anywhere, decode: the same messages, %s', (_name, form) => {
    const seqs = fc.array(fc.nat(), { minLength: 1, maxLength: 80 });
    const cuts = fc.array(fc.nat(), { maxLength: 12 });
    fc.assert(
      fc.property(seqs, cuts, fc.boolean(), (numbers, at, prepared) => {
        const encoder = new FrameEncoder(16, { form });
        for (const seq of numbers) {
          const packet = buildPacket({ seq });
          if (prepared) encoder.addMessage(memoryOf(packet), 0);
          else encoder.add(viewOf(packet));
        }
        const octets = encoder.memory.bytes.slice(0, encoder.length);
        const ends = [...at.map((n) => n % octets.length), octets.length].sort((a, b) => a - b);
        const pieces = ends.map((end, i) => octets.slice(ends[i - 1] ?? 0, end));
        const got = decode(pieces, form);
        const seqOfMessage = (m: Uint8Array): number => new DataView(m.buffer).getUint32(24);
        expect(got.messages.map(seqOfMessage)).toEqual(numbers);
        expect(got.decoder.error).toBe(FrameError.none);
        expect(got.decoder.inFrame).toBe(false);
      }),
      { numRuns: 200 },
    );
  });
});
