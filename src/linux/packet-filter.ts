import { Memory } from '../base/memory.ts';
import { Ancillary, type Instruction, Op, type Program } from './bpf.ts';
import { ETH_P_IP, ETH_P_IPV6, SO_ATTACH_FILTER, SOL_SOCKET } from './constants.ts';
import { addressOf, writeWord } from './libc.ts';
import { setOptionStruct } from './socket.ts';

const PACKET_HOST = 0;
const PACKET_OTHERHOST = 3;
const PACKET_OUTGOING = 4;
const DROP = 0;

export interface Guard {
  /** Also packets that are addressed to other hosts' link addresses: those of a mirror port. */
  readonly otherHosts: boolean;
  /** Only packets that this host sends. */
  readonly outgoing: boolean;
  /** The socket gets every protocol, so the filter has to choose these. */
  readonly families: readonly (4 | 6)[];
  readonly everyProtocol: boolean;
}

/**
 * `program` with what every capture needs put before it. Only packets for this host pass (and for others, when asked), never
 * those that it sends: a bridge floods copies on their way to the target to all its ports while it does not know better, and
 * copies of copies must not come to be. Or only those that it sends, each once: on the loopback interface too, where a packet
 * that was sent also arrives. `program` is what decides of the rest; without one all of it passes.
 */
export function guarded(program: Program | undefined, guard: Guard): Program {
  const prefix: Instruction[] = [];
  const add = (code: number, k: number, jt = 0, jf = 0): unknown =>
    prefix.push({ code, k, jt, jf });
  if (guard.everyProtocol) {
    const protocols = guard.families.map((family) => (family === 4 ? ETH_P_IP : ETH_P_IPV6));
    add(Op.ldh, Ancillary.protocol);
    for (const [i, protocol] of protocols.entries()) add(Op.jeq, protocol, protocols.length - i, 0);
    add(Op.ret, DROP);
  }
  const types = guard.outgoing
    ? [PACKET_OUTGOING]
    : [PACKET_HOST, ...(guard.otherHosts ? [PACKET_OTHERHOST] : [])];
  add(Op.ldb, Ancillary.packetType);
  for (const [i, type] of types.entries()) add(Op.jeq, type, types.length - i, 0);
  add(Op.ret, DROP);
  return [...prefix, ...(program ?? [{ code: Op.ret, jt: 0, jf: 0, k: 0xffff_ffff }])];
}

const INSTRUCTION_SIZE = 8;
const FPROG_SIZE = 16;

/** Attaches `program` to `fd`. Returns 0 or the error number. */
export function attachFilter(fd: number, program: Program): number {
  // struct sock_fprog: length, pointer; the instructions follow. The kernel copies them before it returns.
  const memory = Memory.alloc(FPROG_SIZE + program.length * INSTRUCTION_SIZE);
  memory.view.setUint16(0, program.length, true);
  writeWord(memory, 8, addressOf(memory) + FPROG_SIZE);
  for (const [i, { code, jt, jf, k }] of program.entries()) {
    const at = FPROG_SIZE + i * INSTRUCTION_SIZE;
    memory.view.setUint16(at, code, true);
    memory.view.setUint8(at + 2, jt);
    memory.view.setUint8(at + 3, jf);
    memory.view.setUint32(at + 4, k, true);
  }
  return setOptionStruct(fd, SOL_SOCKET, SO_ATTACH_FILTER, memory, FPROG_SIZE);
}
