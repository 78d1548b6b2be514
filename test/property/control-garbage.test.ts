import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Memory } from '../../src/base/memory.ts';
import { addTime, type Instant, micros } from '../../src/base/time.ts';
import { FrameDecoder } from '../../src/control/frame.ts';
import { BARE, COMBINED } from '../../src/control/response-form.ts';
import { TcpcopyEnd } from '../../src/control/tcpcopy-end.ts';
import { Interceptor } from '../../src/intercept/interceptor.ts';
import { ChecksumState } from '../../src/ports/packet-source.ts';
import { copyAndSum, foldChecksum, sum16 } from '../../src/wire/checksum.ts';
import { PacketView } from '../../src/wire/packet-view.ts';
import { TcpOptions } from '../../src/wire/tcp-options.ts';
import { drain, feed, InterceptSide } from './control-pair.ts';
import { buildPacket, memoryOf, timestampOption } from './wire-packets.ts';

const ROUNDS = 1_000_000;
/** A million rounds of 8 octets each would be 8 MB. */
const ALLOWED_GROWTH = 1_000_000;
const quiet = (): void => {};

/** Collections seen and octets the heap grew by, while `work` runs. */
async function garbageOf(work: () => void): Promise<{ collections: number; growth: number }> {
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length;
  });
  observer.observe({ entryTypes: ['gc'] });
  await sleep(20);
  collections = 0;
  const before = process.memoryUsage().heapUsed;
  work();
  const growth = process.memoryUsage().heapUsed - before;
  await sleep(20);
  observer.disconnect();
  return { collections, growth };
}

/** The test runner makes garbage of its own, so one clean run of several proves the point: what leaks per packet leaks in each. */
async function expectNoGarbage(work: () => void): Promise<void> {
  work();
  let seen = '';
  for (let attempt = 0; attempt < 5; attempt++) {
    const { collections, growth } = await garbageOf(work);
    if (collections === 0 && growth < ALLOWED_GROWTH) return;
    seen += ` ${collections} collections, ${growth} octets;`;
  }
  expect.fail(`garbage in every run:${seen}`);
}

const ADD = [10, 1, 2, 3, 0x9c, 0x40, 0, 1, 192, 168, 0, 2, 0x1f, 0x90];

class Capture {
  readonly memory: Memory = Memory.alloc(256);
  readonly offset = 8;
  readonly length: number;
  readonly wireLength = 1500;
  readonly checksum: ChecksumState = ChecksumState.unknown;
  readonly receivedAt = 0;

  constructor(packet: Uint8Array) {
    this.memory.bytes.set(packet, this.offset);
    this.length = packet.length;
  }
}

