import { FlowKey } from '../base/flow-key.ts';
import { FlowTable } from '../base/flow-table.ts';
import type { PacketView } from '../wire/packet-view.ts';
import type { CapturedEndpoints } from './copy.ts';

/** Beyond this many, all are forgotten: what those that go on send then looks like connections that nobody has decided about. */
const CAPACITY = 1 << 17;

/**
 * Captured connections that have no copy and shall have none: because their SYN was not captured (-O), or because a limit was met
 * when they began or while they were copied. Each is counted once, and none is joined in its middle when there is room again.
 */
export class LeftOut {
  readonly #flows: FlowTable<true>;
  readonly #key = new FlowKey();

  /** `secret`: see `FlowTable`. */
  constructor(secret: number) {
    this.#flows = new FlowTable(secret);
  }

  get size(): number {
    return this.#flows.size;
  }

  has(p: PacketView): boolean {
    return this.#flows.size > 0 && this.#flows.find(this.#keyOf(p)) !== undefined;
  }

  /** Takes in the connection of `p`. Returns whether it is a new one. */
  add(p: PacketView): boolean {
    const key = this.#keyOf(p);
    if (this.#flows.find(key) !== undefined) return false;
    this.#set(key);
    return true;
  }

  /** Takes in a connection whose copy has ended, while it may go on. */
  remember({ client, clientPort, online, onlinePort }: CapturedEndpoints): void {
    const key = this.#key;
    key.setAddress(0, client.w0, client.w1, client.w2, client.w3);
    key.setAddress(4, online.w0, online.w1, online.w2, online.w3);
    key.setPorts(clientPort, onlinePort);
    this.#set(key);
  }

  /** The connection has come to its end, or another one has its addresses and ports. */
  forget(p: PacketView): void {
    if (this.#flows.size > 0) this.#flows.delete(this.#keyOf(p));
  }

  clear(): void {
    this.#flows.deleteWhere(() => true);
  }

  #set(key: FlowKey): void {
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
