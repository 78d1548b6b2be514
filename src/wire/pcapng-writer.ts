/*
 * pcapng, the capture file format of Wireshark and tcpdump: draft-ietf-opsawg-pcapng, whose sections are cited. Blocks, each a
 * multiple of four octets long, with their length in front and behind; here little-endian.
 */

/** §4.1 Section Header Block. */
const SECTION_HEADER = 0x0a0d_0d0a;
const BYTE_ORDER_MAGIC = 0x1a2b_3c4d;
/** §4.2 Interface Description Block. */
const INTERFACE_DESCRIPTION = 1;
/** §4.3 Enhanced Packet Block. */
const ENHANCED_PACKET = 6;
/**
 * Every packet gets an Ethernet header without addresses. LINKTYPE_RAW would do without, but libpcap up to 1.10 refuses a file
 * in which more than one interface is of that type.
 */
const LINKTYPE_ETHERNET = 1;
const ETHERNET_HEADER = 14;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
/** §4.1: shb_userappl. */
const OPTION_APPLICATION = 4;
/** §4.2: if_name. */
const OPTION_NAME = 2;
/** §3.5: opt_comment. */
const OPTION_COMMENT = 1;
/** Type and length in front of a block, length behind it. */
const FRAME = 12;
const INITIAL = 1 << 16;

const padded = (length: number): number => (length + 3) & ~3;

/** Text as UTF-8, cut to what an option can hold. */
function utf8(text: string): Uint8Array {
  const escaped = encodeURIComponent(text).match(/%..|./g) ?? [];
  const octets = escaped.map((c) =>
    c.length === 3 ? Number.parseInt(c.slice(1), 16) : c.charCodeAt(0),
  );
  return Uint8Array.from(octets.slice(0, 0xffff));
}

/** Octets of an option with its header; 0 for none. */
const optionLength = (value: Uint8Array | undefined): number =>
  value === undefined ? 0 : 4 + padded(value.length) + 4;

/**
 * Writes packets in the pcapng format, one section, any number of interfaces. What has been written since the last `take` is
 * kept in memory: the caller puts it into a file.
 */
export class PcapngWriter {
  #bytes: Uint8Array = new Uint8Array(INITIAL);
  #view: DataView = new DataView(this.#bytes.buffer);
  #at = 0;
  #interfaces = 0;

  /** `application` is named in the file as its author. */
  constructor(application: string) {
    const name = utf8(application);
    const length = this.#begin(SECTION_HEADER, 16 + optionLength(name));
    this.#put32(BYTE_ORDER_MAGIC);
    this.#put16(1);
    this.#put16(0);
    // The length of the section is not known beforehand: −1.
    this.#put32(0xffff_ffff);
    this.#put32(0xffff_ffff);
    this.#option(OPTION_APPLICATION, name);
    this.#put32(length);
  }

  /** Octets written and not taken yet. */
  get length(): number {
    return this.#at;
  }

  /** Describes an interface and returns its number. `snapLength`: octets kept of each packet at the most; 0: all. */
  addInterface(name: string, snapLength = 0): number {
    const value = utf8(name);
    const length = this.#begin(INTERFACE_DESCRIPTION, 8 + optionLength(value));
    this.#put16(LINKTYPE_ETHERNET);
    this.#put16(0);
    this.#put32(snapLength);
    this.#option(OPTION_NAME, value);
    this.#put32(length);
    return this.#interfaces++;
  }

  /**
   * Adds a packet, IP header first. `at`: microseconds since 1970, or since whatever the caller's clock counts from.
   * `wireLength`: octets it had before the capture cut it. Throws RangeError for an interface that was not added.
   */
  addPacket(
    interfaceId: number,
    at: number,
    octets: Uint8Array,
    wireLength: number = octets.length,
    comment?: string,
  ): void {
    if (interfaceId < 0 || interfaceId >= this.#interfaces) {
      throw new RangeError(
        `Cannot write a packet of interface ${interfaceId}: ${this.#interfaces} were added`,
      );
    }
    const text = comment === undefined ? undefined : utf8(comment);
    const body = 20 + padded(ETHERNET_HEADER + octets.length) + optionLength(text);
    const length = this.#begin(ENHANCED_PACKET, body);
    this.#put32(interfaceId);
    this.#put32(Math.floor(at / 0x1_0000_0000));
    this.#put32(Math.floor(at) % 0x1_0000_0000);
    this.#put32(ETHERNET_HEADER + octets.length);
    this.#put32(ETHERNET_HEADER + wireLength);
    this.#ethernetHeader(octets);
    this.#octets(octets, ETHERNET_HEADER);
    if (text !== undefined) this.#option(OPTION_COMMENT, text);
    this.#put32(length);
  }

  /** What has been written since the last call: the beginning of a file, or what continues it. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#at);
    this.#at = 0;
    return taken;
  }

  /** Makes room for a block, writes its type and length, and returns the length. */
  #begin(type: number, body: number): number {
    const length = FRAME + body;
    const needed = this.#at + length;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, this.#at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#put32(type);
    this.#put32(length);
    return length;
  }

  #option(code: number, value: Uint8Array): void {
    this.#put16(code);
    this.#put16(value.length);
    this.#octets(value);
    this.#put32(0); // opt_endofopt
  }

  #ethernetHeader(packet: Uint8Array): void {
    const isV6 = (packet[0] ?? 0) >> 4 === 6;
    this.#bytes.fill(0, this.#at, this.#at + 12);
    this.#view.setUint16(this.#at + 12, isV6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
    this.#at += ETHERNET_HEADER;
  }

  /** Octets, and zeros up to a multiple of four; `before` of them are written already. */
  #octets(octets: Uint8Array, before = 0): void {
    this.#bytes.set(octets, this.#at);
    const end = this.#at + padded(before + octets.length) - before;
    this.#bytes.fill(0, this.#at + octets.length, end);
    this.#at = end;
  }

  #put16(value: number): void {
    this.#view.setUint16(this.#at, value, true);
    this.#at += 2;
  }

  #put32(value: number): void {
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
  }
}
