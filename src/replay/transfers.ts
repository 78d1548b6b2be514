import type { TargetPath } from '../session/state.ts';
import type { IpAddress } from '../wire/address.ts';
import type { IpView } from '../wire/ip-view.ts';

/** One pair of -x: what is sent to `port` of the online server goes to `targetPort` of the target. */
export interface Transfer {
  /** Undefined: any address of the online server. */
  readonly address: IpAddress | undefined;
  readonly port: number;
  readonly target: IpAddress;
  readonly targetPort: number;
  readonly path: TargetPath;
  /** The target is a loopback address: the kernel takes only packets that come from one. */
  readonly loopbackOnly: boolean;
}

/** The pairs of -x by port, first match in the order given. */
export class TransferTable {
  readonly all: readonly Transfer[];
  readonly #byPort = new Map<number, Transfer[]>();

  constructor(transfers: readonly Transfer[]) {
    this.all = transfers;
    for (const transfer of transfers) {
      const same = this.#byPort.get(transfer.port);
      if (same) same.push(transfer);
      else this.#byPort.set(transfer.port, [transfer]);
    }
  }

  /** The pair that a captured packet belongs to. A target of the other family cannot take it. */
  match(p: IpView): Transfer | undefined {
    const candidates = this.#byPort.get(p.destinationPort);
    if (candidates === undefined) return undefined;
    for (let i = 0; i < candidates.length; i++) {
      const transfer = candidates[i] as Transfer;
      if (transfer.target.family === p.family && isAddress(transfer.address, p)) return transfer;
    }
    return undefined;
  }

  /** Whether a fragment, which need not show its port, may belong to some pair. */
  mayMatch(p: IpView): boolean {
    for (let i = 0; i < this.all.length; i++) {
      const { target, address } = this.all[i] as Transfer;
      if (target.family === p.family && isAddress(address, p)) return true;
    }
    return false;
  }

  /** Whether a captured packet comes from the online server of some pair. */
  isFromOnline(p: IpView): boolean {
    const candidates = this.#byPort.get(p.sourcePort);
    if (candidates === undefined) return false;
    for (let i = 0; i < candidates.length; i++) {
      const { address } = candidates[i] as Transfer;
      if (address === undefined || isSource(address, p)) return true;
    }
    return false;
  }
}

const isAddress = (a: IpAddress | undefined, p: IpView): boolean =>
  a === undefined || (a.w3 === p.dst3 && a.w2 === p.dst2 && a.w1 === p.dst1 && a.w0 === p.dst0);

const isSource = (a: IpAddress, p: IpView): boolean =>
  a.w3 === p.src3 && a.w2 === p.src2 && a.w1 === p.src1 && a.w0 === p.src0;
