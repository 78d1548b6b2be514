import { FlowKey } from '../base/flow-key.ts';
import { FlowTable } from '../base/flow-table.ts';
import type { PacketView } from '../wire/packet-view.ts';
import type { CapturedEndpoints } from './copy.ts';

/** Beyond this many, all are forgotten: some connections would then be counted twice. */
const CAPACITY = 1 << 16;

/** Connections that are left alone because their SYN was not captured (-O), so that each is counted once. */
export class SkippedFlows {
  readonly #flows: FlowTable<true>;
  readonly #key = new FlowKey();

  /** `secret`: see `FlowTable`. */
  constructor(secret: number) {
    this.#flows = new FlowTable(secret);
  }

  get size(): number {
    return this.#flows.size;
  }

  /** Data of such a connection. Returns whether it is a new one. */
  note(p: PacketView): boolean {
    const key = this.#keyOf(p);
    if (this.#flows.find(key) !== undefined) return false;
    this.#add(key);
    return true;
  }

  /** The connection goes on, perhaps, while its copy has ended: it has been counted. */
  remember({ client, clientPort, online, onlinePort }: CapturedEndpoints): void {
    const key = this.#key;
    key.setAddress(0, client.w0, client.w1, client.w2, client.w3);
    key.setAddress(4, online.w0, online.w1, online.w2, online.w3);
    key.setPorts(clientPort, onlinePort);
    this.#add(key);
  }

  /** The connection has come to its end. */
  forget(p: PacketView): void {
    this.#flows.delete(this.#keyOf(p));
  }

  #add(key: FlowKey): void {
    if (this.#flows.size >= CAPACITY) this.#flows.deleteWhere(() => true);
    this.#flows.set(key, true);
  }

  #keyOf(p: PacketView): FlowKey {
    const key = this.#key;
    key.setAddress(0, p.src0, p.src1, p.src2, p.src3);
    key.setAddress(4, p.dst0, p.dst1, p.dst2, p.dst3);
    key.setPorts(p.sourcePort, p.destinationPort);
    return key;
  }
}
