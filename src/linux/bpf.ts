/**
 * Classic BPF: the kernel's packet filter language (Linux Documentation/networking/filter). A filter starts at the IP
 * header, as packets of an AF_PACKET socket of type SOCK_DGRAM do.
 */

/** One instruction. `jt` and `jf`: instructions to skip when the test holds or not, 0 to 255. */
export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  /** Unsigned 32 bits. */
  readonly k: number;
}

export type Program = readonly Instruction[];

/** BPF_MAXINSNS: the kernel takes no longer program. */
export const MAX_INSTRUCTIONS = 4096;

/** Operation codes, named as in the kernel's assembler. */
export const Op = {
  /** A = the 32-, 16- or 8-bit value at k. */
  ld: 0x20,
  ldh: 0x28,
  ldb: 0x30,
  /** A = the 16-bit value at X + k. */
  ldhX: 0x48,
  /** X = 4 × (low nibble of the octet at k): the length of an IPv4 header. */
  ldxMsh: 0xb1,
  and: 0x54,
  /** Jump k forward. */
  ja: 0x05,
  jeq: 0x15,
  jgt: 0x25,
  jge: 0x35,
  jset: 0x45,
  /** Let k octets of the packet pass; 0 drops it. */
  ret: 0x06,
} as const;

/** Offsets above every packet, where the kernel keeps what it knows of one (SKF_AD_OFF and following). */
export const Ancillary = {
  /** EtherType. */
  protocol: 0xffff_f000,
  /** PACKET_HOST and so on. */
  packetType: 0xffff_f004,
} as const;

/** Builds a program front to back. Long jumps are built in: a condition skips or enters one unconditional jump of 32 bits. */
export class Assembler {
  readonly #code: number[] = [];
  readonly #jt: number[] = [];
  readonly #jf: number[] = [];
  readonly #k: number[] = [];
  /** Unresolved jumps: instruction index → label. */
  readonly #jumps = new Map<number, number>();
  readonly #labels: number[] = [];

  emit(code: number, k = 0, jt = 0, jf = 0): void {
    this.#code.push(code);
    this.#jt.push(jt);
    this.#jf.push(jf);
    this.#k.push(k >>> 0);
  }

  newLabel(): number {
    return this.#labels.push(-1) - 1;
  }

  /** The label means the next instruction. */
  place(label: number): void {
    this.#labels[label] = this.#code.length;
  }

  jump(label: number): void {
    this.#jumps.set(this.#code.length, label);
    this.emit(Op.ja);
  }

  /** Goes to `label` when the test holds, on otherwise. */
  jumpIf(code: number, k: number, label: number): void {
    this.emit(code, k, 0, 1);
    this.jump(label);
  }

  /** Goes to `label` unless the test holds. */
  jumpUnless(code: number, k: number, label: number): void {
    this.emit(code, k, 1, 0);
    this.jump(label);
  }

  finish(): Program {
    return this.#code.map((code, i) => {
      const label = this.#jumps.get(i);
      const k = label === undefined ? this.#k[i]! : this.#labels[label]! - i - 1;
      return { code, jt: this.#jt[i]!, jf: this.#jf[i]!, k };
    });
  }
}
