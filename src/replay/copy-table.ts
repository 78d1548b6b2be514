import { FlowKey } from '../base/flow-key.ts';
import { FlowTable } from '../base/flow-table.ts';
import type { PacketView } from '../wire/packet-view.ts';
import type { CapturedEndpoints, Copy } from './copy.ts';
import { setEndsKey } from './ends-key.ts';
import type { CopyEndpoints } from '../session/state.ts';
import type { Succession } from './succession.ts';

/** All copies, found by the connection they copy and by the connection they make. */
export class CopyTable {
  /** By lane: each copy of a connection is in another one. */
  readonly #byCaptured: FlowTable<Copy>[];
  readonly #byCopy: FlowTable<Copy>;
  readonly #key = new FlowKey();
  #waiting = 0;

  /** `secret`: see `FlowTable`. `lanes`: copies of one connection at the most. */
  constructor(secret: number, lanes: number) {
    this.#byCaptured = Array.from({ length: lanes }, () => new FlowTable<Copy>(secret));
    this.#byCopy = new FlowTable(secret ^ 0x5bd1e995);
  }

  get size(): number {
    return this.#byCopy.size + this.#waiting;
  }

  /** Nothing stands in any of the tables. */
  get isEmpty(): boolean {
    return this.size === 0 && this.#byCaptured.every((lane) => lane.size === 0);
  }

  /** The copy number `lane` of the connection that a captured packet of the client belongs to. */
  findByClientPacket(p: PacketView, lane: number): Copy | undefined {
    const key = this.#key;
    key.setAddress(0, p.src0, p.src1, p.src2, p.src3);
    key.setAddress(4, p.dst0, p.dst1, p.dst2, p.dst3);
    key.setPorts(p.sourcePort, p.destinationPort);
    return (this.#byCaptured[lane] as FlowTable<Copy>).find(key);
  }

  /** The copy number `lane` of the connection that a captured packet of the online server belongs to. */
  findByOnlinePacket(p: PacketView, lane: number): Copy | undefined {
    const key = this.#key;
    key.setAddress(0, p.dst0, p.dst1, p.dst2, p.dst3);
    key.setAddress(4, p.src0, p.src1, p.src2, p.src3);
    key.setPorts(p.destinationPort, p.sourcePort);
    return (this.#byCaptured[lane] as FlowTable<Copy>).find(key);
  }

  /** The copy that a segment of the target is meant for. */
  findByTargetPacket(p: PacketView): Copy | undefined {
    const key = this.#key;
    key.setAddress(0, p.dst0, p.dst1, p.dst2, p.dst3);
    key.setAddress(4, p.src0, p.src1, p.src2, p.src3);
    key.setPorts(p.destinationPort, p.sourcePort);
    return this.#byCopy.find(key);
  }

  /** The copy that comes from this address and port and goes to this target. */
  findByEnds(ends: CopyEndpoints): Copy | undefined {
    return this.#byCopy.find(setEndsKey(this.#key, ends));
  }

  /** The same, by the near and the far end of a key. */
  findByKey(key: FlowKey): Copy | undefined {
    return this.#byCopy.find(key);
  }

  /** Moves a copy to other ends, which no other copy has, and those that wait for its place. */
  move(copy: Copy, ends: CopyEndpoints): void {
    this.#byCopy.delete(setEndsKey(this.#key, copy.ends));
    copy.moveTo(ends);
    this.#byCopy.set(setEndsKey(this.#key, ends), copy);
    copy.succession?.forEachWaiting((waiting) => {
      waiting.ends = ends;
    });
  }

  add(copy: Copy): void {
    this.#lane(copy).set(this.#capturedKey(copy), copy);
    this.#byCopy.set(setEndsKey(this.#key, copy.ends), copy);
  }

  /** Takes in a copy that gets what is captured from now on, while another one has its ends. */
  addWaiting(copy: Copy): void {
    this.#lane(copy).set(this.#capturedKey(copy), copy);
    this.#waiting++;
  }

  /** The ends of a copy that waited are its own; the one that had them must be removed before. */
  admitWaiting(copy: Copy): void {
    this.#waiting--;
    const captured = this.#capturedKey(copy);
    const lane = this.#lane(copy);
    if (!copy.isOrphan && lane.find(captured) === undefined) lane.set(captured, copy);
    this.#byCopy.set(setEndsKey(this.#key, copy.ends), copy);
  }

  /** Both keys may meanwhile be another's. The captured one goes back to the copy that this one waited for. */
  remove(copy: Copy): void {
    const { isWaiting } = copy;
    const captured = this.#capturedKey(copy);
    const lane = this.#lane(copy);
    if (lane.find(captured) === copy) {
      const live = isWaiting ? (copy.succession as Succession).live : undefined;
      if (live !== undefined && !live.isDetached) lane.set(captured, live);
      else lane.delete(captured);
    }
    const ends = setEndsKey(this.#key, copy.ends);
    if (this.#byCopy.find(ends) === copy) this.#byCopy.delete(ends);
    if (isWaiting) this.#waiting--;
  }

  forEach(visit: (copy: Copy) => void): void {
    this.#byCopy.forEach((copy) => {
      visit(copy);
      if (copy.succession?.live === copy) copy.succession.forEachWaiting(visit);
    });
  }

  /** What is captured from now on is no longer this copy's: it goes on with what it has. */
  orphan(copy: Copy): void {
    copy.isOrphan = true;
    this.#lane(copy).delete(this.#capturedKey(copy));
  }

  #lane(copy: Copy): FlowTable<Copy> {
    return this.#byCaptured[copy.lane] as FlowTable<Copy>;
  }

  #capturedKey({ client, clientPort, online, onlinePort }: CapturedEndpoints): FlowKey {
    const key = this.#key;
    key.setAddress(0, client.w0, client.w1, client.w2, client.w3);
    key.setAddress(4, online.w0, online.w1, online.w2, online.w3);
    key.setPorts(clientPort, onlinePort);
    return key;
  }
}
