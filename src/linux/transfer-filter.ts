import type { IpAddress } from '../wire/address.ts';
import { IPPROTO_TCP } from '../wire/tcp.ts';
import { Assembler, MAX_INSTRUCTIONS, Op, type Program } from './bpf.ts';

/** What clients talk to on the online server, or where responses come from: a port, at one address or at any. */
export interface FilterTarget {
  readonly address?: IpAddress;
  /** 1 to 65535; absent, and then without an address: all of TCP. */
  readonly port?: number;
}

/** More targets than a kernel filter holds. */
export class FilterTooLongError extends Error {
  override readonly name = 'FilterTooLongError';
}

/** Octets of a packet that are let through: all of it. */
export const WHOLE_PACKET = 0xffff_ffff;

/** Linear below, split in halves from here on. */
const SPLIT_PORTS_ABOVE = 4;
/** Hop-by-Hop, Routing, Fragment, Destination Options (RFC 8200 §4.1), Mobility (RFC 6275). */
const EXTENSION_HEADERS = [0, 43, 44, 60, 135];

/** Which end of a packet is looked at: where its address and its port begin. */
interface End {
  readonly v4At: number;
  readonly v6At: number;
  readonly portAt: number;
}
const SOURCE: End = { v4At: 12, v6At: 8, portAt: 0 };
const DESTINATION: End = { v4At: 16, v6At: 24, portAt: 2 };
const V6_HEADER = 40;

interface Wanted {
  readonly targets: readonly FilterTarget[];
  /** Their ports lie in the same place. */
  readonly protocols: readonly number[];
}

interface Family {
  /** Of the address in the IP header. */
  readonly addressAt: number;
  readonly words: (address: IpAddress) => readonly number[];
  readonly targets: readonly FilterTarget[];
}

/**
 * A kernel filter that lets packets of `protocols`, TCP or UDP or both, to any of `targets` pass, over IPv4 and IPv6, cut to
 * `snapLength` octets.
 *
 * What a filter cannot see the port of, it judges by the address alone and leaves to user space to count: IPv4 fragments
 * other than the first, and IPv6 packets with extension headers (classic BPF has no loops to walk them with). Packets too
 * short for what is looked at are dropped, as every load beyond the end does. Throws `FilterTooLongError`.
 */
export const transferFilter = (
  targets: readonly FilterTarget[],
  snapLength: number = WHOLE_PACKET,
  protocols: readonly number[] = [IPPROTO_TCP],
): Program => endFilter(DESTINATION, targets, snapLength, protocols);

/** The same for TCP segments that come from any of `sources`; without sources nothing passes. */
export const responseFilter = (sources: readonly FilterTarget[], snapLength: number): Program =>
  endFilter(SOURCE, sources, snapLength, [IPPROTO_TCP]);

function endFilter(
  end: End,
  targets: readonly FilterTarget[],
  snapLength: number,
  protocols: readonly number[],
): Program {
  const asm = new Assembler();
  const accept = asm.newLabel();
  const drop = asm.newLabel();
  const v6 = asm.newLabel();
  asm.emit(Op.ldb, 0);
  asm.emit(Op.and, 0xf0);
  asm.jumpIf(Op.jeq, 0x60, v6);
  asm.jumpUnless(Op.jeq, 0x40, drop);
  emitV4(asm, end, { targets, protocols }, accept, drop);
  asm.place(v6);
  emitV6(asm, end, { targets, protocols }, accept, drop);
  asm.place(accept);
  asm.emit(Op.ret, snapLength);
  asm.place(drop);
  asm.emit(Op.ret, 0);
  const program = asm.finish();
  if (program.length > MAX_INSTRUCTIONS) {
    throw new FilterTooLongError(
      `Cannot build the capture filter: ${targets.length} targets need ${program.length} instructions, ` +
        `the kernel takes ${MAX_INSTRUCTIONS}: name fewer of them, or leave addresses out so that ports suffice`,
    );
  }
  return program;
}

