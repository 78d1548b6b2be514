import { type Duration } from '../base/time.ts';
import { ChecksumState } from '../ports/packet-source.ts';
import type { Verdict } from '../session/verdict.ts';
import { VERDICT_NAMES } from '../session/verdict.ts';
import { Harness, type HarnessOptions } from './harness.ts';
import {
  buildPacket,
  describePacket,
  type Endpoint,
  flagBits,
  type OptionsRecord,
  type Packet,
} from './packet.ts';

/** What a line of a dialogue says of a segment; the rest comes from a template. */
export interface Line extends OptionsRecord {
  readonly seq?: number;
  readonly ack?: number;
  /** Text, or a number of octets of the client's pattern (see `patternAt`). */
  readonly data?: string | number;
  readonly window?: number;
  readonly urgentPointer?: number;
  readonly ttl?: number;
  readonly trafficClass?: number;
  readonly from?: Endpoint;
  readonly to?: Endpoint;
  /** Octets of the packet to be spoiled after its checksums were computed. */
  readonly corrupt?: number;
  readonly checksum?: ChecksumState;
  /** Octets of the packet that the capture keeps. */
  readonly cutTo?: number;
}

/** Octet of a client's stream at a sequence number, where a test has not said anything else: no two places are alike. */
export const patternAt = (seq: number): number => (Math.imul(seq, 0x9e3779b1) >>> 24) & 255;

/** A payload of a client that begins at `seq`. */
export function payloadOf(data: string | number, seq: number): Uint8Array {
  if (typeof data === 'string') return Uint8Array.from(data, (c) => c.charCodeAt(0) & 255);
  const octets = new Uint8Array(data);
  for (let i = 0; i < data; i++) octets[i] = patternAt((seq + i) | 0);
  return octets;
}

const NO_LINE: Line = {};

/**
 * A test that reads as a dialogue: what the client was captured sending, what the target answers, what must be on the wire.
 *
 * ```
 * d.client('S', { seq: 1000, mss: 1460 });
 * d.expect('S', { seq: 1000, mss: 1460 });
 * d.target('SA', { seq: 9000, ack: 1001 });
 * d.expect('A', { seq: 1001, ack: 9001 });
 * d.advance(millis(20));
 * d.expectNothing();
 * ```
 */
export class Dialogue extends Harness {
  /** From the client, as captured. */
  client0: { from: Endpoint; to: Endpoint } = {
    from: { address: '10.1.2.3', port: 40_000 },
    to: { address: '10.8.0.1', port: 80 },
  };
  /** From the target. */
  target0: { from: Endpoint; to: Endpoint } = {
    from: { address: '10.9.0.1', port: 8080 },
    to: { address: '10.1.2.3', port: 40_000 },
  };
  readonly #sent: Packet[];

  constructor(options: HarnessOptions = {}) {
    const sent: Packet[] = [];
    super(options, (packet) => sent.push(packet));
    this.#sent = sent;
  }

  /** Captures a segment of the client and returns what became of it (−1: it could not be read). */
  client(flags: string, line: Line = NO_LINE): Verdict | -1 {
    const packet = packetOf(flags, line, this.client0);
    const octets = buildPacket(packet);
    if (line.corrupt !== undefined) octets[line.corrupt] = (octets[line.corrupt] as number) ^ 0x41;
    this.note('captured', packet);
    const before = this.replayer.ledger.verdicts.slice();
    const kept = octets.subarray(0, line.cutTo ?? octets.length);
    this.capture(kept, line.checksum, octets.length);
    const verdict = this.replayer.ledger.verdicts.findIndex((n, i) => n !== before[i]);
    this.note(`         ${verdict < 0 ? 'not readable' : (VERDICT_NAMES[verdict] as string)}`);
    return verdict as Verdict | -1;
  }

  /** Hands over the header of a segment of the target. `data` counts octets. */
  target(flags: string, line: Line = NO_LINE): void {
    const packet = packetOf(flags, { window: 65_535, ...line }, this.target0);
    this.note('answered', packet);
    this.respond(buildPacket(packet));
  }

