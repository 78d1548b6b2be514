import { describe, expect, it } from 'vitest';
import { Memory } from '../../src/base/memory.ts';
import { addTime, type Instant, millis } from '../../src/base/time.ts';
import { AddResult, FrameDecoder, FrameEncoder } from '../../src/control/frame.ts';
import { FrameError } from '../../src/control/frame-error.ts';
import { MESSAGE_LENGTH } from '../../src/control/response-message.ts';
import { accountedFor, unusableTotal } from '../../src/intercept/counters.ts';
import { Interceptor } from '../../src/intercept/interceptor.ts';
import { Cause, CAUSE_TEXT } from '../../src/intercept/unrouted.ts';
import { PacketError, PacketView } from '../../src/wire/packet-view.ts';
import { TcpOptions } from '../../src/wire/tcp-options.ts';
import { slowParse } from '../property/wire-oracle.ts';
import { HostilePacket, TEMPLATES } from './hostile-packet.ts';
import { check, fuzz, RUNS } from './seed.ts';

const isUsable = (error: PacketError): boolean =>
  error === PacketError.none || error === PacketError.cutByCapture;

/** What holds of every packet that was not refused. */
function checkView(view: PacketView, packet: HostilePacket): void {
  const headers = view.ipHeaderLength + view.tcpHeaderLength;
  check(headers <= packet.length, 'headers lie within what was captured');
  check(view.payloadOffset === packet.offset + headers, 'the payload follows the headers');
  check(view.payloadLength === view.packetLength - headers, 'lengths add up');
  check(view.payloadLength >= 0, 'no negative payload');
  check(view.packetLength <= packet.wireLength, 'no longer than on the wire');
  check(view.optionsLength >= 0 && view.optionsLength <= 40, 'at most 40 octets of options');
}

function checkOptions(options: TcpOptions): void {
  check(options.sackCount >= 0 && options.sackCount <= 4, 'at most 4 SACK blocks');
  check(options.windowScale >= -1 && options.windowScale <= 14, 'a shift that exists');
  check(options.mss >= 0 && options.mss <= 0xffff, 'an MSS of 16 bits');
}

/** Parses a packet, its options and its response message, and says which bucket it fell into. */
class Pipeline {
  readonly view: PacketView = new PacketView();
  readonly options: TcpOptions = new TcpOptions();
  readonly encoder: FrameEncoder = new FrameEncoder(8);
  readonly buckets: Float64Array = new Float64Array(Object.keys(PacketError).length);
  readonly #message = new PacketView();
  readonly #expected: number[] = [];
  readonly #copy = Memory.alloc(MESSAGE_LENGTH);

  feed(packet: HostilePacket): PacketError {
    const { memory, offset, length, wireLength } = packet;
    const error = this.view.parse(memory, offset, length, wireLength);
    this.buckets[error] = (this.buckets[error] as number) + 1;
    if (!isUsable(error)) return error;
    checkView(this.view, packet);
    this.options.parse(memory, this.view.optionsOffset, this.view.optionsLength);
    checkOptions(this.options);
    this.#encode();
    return error;
  }

