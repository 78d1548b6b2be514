import { Memory } from '../base/memory.ts';
import type { Instruction, Program } from './bpf.ts';
import { WHOLE_PACKET } from './transfer-filter.ts';
import { type Address, addressOf, libc, openLibrary, readWord } from './libc.ts';

/** A filter expression cannot be used. The message says what to do. */
export class FilterError extends Error {
  override readonly name = 'FilterError';
}

/** Packets that start at the IP header (pcap-linktype(7): DLT_RAW, 12 but on OpenBSD). */
const DLT_RAW = 12;
const PCAP_NETMASK_UNKNOWN = 0xffff_ffff;
const OPTIMIZE = 1;
/** libpcap takes no longer snap length (MAXIMUM_SNAPLEN). */
const MAX_SNAP_LENGTH = 262_144;
const INSTRUCTION_SIZE = 8;

interface Pcap {
  readonly openDead: (linkType: number, snapLength: number) => Address;
  readonly compile: (
    pcap: Address,
    program: Address,
    expression: string,
    optimize: number,
    netmask: number,
  ) => number;
  readonly error: (pcap: Address) => string;
  readonly freeCode: (program: Address) => void;
  readonly close: (pcap: Address) => void;
}

let loaded: Pcap | undefined;

/**
 * The kernel filter for an expression in the syntax of pcap-filter(7), compiled by libpcap for packets that start at the IP
 * header and cut to `snapLength` octets. A word that is no keyword is looked up in the DNS as a host name, which may take
 * its time. Throws `FilterError`.
 */
export function compileFilter(expression: string, snapLength: number = WHOLE_PACKET): Program {
  loaded ??= loadPcap(expression);
  const pcap = loaded;
  const handle = pcap.openDead(DLT_RAW, Math.min(snapLength, MAX_SNAP_LENGTH));
  // struct bpf_program: number of instructions, pointer to them.
  const program = Memory.alloc(16);
  try {
    const result = pcap.compile(
      handle,
      addressOf(program),
      expression,
      OPTIMIZE,
      PCAP_NETMASK_UNKNOWN,
    );
    if (result !== 0) {
      throw new FilterError(explain(expression, pcap.error(handle)));
    }
    const instructions = readProgram(program);
    pcap.freeCode(addressOf(program));
    return instructions;
  } finally {
    pcap.close(handle);
  }
}

/** libpcap's words for expressions that look at the link layer, which these packets do not have. */
const LINK_LAYER = /link|ethernet|802\.11|vlan|mpls|pppoe|not supported|broadcast/i;

function explain(expression: string, reason: string): string {
  const hint = LINK_LAYER.test(reason)
    ? ': packets are seen from their IP header on, so terms about the link (ether, vlan, broadcast) cannot be used'
    : ': see pcap-filter(7) for the syntax';
  return `Cannot compile the filter '${expression}': ${reason}${hint}`;
}

function readProgram(program: Memory): Instruction[] {
  const length = program.view.getUint32(0, true);
  const code = Memory.alloc(length * INSTRUCTION_SIZE);
  libc.memcpy(addressOf(code), readWord(program, 8), length * INSTRUCTION_SIZE);
  return Array.from({ length }, (_, i) => {
    const at = i * INSTRUCTION_SIZE;
    return {
      code: code.view.getUint16(at, true),
      jt: code.view.getUint8(at + 2),
      jf: code.view.getUint8(at + 3),
      k: code.view.getUint32(at + 4, true),
    };
  });
}

function loadPcap(expression: string): Pcap {
  const declare = openLibrary(['libpcap.so.0.8', 'libpcap.so.1', 'libpcap.so']);
  if (declare === undefined) {
    throw new FilterError(
      `Cannot compile the filter '${expression}': libpcap is not installed: install the package libpcap0.8 ` +
        '(Debian, Ubuntu) or libpcap (others), or start without a filter expression, which needs none',
    );
  }
  return {
    openDead: declare('uintptr_t pcap_open_dead(int, int)'),
    compile: declare('int pcap_compile(void *, void *, const char *, int, uint32_t)'),
    error: declare('const char *pcap_geterr(void *)'),
    freeCode: declare('void pcap_freecode(void *)'),
    close: declare('void pcap_close(void *)'),
  };
}