function emitV4(
  asm: Assembler,
  end: End,
  { targets, protocols }: Wanted,
  accept: number,
  drop: number,
): void {
  const family: Family = {
    addressAt: end.v4At,
    words: (address) => [address.w3],
    targets: targets.filter((t) => t.address === undefined || t.address.family === 4),
  };
  const laterFragment = asm.newLabel();
  asm.emit(Op.ldb, 9);
  const known = asm.newLabel();
  for (const protocol of protocols) asm.jumpIf(Op.jeq, protocol, known);
  asm.jump(drop);
  asm.place(known);
  asm.emit(Op.ldh, 6);
  asm.jumpIf(Op.jset, 0x1fff, laterFragment);
  asm.emit(Op.ldxMsh, 0);
  asm.emit(Op.ldhX, end.portAt);
  emitPorts(asm, family, accept, drop);
  asm.place(laterFragment);
  emitAddresses(asm, family, family.targets, accept, drop);
}

function emitV6(
  asm: Assembler,
  end: End,
  { targets, protocols }: Wanted,
  accept: number,
  drop: number,
): void {
  const family: Family = {
    addressAt: end.v6At,
    words: ({ w0, w1, w2, w3 }) => [w0, w1, w2, w3],
    targets: targets.filter((t) => t.address === undefined || t.address.family === 6),
  };
  const extended = asm.newLabel();
  const plain = asm.newLabel();
  asm.emit(Op.ldb, 6);
  for (const protocol of protocols) asm.jumpIf(Op.jeq, protocol, plain);
  for (const header of EXTENSION_HEADERS) asm.jumpIf(Op.jeq, header, extended);
  asm.jump(drop);
  asm.place(plain);
  asm.emit(Op.ldh, V6_HEADER + end.portAt);
  emitPorts(asm, family, accept, drop);
  asm.place(extended);
  emitAddresses(asm, family, family.targets, accept, drop);
}

/** With the port in A: finds it among the family's ports, then looks at the addresses that belong to it. */
function emitPorts(asm: Assembler, family: Family, accept: number, drop: number): void {
  if (family.targets.some(({ port }) => port === undefined)) {
    asm.jump(accept);
    return;
  }
  const byPort = new Map<number, FilterTarget[]>();
  for (const target of family.targets) {
    if (target.port === undefined) continue;
    const same = byPort.get(target.port);
    if (same) same.push(target);
    else byPort.set(target.port, [target]);
  }
  const ports = [...byPort.keys()].toSorted((a, b) => a - b);
  const blocks = ports.map((port) => ({ port, label: asm.newLabel() }));
  emitPortSearch(asm, blocks, drop);
  for (const { port, label } of blocks) {
    asm.place(label);
    emitAddresses(asm, family, byPort.get(port) as FilterTarget[], accept, drop);
  }
}

interface PortBlock {
  readonly port: number;
  readonly label: number;
}

function emitPortSearch(asm: Assembler, blocks: readonly PortBlock[], drop: number): void {
  if (blocks.length <= SPLIT_PORTS_ABOVE) {
    for (const { port, label } of blocks) asm.jumpIf(Op.jeq, port, label);
    asm.jump(drop);
    return;
  }
  const middle = blocks.length >> 1;
  const upper = asm.newLabel();
  asm.jumpIf(Op.jge, (blocks[middle] as PortBlock).port, upper);
  emitPortSearch(asm, blocks.slice(0, middle), drop);
  asm.place(upper);
  emitPortSearch(asm, blocks.slice(middle), drop);
}

/** Goes to `accept` when the address is one of the targets', to `drop` otherwise. */
function emitAddresses(
  asm: Assembler,
  family: Family,
  targets: readonly FilterTarget[],
  accept: number,
  drop: number,
): void {
  if (targets.some((t) => t.address === undefined)) {
    asm.jump(accept);
    return;
  }
  const seen = new Set<string>();
  for (const { address } of targets) {
    if (address === undefined || seen.has(address.toString())) continue;
    const words = family.words(address);
    for (const [i, word] of words.entries()) {
      // One word stays loaded from address to address; several have to be loaded again.
      if (words.length > 1 || seen.size === 0) asm.emit(Op.ld, family.addressAt + 4 * i);
      asm.emit(Op.jeq, word, 0, 2 * (words.length - 1 - i) + 1);
    }
    asm.jump(accept);
    seen.add(address.toString());
  }
  asm.jump(drop);
}