  #encode(): void {
    let result = this.encoder.add(this.view);
    if (result === AddResult.full) {
      this.drain();
      result = this.encoder.add(this.view);
    }
    check((result === AddResult.notIpv4) === (this.view.family === 6), 'IPv6 alone is refused');
    if (result === AddResult.ok) this.#expected.push(this.view.payloadLength);
  }

  /** Decodes the frames again: every message must be a packet whose lengths agree. */
  drain(): void {
    let at = 0;
    let sum = 0;
    const decoder = new FrameDecoder();
    const handleResponse = (memory: Memory, offset: number): void => {
      this.#copy.bytes.set(memory.bytes.subarray(offset, offset + MESSAGE_LENGTH));
      const error = this.#message.parse(this.#copy, 0, MESSAGE_LENGTH, 0xffff);
      check(isUsable(error), 'a message is a packet that can be read');
      check(this.#message.ipHeaderLength === 20, 'a message has no IP options');
      check(this.#message.tcpHeaderLength <= 44, "a message's options fit");
      sum += this.#message.payloadLength;
      if (sum !== this.#expected[at]) return;
      at++;
      sum = 0;
    };
    const { memory, length } = this.encoder;
    check(decoder.push(memory, length, { handleResponse }) === FrameError.none, 'frames are good');
    check(!decoder.inFrame, 'frames are whole');
    check(at === this.#expected.length && sum === 0, 'payload sizes survive');
    this.#expected.length = 0;
    this.encoder.clear();
  }
}

describe('hostile packets', () => {
  it('every truncation of every template is judged as the slow parser does', () => {
    const packet = new HostilePacket();
    const pipeline = new Pipeline();
    for (const template of TEMPLATES) {
      for (let length = 0; length <= template.length; length++) {
        packet.load(template, length);
        const { error } = slowParse(packet.octets(), packet.wireLength);
        expect(pipeline.feed(packet)).toBe(error);
      }
    }
    pipeline.drain();
  });

  it('every template with every value of its flags, its header lengths and its fragment octet', () => {
    const packet = new HostilePacket();
    const pipeline = new Pipeline();
    for (const template of TEMPLATES) {
      const first = template[0] as number;
      const tcp = first >>> 4 === 4 ? (first & 15) * 4 : 40;
      // Of an IPv6 packet, 41 is the length of its first extension header.
      for (const at of [0, 6, Math.min(41, template.length - 1), tcp + 12, tcp + 13]) {
        for (let value = 0; value < 256; value++) {
          packet.load(template.with(at, value));
          const { error } = slowParse(packet.octets());
          expect(pipeline.feed(packet)).toBe(error);
        }
      }
    }
    pipeline.drain();
  });

  it('spoiled at random: nothing thrown, every one in one bucket', () => {
    const packet = new HostilePacket();
    const pipeline = new Pipeline();
    fuzz(RUNS, (random, n) => {
      packet.next(random);
      const error = pipeline.feed(packet);
      // The slow parser is too slow for all of them.
      if (n % 16 !== 0) return;
      check(error === slowParse(packet.octets(), packet.wireLength).error, 'the oracle agrees');
    });
    pipeline.drain();
    expect(pipeline.buckets.reduce((a, b) => a + b)).toBe(RUNS);
    // The fuzzer reaches every verdict, so none of them is tested by chance only.
    const ofTcp = Array.from(pipeline.buckets).filter((_, e) => e !== PacketError.badUdpLength);
    expect(ofTcp.every((n) => n > RUNS / 10_000)).toBe(true);
  });

  it('spoiled at random, through the interceptor: the counters make up the whole', () => {
    const quiet = (): void => {};
    const core = new Interceptor({ debug: quiet, info: quiet, warn: quiet, error: quiet }, 1);
    const control = Memory.alloc(28);
    control.bytes.set([0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0]);
    control.bytes.set([10, 1, 2, 3, 0x9c, 0x40, 0, 1, 192, 168, 0, 2, 0x1f, 0x90], 14);
    const decoder = new FrameDecoder();
    const sink = {
      sendFrames: (_connection: number, memory: Memory, _offset: number, length: number) => {
        check(decoder.push(memory, length, { handleResponse: quiet }) === 0, 'frames are good');
        return length % 7 !== 0;
      },
      closeConnection: quiet,
    };
    const packet = new HostilePacket();
    fuzz(RUNS, (random, n) => {
      const now = addTime(0 as Instant, millis(n));
      if (n % 50_000 === 0) {
        core.handleDisconnect(now, n - 50_000, 'closed');
        check(core.handleConnection(now, n, 'peer'), 'a good connection is taken');
        core.handleControlData(now, n, control, 28);
        check(core.routes.size === 1, 'a good registration is taken');
      }
      packet.next(random);
      core.handleResponse(now, packet);
      if (random.chance(0.05)) core.pollTransmit(now, sink);
      if (core.pollTimeout() <= now) core.handleTimeout(now);
      if (n % 1000 !== 0) return;
      const counters = core.counters();
      check(counters.received === n + 1, 'every packet is counted');
      check(accountedFor(counters) === n + 1, 'every packet is in one bucket');
    });
    core.pollTransmit(addTime(0 as Instant, millis(RUNS)), sink);
    const counters = core.counters();
    expect(accountedFor(counters)).toBe(RUNS);
    expect(decoder.inFrame).toBe(false);
    for (const bucket of ['forwarded', 'slowPeer'] as const) {
      expect(counters[bucket], bucket).toBeGreaterThan(0);
    }
    for (const cause of [Cause.neverRegistered, Cause.foreign]) {
      expect(counters.unrouted[cause], CAUSE_TEXT[cause]).toBeGreaterThan(0);
    }
    expect(unusableTotal(counters)).toBeGreaterThan(0);
  });
});
