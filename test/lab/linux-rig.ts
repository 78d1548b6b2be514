import koffi from 'koffi';
import { constants, openSync } from 'node:fs';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { Memory } from '../../src/base/memory.ts';
import type { CapturedPacket, PacketHandler } from '../../src/ports/packet-source.ts';
import type { PacketSink } from '../../src/ports/packet-sink.ts';
import { IpAddress, parseAddress } from '../../src/wire/address.ts';

export function sh(...args: string[]): string {
  return execFileSync(args[0] as string, args.slice(1), { encoding: 'utf8', stdio: 'pipe' });
}

export const ip = (words: string): string => sh('ip', ...words.split(' '));

export const address = (text: string): IpAddress => {
  const parsed = parseAddress(text);
  if (!parsed) throw new TypeError(`Not an address: ${text}`);
  return parsed;
};

/**
 * A veth pair whose two ends are in one namespace: packets sent to 10.9.0.2 or fd09::2 leave through `va` and arrive at `vb`,
 * which has no address of its own, so that one process sees both sides.
 */
export function makeLoop(): void {
  ip('link add va type veth peer name vb');
  ip('addr add 10.9.0.1/24 dev va');
  ip('addr add fd09::1/64 dev va nodad');
  for (const name of ['va', 'vb']) ip(`link set ${name} up`);
  const mac = JSON.parse(ip('-j link show vb'))[0].address as string;
  ip(`neigh replace 10.9.0.2 lladdr ${mac} dev va nud permanent`);
  ip(`neigh replace fd09::2 lladdr ${mac} dev va nud permanent`);
}

export const removeLoop = (): void => void ip('link del va');

const TUNSETIFF = 0x4004_54ca;
const IFF_TUN = 1;
const IFF_NO_PI = 0x1000;

/** Makes a tunnel device; what is sent into it can be read from the file that is returned, a packet at a time, without waiting. */
export function openTun(name: string): number {
  const { O_RDWR, O_NONBLOCK } = constants;
  const fd = openSync('/dev/net/tun', O_RDWR | O_NONBLOCK);
  // struct ifreq: name, flags.
  const request = Buffer.alloc(40);
  request.write(name);
  request.writeUInt16LE(IFF_TUN | IFF_NO_PI, 16);
  const ioctl = koffi.load(null).func('int ioctl(int, unsigned long, void *)');
  if (ioctl(fd, TUNSETIFF, request) !== 0) throw new Error(`no tunnel: ${koffi.errno()}`);
  return fd;
}

/** A namespace `name` behind a veth: we are 10.8.0.1 / fd08::1, it is 10.8.0.2 / fd08::2. */
export function makePeer(name: string): void {
  ip(`netns add ${name}`);
  ip(`link add pa type veth peer name pb netns ${name}`);
  ip('addr add 10.8.0.1/24 dev pa');
  ip('addr add fd08::1/64 dev pa nodad');
  ip('link set pa up');
  ip(`-n ${name} addr add 10.8.0.2/24 dev pb`);
  ip(`-n ${name} addr add fd08::2/64 dev pb nodad`);
  ip(`-n ${name} link set pb up`);
  ip(`-n ${name} link set lo up`);
}

export function removePeer(name: string): void {
  ip('link del pa');
  ip(`netns del ${name}`);
}

/** Runs plain JavaScript in the namespace `name`. It must print a line when it is ready. */
export async function runIn(name: string, script: string): Promise<ChildProcess> {
  const [command, ...args] = ['ip', 'netns', 'exec', name, process.execPath, '-e', script];
  const child = spawn(command as string, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`Peer exited with ${code}`)));
  });
  return child;
}

export interface Seen {
  length: number;
  wireLength: number;
  checksum: number;
  receivedAt: number;
  bytes: Uint8Array;
}

export class Recorder implements PacketHandler {
  readonly seen: Seen[] = [];

  handlePacket(p: CapturedPacket): void {
    const { length, wireLength, checksum, receivedAt } = p;
    const bytes = p.memory.bytes.slice(p.offset, p.offset + length);
    this.seen.push({ length, wireLength, checksum, receivedAt, bytes });
  }
}

/** Waits for `condition`, looking every few milliseconds; fails after ten seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`Did not happen within ten seconds: ${what}`);
}

export const payloadOf = (length: number, fill = 0x61): Memory => {
  const memory = Memory.alloc(length);
  memory.bytes.fill(fill);
  return memory;
};

/** Queues a TCP segment with a payload of `length` octets from a forged client; checksums are left 0. */
export function sendSegment(
  sink: PacketSink,
  to: IpAddress,
  port: number,
  length = 0,
  payload: Memory | null = length > 0 ? payloadOf(length) : null,
): void {
  const at = sink.begin();
  const { view, bytes } = sink.memory;
  const v6 = to.family === 6;
  const ipLength = v6 ? 40 : 20;
  bytes.fill(0, at, at + ipLength + 20);
  if (v6) {
    view.setUint8(at, 0x60);
    view.setUint16(at + 4, 20 + length);
    view.setUint8(at + 6, 6);
    view.setUint8(at + 7, 64);
    view.setUint32(at + 8, 0xfd07_0000);
    view.setUint32(at + 20, 7);
    for (const [i, word] of [to.w0, to.w1, to.w2, to.w3].entries()) {
      view.setInt32(at + 24 + 4 * i, word);
    }
  } else {
    view.setUint8(at, 0x45);
    view.setUint16(at + 2, 40 + length);
    view.setUint16(at + 6, 0x4000);
    view.setUint8(at + 8, 64);
    view.setUint8(at + 9, 6);
    view.setUint32(at + 12, 0x0a07_0001);
    view.setInt32(at + 16, to.w3);
  }
  const tcp = at + ipLength;
  view.setUint16(tcp, 40_000);
  view.setUint16(tcp + 2, port);
  view.setUint8(tcp + 12, 0x50);
  view.setUint8(tcp + 13, 0x10);
  sink.commit(ipLength + 20, payload, 0, length);
}
