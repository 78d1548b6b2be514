/*
 * Capture files and frames written the slow way, in every form that is read: what a test wants is what the formats' documents
 * draw, with none of the code under test.
 */

export interface WrittenPacket {
  /** Whole microseconds since 1970. */
  readonly time: number;
  /** From the link layer's first octet on. */
  readonly octets: readonly number[];
  /** On the wire; as many as there are octets when absent. */
  readonly wireLength?: number;
  /** pcapng: number of the interface; 0 when absent. */
  readonly on?: number;
}

export interface Order {
  readonly little: boolean;
}

/** The octets of a number in either order. */
function word(value: number | bigint, size: 2 | 4 | 8, { little }: Order): number[] {
  const octets = Array.from({ length: size }, (_, i) =>
    Number((BigInt(value) >> BigInt(8 * i)) & 255n),
  );
  return little ? octets : octets.reverse();
}

export interface PcapForm extends Order {
  readonly linkType: number;
  readonly nanoseconds?: boolean;
}

/** A pcap file: draft-ietf-opsawg-pcap §4 and §5. */
export function pcapFile(packets: readonly WrittenPacket[], form: PcapForm): Uint8Array {
  const w4 = (n: number): number[] => word(n, 4, form);
  const w2 = (n: number): number[] => word(n, 2, form);
  const unit = form.nanoseconds === true ? 1000 : 1;
  const octets = [
    ...w4(form.nanoseconds === true ? 0xa1b23c4d : 0xa1b2c3d4),
    ...w2(2),
    ...w2(4),
    ...w4(0),
    ...w4(0),
    ...w4(262_144),
    ...w4(form.linkType),
  ];
  for (const { time, octets: data, wireLength = data.length } of packets) {
    octets.push(...w4(Math.floor(time / 1e6)), ...w4((time % 1e6) * unit));
    octets.push(...w4(data.length), ...w4(wireLength), ...data);
  }
  return Uint8Array.from(octets);
}

/** A block of a pcapng file: draft-ietf-opsawg-pcapng §3.1. */
export function block(type: number, body: readonly number[], order: Order): number[] {
  const padded = [...body, ...new Array<number>((4 - (body.length % 4)) % 4).fill(0)];
  const length = word(padded.length + 12, 4, order);
  return [...word(type, 4, order), ...length, ...padded, ...length];
}

/** §4.1. */
export const sectionHeader = (order: Order, major = 1): number[] =>
  block(
    0x0a0d0d0a,
    [
      ...word(0x1a2b3c4d, 4, order),
      ...word(major, 2, order),
      ...word(0, 2, order),
      ...word(-1n, 8, order),
    ],
    order,
  );

export interface WrittenInterface {
  readonly linkType: number;
  readonly snapLength?: number;
  /** if_tsresol. */
  readonly resolution?: number;
  /** if_tsoffset, in seconds. */
  readonly offset?: number;
}

/** §4.2. */
export function interfaceBlock(form: WrittenInterface, order: Order): number[] {
  const { linkType, snapLength = 0, resolution, offset } = form;
  const option = (code: number, value: readonly number[]): number[] => [
    ...word(code, 2, order),
    ...word(value.length, 2, order),
    ...value,
    ...new Array<number>((4 - (value.length % 4)) % 4).fill(0),
  ];
  return block(
    1,
    [
      ...word(linkType, 2, order),
      ...word(0, 2, order),
      ...word(snapLength, 4, order),
      ...option(2, [0x65, 0x74, 0x68]),
      ...(resolution === undefined ? [] : option(9, [resolution])),
      ...(offset === undefined ? [] : option(14, word(offset, 8, order))),
      0,
      0,
      0,
      0,
    ],
    order,
  );
}

/** §4.3, or of the obsolete kind; `ticks`: the time in the interface's unit. */
export function packetBlock(
  packet: WrittenPacket,
  ticks: bigint,
  order: Order,
  isOld = false,
): number[] {
  const { octets, on = 0, wireLength = octets.length } = packet;
  const id = isOld ? [...word(on, 2, order), ...word(0, 2, order)] : word(on, 4, order);
  const w4 = (n: number | bigint): number[] => word(n, 4, order);
  const times = [...w4(ticks >> 32n), ...w4(ticks & 0xffff_ffffn)];
  const head = [...id, ...times, ...w4(octets.length), ...w4(wireLength)];
  return block(isOld ? 2 : 6, [...head, ...octets], order);
}

/** §4.4. */
export const simpleBlock = ({ octets, wireLength }: WrittenPacket, order: Order): number[] =>
  block(3, [...word(wireLength ?? octets.length, 4, order), ...octets], order);

