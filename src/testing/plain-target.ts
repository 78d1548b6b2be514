import { Memory } from '../base/memory.ts';
import { MESSAGE_LENGTH } from '../control/response-message.ts';
import { HEADER_ROOM, type PacketSink } from '../ports/packet-sink.ts';
import { ACK, FIN, PSH, SYN, TCP, TCP_HEADER_LENGTH } from '../wire/tcp.ts';
import { buildPacket, type OptionsRecord } from './packet.ts';

/** Payload octets of each answer. */
export const ANSWER = 300;
const IRS = 9000;
const TCP_AT = 20;
const TOTAL_LENGTH_AT = 2;
const SOURCE_AT = 12;
const TARGET_AT = 16;
/** Of the edges of the only SACK block, behind timestamps. */
const SACK_AT = TCP_AT + TCP_HEADER_LENGTH + 12 + 4;
const STAMPS: OptionsRecord = { timestamps: [88_000, 77_000] };

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

  /** Whether the first segment of a request in two is lost when it comes first. */
  #loses = false;
  /** Who has sent such a segment, and not yet again. */
  readonly #lost = new Set<number>();

  readonly #accept: Uint8Array = header('SA', {
    mss: 1460,
    sackPermitted: true,
    ...STAMPS,
    windowScale: 7,
  });
  readonly #answer: Uint8Array = header('PA', STAMPS);
  readonly #hole: Uint8Array = header('A', { ...STAMPS, sack: [[0, 0]] });

  /**
   * While it does, of every request that comes in two segments the first is lost once: the second is acknowledged selectively, and
   * the answer is given when the first has come again.
   */
  set loses(loses: boolean) {
    this.#loses = loses;
    this.#lost.clear();
  }

  /** `room`: answers that may wait. */
  constructor(room: number) {
    this.answers = Memory.alloc(room * MESSAGE_LENGTH);
  }

  begin(): number {
    return 0;
  }

  commit(_headerLength: number, _payload: Memory | null, _offset: number, length: number): void {
    const flags = this.memory.bytes[TCP_AT + TCP.flags] as number;
    if (this.#loses && length > 0) this.#handleHalf(length);
    else if ((flags & SYN) !== 0) this.#reply(this.#accept, SYN | ACK, IRS, 1, 0);
    else if ((flags & FIN) !== 0) this.#reply(this.#answer, FIN | ACK, undefined, length + 1, 0);
    else if (length > 0) this.#complete(length);
  }

  flush(): void {}

  #complete(taken: number): void {
    this.requests++;
    this.#reply(this.#answer, PSH | ACK, undefined, taken, ANSWER);
  }

  /** One of the two segments of a request: the first, the second while the first is missing, the first again. */
  #handleHalf(length: number): void {
    const from = this.memory.view.getInt32(SOURCE_AT);
    const isSecond = (this.memory.bytes[TCP_AT + TCP.flags] as number) & PSH;
    if (isSecond !== 0) {
      this.#reply(this.#hole, ACK, undefined, -length, 0);
      const seq = this.memory.view.getInt32(TCP_AT + TCP.seq);
      const block = (this.waiting - 1) * MESSAGE_LENGTH + SACK_AT;
      this.answers.view.setInt32(block, seq);
      this.answers.view.setInt32(block + 4, seq + length);
    } else if (this.#lost.delete(from)) this.#complete(2 * length);
    else this.#lost.add(from);
  }

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
function header(flags: string, options: OptionsRecord): Uint8Array {
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
    options,
    payload: new Uint8Array(0),
  });
}