describe('a million packets make no garbage', () => {
  it('is a test that would notice', async () => {
    const kept: { n: number }[] = [{ n: 0 }];
    const { collections, growth } = await garbageOf(() => {
      for (let n = 0; n < ROUNDS; n++) kept[0] = { n };
    });
    expect(collections > 0 || growth >= ALLOWED_GROWTH).toBe(true);
  });

  it.each([
    ['in frames', COMBINED],
    ['without frames', BARE],
  ])('from the capture through the interceptor to tcpcopy, %s', async (_name, form) => {
    const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
    const core = new Interceptor(log, 1, { responseForm: form });
    const control = Memory.alloc(28);
    control.bytes.set([0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, ...ADD]);
    core.handleConnection(0 as Instant, 1, 'peer');
    core.handleControlData(0 as Instant, 1, control, 28);
    const packet = new Capture(
      buildPacket({ options: timestampOption(1, 2), declaredLength: 1500 }),
    );
    const decoder = new FrameDecoder({ form });
    let heard = 0;
    const handler = {
      handleResponse: (): void => {
        heard = (heard + 1) | 0;
      },
    };
    const sink = {
      sendFrames: (_connection: number, memory: Memory, _offset: number, length: number) => {
        decoder.push(memory, length, handler);
        return true;
      },
      closeConnection: quiet,
    };
    let now = 0 as Instant;
    const step = micros(10);
    await expectNoGarbage(() => {
      for (let n = 0; n < ROUNDS; n++) {
        now = addTime(now, step);
        core.handleResponse(now, packet);
        if ((n & 15) === 15) core.pollTransmit(now, sink);
      }
    });
    expect(heard).toBeGreaterThanOrEqual(2 * ROUNDS);
  });

  it.each([
    ['headers', 0],
    ['64 octets of payload', 64],
  ])('from one end to the other in extended frames: %s', async (_name, payload) => {
    let heard = 0;
    const nobody = {
      handleStage: quiet,
      handleCount: quiet,
      handleTaken: quiet,
      handlePong: quiet,
    };
    const handler = {
      ...nobody,
      handleResponse: (_memory: Memory, _offset: number, length: number): void => {
        heard = (heard + length) | 0;
      },
    };
    const near = new TcpcopyEnd({ key: null, nonce: new Uint8Array(32), payload }, handler);
    const far = new InterceptSide();
    feed(far.end, drain(near));
    feed(near, drain(far.end));
    feed(far.end, drain(near));
    feed(near, drain(far.end));
    const packet = buildPacket({
      options: timestampOption(1, 2),
      payload: Array.from({ length: 65 }, () => 1),
    });
    const view = new PacketView();
    view.parse(memoryOf(packet), 0, packet.length, packet.length);
    await expectNoGarbage(() => {
      for (let n = 0; n < ROUNDS; n++) {
        far.end.addResponse(view, packet.length, n);
        if ((n & 63) !== 63) continue;
        // Cut within a record, so that some are gathered.
        near.handleData(far.end.memory, far.end.length - 1);
        const { bytes } = far.end.memory;
        bytes[0] = bytes[far.end.length - 1] as number;
        near.handleData(far.end.memory, 1);
        far.end.clear();
      }
    });
    expect(near.failure).toBe(null);
    expect(heard).toBeGreaterThanOrEqual(2 * ROUNDS);
  });

  it('waiting for a route that is deleted and comes again', async () => {
    const core = new Interceptor({ debug: quiet, info: quiet, warn: quiet, error: quiet }, 1);
    const control = Memory.alloc(28);
    control.bytes.set([0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0]);
    core.handleConnection(0 as Instant, 1, 'peer');
    core.handleControlData(0 as Instant, 1, control, 14);
    control.bytes.set([...ADD, ...ADD.with(7, 2)]);
    const packet = new Capture(
      buildPacket({ flags: 0x12, options: timestampOption(1, 2), declaredLength: 1500 }),
    );
    const sink = { sendFrames: () => true, closeConnection: quiet };
    await expectNoGarbage(() => {
      for (let n = 0; n < ROUNDS; n += 2) {
        core.handleResponse(0 as Instant, packet);
        core.handleControlData(0 as Instant, 1, control, 28);
        core.pollTransmit(0 as Instant, sink);
      }
    });
    const { waiting, slowPeer, unrouted } = core.counters();
    expect([waiting, slowPeer, ...unrouted]).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });

  it('in checksums and options', async () => {
    const memory = Memory.alloc(4096);
    memory.bytes.fill(0x5a);
    memory.bytes.set(timestampOption(1, 2));
    const options = new TcpOptions();
    let all = 0;
    await expectNoGarbage(() => {
      for (let n = 0; n < ROUNDS; n++) {
        options.parse(memory, 0, 12);
        const sum =
          sum16(memory, 64 + (n & 1), 60) + copyAndSum(memory, 64, memory, 2048 + (n & 1), 60);
        all = (all + foldChecksum(sum) + options.tsval) | 0;
      }
    });
    expect(options.hasTimestamps).toBe(true);
    expect(all).not.toBe(0);
  });
});
