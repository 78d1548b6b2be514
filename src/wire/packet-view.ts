import type { Memory } from '../base/memory.ts';
import { type Seq, seqOf } from '../base/seq.ts';
import { IpView } from './ip-view.ts';
import { PacketError } from './packet-error.ts';
import { ACK, FIN, IPPROTO_TCP, RST, SYN, TCP_HEADER_LENGTH } from './tcp.ts';

export { PACKET_ERROR_TEXT, PacketError } from './packet-error.ts';

/**
 * A TCP/IP packet read in place. One view is made and re-used: `parse` fills the fields, which stay valid as long as the memory
 * does.
 */
export class PacketView extends IpView {
  tcpOffset = 0;
  tcpHeaderLength = 0;
  seq: Seq = seqOf(0);
  ack: Seq = seqOf(0);
  flags = 0;
  window = 0;
  urgentPointer = 0;
  payloadOffset = 0;
  payloadLength = 0;

  get optionsOffset(): number {
    return this.tcpOffset + TCP_HEADER_LENGTH;
  }

  get optionsLength(): number {
    return this.tcpHeaderLength - TCP_HEADER_LENGTH;
  }

  /** SEG.LEN: payload, plus one each for SYN and FIN (RFC 9293 §3.4). */
  get segmentLength(): number {
    return this.payloadLength + ((this.flags & SYN) >>> 1) + (this.flags & FIN);
  }

  /** SYN, FIN, RST are absent and there is no payload. */
  get isPureAck(): boolean {
    return this.payloadLength === 0 && (this.flags & (SYN | FIN | RST)) === 0;
  }

  /**
   * Reads the packet at `memory[offset … offset+length)`. `wireLength` is what it had on the wire. On an error other than
   * `cutByCapture` the fields are undefined; with `cutByCapture` the headers are good and the payload is not all there.
   */
  parse(memory: Memory, offset: number, length: number, wireLength: number): PacketError {
    const error = this.parseIp(memory, offset, length, wireLength, IPPROTO_TCP);
    return error === PacketError.none ? this.#parseTcp(memory, length) : error;
  }

  #parseTcp(memory: Memory, length: number): PacketError {
    const { ipHeaderLength, packetLength } = this;
    if (packetLength < ipHeaderLength + TCP_HEADER_LENGTH) return PacketError.badTotalLength;
    if (length < ipHeaderLength + TCP_HEADER_LENGTH) return PacketError.truncated;
    const { bytes, view } = memory;
    const at = this.offset + ipHeaderLength;
    const tcpHeaderLength = ((bytes[at + 12] as number) >>> 4) << 2;
    const headers = ipHeaderLength + tcpHeaderLength;
    if (tcpHeaderLength < TCP_HEADER_LENGTH || headers > packetLength) {
      return PacketError.badDataOffset;
    }
    if (headers > length) return PacketError.truncated;
    const flags = bytes[at + 13] as number;
    if ((flags & (SYN | FIN | RST | ACK)) === 0) return PacketError.badFlags;
    if ((flags & SYN) !== 0 && (flags & (FIN | RST)) !== 0) return PacketError.badFlags;
    this.tcpOffset = at;
    this.tcpHeaderLength = tcpHeaderLength;
    this.sourcePort = view.getUint16(at);
    this.destinationPort = view.getUint16(at + 2);
    this.seq = seqOf(view.getInt32(at + 4));
    this.ack = seqOf(view.getInt32(at + 8));
    this.flags = flags;
    this.window = view.getUint16(at + 14);
    this.urgentPointer = view.getUint16(at + 18);
    this.payloadOffset = this.offset + headers;
    this.payloadLength = packetLength - headers;
    return packetLength > length ? PacketError.cutByCapture : PacketError.none;
  }
}
