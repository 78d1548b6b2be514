import { describe, expect, it } from 'vitest';
import { ethernet, framesOf, ipv4 } from '../testing/capture-files.ts';
import { buildPacket } from '../testing/packet.ts';
import { findPacket, NoPacket } from './link-layer.ts';

const SEGMENT = {
  flags: 'PA',
  seq: 1,
  ack: 2,
  window: 3,
  urgentPointer: 0,
  ttl: 64,
  trafficClass: 0,
  ipId: 0,
  dontFragment: true,
  options: {},
  payload: Uint8Array.of(1, 2, 3),
} as const;
const PACKETS = {
  IPv4: buildPacket({
    ...SEGMENT,
    from: { address: '10.0.0.1', port: 4000 },
    to: { address: '10.0.0.2', port: 80 },
  }),
  IPv6: buildPacket({
    ...SEGMENT,
    from: { address: 'fd00::1', port: 4000 },
    to: { address: 'fd00::2', port: 80 },
  }),
};

/** Where it is found, with other octets around the frame. */
function find(linkType: number, frame: readonly number[], length = frame.length): number {
  const bytes = Uint8Array.from([9, 9, 9, ...frame, 0x45, 0x45, 0x45]);
  const at = findPacket(linkType, bytes, new DataView(bytes.buffer), 3, length);
  return at < 0 ? at : at - 3;
}

describe.each(Object.entries(PACKETS))('%s', (_, packet) => {
  const frames = Object.entries(framesOf(packet));
  it.each(frames)('rows 61, 114 and O3: is found in %s', (_name, [linkType, frame]) => {
    const at = find(linkType, frame);
    expect(frame.slice(at, at + packet.length)).toEqual([...packet]);
  });

  it('is never found beyond the end of a frame that is cut', () => {
    for (const [name, [linkType, frame]] of Object.entries(framesOf(packet))) {
      for (let length = 0; length < frame.length; length++) {
        expect(find(linkType, frame, length), `${name} cut to ${length}`).toBeLessThan(
          Math.max(length, 0.5),
        );
      }
    }
  });
});

describe('what is no packet for us', () => {
  it('is told from a link type that is not known', () => {
    expect(find(147, [...PACKETS.IPv4])).toBe(NoPacket.unknownLink);
    const arp = ethernet(PACKETS.IPv4);
    arp[13] = 6;
    expect(find(1, arp)).toBe(NoPacket.notIp);
    expect(find(1, ethernet([0x15]))).toBe(NoPacket.notIp);
    expect(find(101, [])).toBe(NoPacket.notIp);
  });

  it('is a frame with more tags than anyone sets', () => {
    const tags = new Array<number[]>(5).fill([0x81, 0, 0, 1]).flat();
    expect(find(1, ethernet(PACKETS.IPv4, tags.slice(4)))).toBe(30);
    expect(find(1, ethernet(PACKETS.IPv4, tags))).toBe(NoPacket.notIp);
  });

  it('leaves the outer packet where the tunnel cannot be followed', () => {
    for (const [flags, name] of [
      [0x40, 'routing'],
      [0x01, 'no version'],
    ] as const) {
      const outer = ipv4(47, [flags, flags === 1 ? 1 : 0, 8, 0, ...PACKETS.IPv4]);
      expect(find(101, outer), name).toBe(0);
    }
    // A fragment, and VXLAN without its flag.
    const fragment = ipv4(47, [0, 0, 8, 0, ...PACKETS.IPv4]);
    fragment[6] = 0x20;
    expect(find(101, fragment)).toBe(0);
    const vxlan = [...(framesOf(PACKETS.IPv4)['VXLAN']?.[1] ?? [])];
    vxlan[14 + 20 + 8] = 0;
    expect(find(1, vxlan)).toBe(14);
  });

  it('ends within tunnels without end', () => {
    let packet = [...PACKETS.IPv4];
    for (let i = 0; i < 9; i++) packet = ipv4(47, [0, 0, 8, 0, ...packet]);
    expect(find(101, packet)).toBe(4 * 24);
  });
});