const isV6 = (packet: ArrayLike<number>): boolean => (packet[0] as number) >> 4 === 6;
const etherType = (packet: ArrayLike<number>): number[] => (isV6(packet) ? [0x86, 0xdd] : [8, 0]);
const MACS: readonly number[] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

export const ethernet = (packet: ArrayLike<number>, tags: readonly number[] = []): number[] => [
  ...MACS,
  ...tags,
  ...etherType(packet),
  ...Array.from(packet),
];

/** An IPv4 packet of some protocol around other octets. */
export function ipv4(protocol: number, body: readonly number[]): number[] {
  const length = 20 + body.length;
  const head = [0x45, 0, length >> 8, length & 255, 0, 0, 0, 0, 64, protocol, 0, 0];
  return [...head, 192, 0, 2, 1, 192, 0, 2, 2, ...body];
}

const gre = (flags: number, type: number, rest: readonly number[]): number[] =>
  ipv4(47, [flags, 0, type >> 8, type & 255, ...rest]);

type Frames = Record<string, readonly [number, number[]]>;

/** Frames of every kind around one packet, by name; with the LINKTYPE_ number each. */
export const framesOf = (packet: ArrayLike<number>): Frames => ({
  ...linkFrames(packet),
  ...tunnelFrames(packet),
});

function linkFrames(packet: ArrayLike<number>): Frames {
  const bare = Array.from(packet);
  const type = etherType(packet);
  const family = isV6(packet) ? 30 : 2;
  const inner = ethernet(packet);
  return {
    Ethernet: [1, inner],
    'Ethernet with padding': [1, [...inner, 0, 0, 0, 0, 0, 0]],
    VLAN: [1, ethernet(packet, [0x81, 0, 0, 7])],
    QinQ: [1, ethernet(packet, [0x88, 0xa8, 0, 8, 0x81, 0, 0, 7])],
    'Linux cooked v1': [113, [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, ...type, ...bare]],
    'Linux cooked v2': [
      276,
      [...type, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, ...bare],
    ],
    'Linux cooked v1 with VLAN': [
      113,
      [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x81, 0, 0, 7, ...type, ...bare],
    ],
    raw: [101, bare],
    'raw of BSD': [12, bare],
    'raw of OpenBSD': [14, bare],
    [isV6(packet) ? 'raw IPv6' : 'raw IPv4']: [isV6(packet) ? 229 : 228, bare],
    'BSD loopback, little-endian': [0, [family, 0, 0, 0, ...bare]],
    'BSD loopback, big-endian': [0, [0, 0, 0, family, ...bare]],
    'OpenBSD loop': [108, [0, 0, 0, family, ...bare]],
    'Cisco HDLC': [104, [0x0f, 0, ...type, ...bare]],
  };
}

const udp = (body: readonly number[]): number[] =>
  ipv4(17, [0xc0, 0, 0x12, 0xb5, 0, 8 + body.length, 0, 0, ...body]);

/** A sequence number of GRE and the header of ERSPAN: whole, and all of the third type's but its last flags. */
const ERSPAN_2: readonly number[] = [0, 0, 0, 1, 0x10, 7, 0, 5, 0, 0, 0, 0];
const ERSPAN_3: readonly number[] = [0, 0, 0, 1, 0x20, 7, 0, 5, 0, 0, 0, 0, 0, 0];
const SUBHEADER: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8];

function tunnelFrames(packet: ArrayLike<number>): Frames {
  const bare = Array.from(packet);
  const inner = ethernet(packet);
  const greType = isV6(packet) ? 0x86dd : 0x0800;
  return {
    VXLAN: [1, ethernet(udp([8, 0, 0, 0, 0, 0, 42, 0, ...inner]))],
    GRE: [1, ethernet(gre(0, greType, bare))],
    'GRE with checksum, key and sequence': [
      1,
      ethernet(gre(0xb0, greType, [1, 2, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, ...bare])),
    ],
    'GRE with Ethernet': [1, ethernet(gre(0, 0x6558, inner))],
    'ERSPAN I': [1, ethernet(gre(0, 0x88be, inner))],
    'ERSPAN II': [1, ethernet(gre(0x10, 0x88be, [...ERSPAN_2, ...inner]))],
    'ERSPAN III': [1, ethernet(gre(0x10, 0x22eb, [...ERSPAN_3, 0, 0, ...inner]))],
    'ERSPAN III with a subheader': [
      1,
      ethernet(gre(0x10, 0x22eb, [...ERSPAN_3, 0, 1, ...SUBHEADER, ...inner])),
    ],
    'VXLAN in ERSPAN II': [
      1,
      ethernet(
        gre(0x10, 0x88be, [...ERSPAN_2, ...ethernet(udp([8, 0, 0, 0, 0, 0, 42, 0, ...inner]))]),
      ),
    ],
  };
}