  /** Takes the next packet that was sent, and compares it with `line`. What `line` does not name is not compared. */
  expect(flags: string, line: Line = NO_LINE): Packet {
    const packet = this.#sent.shift();
    if (packet === undefined)
      throw new Error(`expected ${flags}, nothing sent\n${this.transcript}`);
    const wrong = differences(packet, flags, line);
    this.require(wrong === '', `expected ${flags}: ${wrong}`);
    return packet;
  }

  expectNothing(): void {
    const [packet] = this.#sent;
    if (packet !== undefined) this.require(false, `not expected: ${describePacket(packet)}`);
  }

  /** Takes everything that was sent and not looked at. */
  takeSent(): Packet[] {
    return this.#sent.splice(0);
  }

  /** Nothing is sent for `duration`, nor before it. */
  silence(duration: Duration): void {
    this.expectNothing();
    this.advance(duration);
    this.expectNothing();
  }

  verdicts(verdict: Verdict): number {
    return this.replayer.ledger.verdict(verdict);
  }
}

function packetOf(flags: string, line: Line, ends: { from: Endpoint; to: Endpoint }): Packet {
  const { mss, windowScale, sack, sackPermitted, timestamps } = line;
  const options: OptionsRecord = {};
  if (mss !== undefined) options.mss = mss;
  if (windowScale !== undefined) options.windowScale = windowScale;
  if (sackPermitted !== undefined) options.sackPermitted = sackPermitted;
  if (timestamps !== undefined) options.timestamps = timestamps;
  if (sack !== undefined) options.sack = sack;
  const seq = line.seq ?? 0;
  return {
    from: line.from ?? ends.from,
    to: line.to ?? ends.to,
    flags,
    seq,
    ack: line.ack ?? 0,
    window: line.window ?? 29_200,
    urgentPointer: line.urgentPointer ?? 0,
    ttl: line.ttl ?? 57,
    trafficClass: line.trafficClass ?? 0,
    ipId: 7,
    dontFragment: true,
    options,
    payload: payloadOf(line.data ?? 0, seq),
  };
}

/** What is not as `line` wants it; empty when all is well. */
function differences(p: Packet, flags: string, line: Line): string {
  const wrong: string[] = [];
  const compare = (name: string, found: unknown, wanted: unknown): void => {
    if (wanted === undefined) return;
    const [f, w] = [JSON.stringify(found), JSON.stringify(wanted)];
    if (f !== w) wrong.push(`${name} is ${f}, not ${w}`);
  };
  if (flagBits(p.flags) !== flagBits(flags)) wrong.push(`flags are ${p.flags}`);
  compare('seq', p.seq, line.seq === undefined ? undefined : line.seq >>> 0);
  compare('ack', p.ack, line.ack === undefined ? undefined : line.ack >>> 0);
  compare('window', p.window, line.window);
  compare('urgent pointer', p.urgentPointer, line.urgentPointer);
  compare('TTL', p.ttl, line.ttl);
  compare('traffic class', p.trafficClass, line.trafficClass);
  compare('from', p.from, line.from);
  compare('to', p.to, line.to);
  compare('MSS', p.options.mss, line.mss);
  compare('window scale', p.options.windowScale, line.windowScale);
  compare('SACK permitted', p.options.sackPermitted, line.sackPermitted);
  compare('SACK blocks', p.options.sack, line.sack);
  compare('timestamps', p.options.timestamps, line.timestamps);
  if (line.data !== undefined) {
    const wanted = payloadOf(line.data, p.seq);
    compare('payload length', p.payload.length, wanted.length);
    const at = p.payload.findIndex((octet, i) => octet !== wanted[i]);
    if (at >= 0 && at < wanted.length) wrong.push(`payload differs from octet ${at} on`);
  }
  return wrong.join('; ');
}
