import { Memory } from '../base/memory.ts';
import { MESSAGE_LENGTH } from '../control/response-message.ts';
import { HEADER_ROOM, type PacketSink } from '../ports/packet-sink.ts';
import { ACK, FIN, PSH, SYN, TCP } from '../wire/tcp.ts';
import { buildPacket, type OptionsRecord } from './packet.ts';

/** Payload octets of each answer. */
export const ANSWER = 300;
const IRS = 9000;
const TCP_AT = 20;
const TOTAL_LENGTH_AT = 2;
const SOURCE_AT = 12;
const TARGET_AT = 16;

/**
 * A target that keeps no connections: it accepts every SYN, answers what carries payload with `ANSWER` octets and a FIN with
 * its own, each from what the segment itself says. So it serves any number of copies, and weighs nothing in a measurement of them.
 */
export class PlainTarget implements PacketSink {
  readonly memory: Memory = Memory.alloc(HEADER_ROOM);
  /** Headers of answers that wait, as intercept hands them over. */
  readonly answers: Memory;
  /** How many of them there are. */
  waiting = 0;
  /** Segments with payload that have come. */
  requests = 0;

  readonly #accept: Uint8Array = header('SA', true);
  readonly #answer: Uint8Array = header('PA', false);

  /** `room`: answers that may wait. */
  constructor(room: number) {
    this.answers = Memory.alloc(room * MESSAGE_LENGTH);
  }

  begin(): number {
    return 0;
  }

  commit(_headerLength: number, _payload: Memory | null, _offset: number, length: number): void {
    const flags = this.memory.bytes[TCP_AT + TCP.flags] as number;
    if (length > 0) this.requests++;
    if ((flags & SYN) !== 0) this.#reply(this.#accept, SYN | ACK, IRS, 1, 0);
    else if ((flags & FIN) !== 0) this.#reply(this.#answer, FIN | ACK, undefined, length + 1, 0);
    else if (length > 0) this.#reply(this.#answer, PSH | ACK, undefined, length, ANSWER);
  }

  flush(): void {}

  /** A segment of `length` octets for whoever sent the one in hand, of which it acknowledges `taken`. */
  #reply(
    template: Uint8Array,
    flags: number,
    seq: number | undefined,
    taken: number,
    length: number,
  ): void {
    const { view } = this.memory;
    const at = this.waiting++ * MESSAGE_LENGTH;
    this.answers.bytes.fill(0, at, at + MESSAGE_LENGTH);
    this.answers.bytes.set(template, at);
    const out = this.answers.view;
    out.setUint16(at + TOTAL_LENGTH_AT, template.length + length);
    out.setInt32(at + SOURCE_AT, view.getInt32(TARGET_AT));
    out.setInt32(at + TARGET_AT, view.getInt32(SOURCE_AT));
    const tcp = at + TCP_AT;
    out.setUint16(tcp + TCP.sourcePort, view.getUint16(TCP_AT + TCP.destinationPort));
    out.setUint16(tcp + TCP.destinationPort, view.getUint16(TCP_AT + TCP.sourcePort));
    out.setInt32(tcp + TCP.seq, seq ?? view.getInt32(TCP_AT + TCP.ack));
    out.setInt32(tcp + TCP.ack, view.getInt32(TCP_AT + TCP.seq) + taken);
    this.answers.bytes[tcp + TCP.flags] = flags;
  }
}

/** A header with options as Linux sends them; what differs from copy to copy is written over. */
function header(flags: string, isFirst: boolean): Uint8Array {
  const stamps: OptionsRecord = { timestamps: [88_000, 77_000] };
  return buildPacket({
    from: { address: '10.9.0.1', port: 8080 },
    to: { address: '10.0.0.0', port: 0 },
    flags,
    seq: IRS,
    ack: 0,
    window: 60_000,
    urgentPointer: 0,
    ttl: 64,
    trafficClass: 0,
    ipId: 1,
    dontFragment: true,
    options: isFirst ? { mss: 1460, sackPermitted: true, ...stamps, windowScale: 7 } : stamps,
    payload: new Uint8Array(0),
  });
}
