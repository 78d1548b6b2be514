import { Memory } from '../base/memory.ts';

/** Room that a queue keeps when it is empty again; what a burst needed beyond is given back. */
const KEPT_ROOM = 64 * 1024;

/** Octets that wait for the kernel to take them, in one block of memory that grows as needed. */
export class SendQueue {
  memory: Memory | null = null;
  /** Where the first waiting octet lies in `memory`. */
  start = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.start;
  }

  append(source: Memory, offset: number, length: number): void {
    const memory = this.#room(length);
    const from = source.bytes.subarray(offset, offset + length);
    memory.bytes.set(from, this.#end);
    this.#end += length;
  }

  /** The first `count` octets are on their way. */
  remove(count: number): void {
    this.start += count;
    if (this.start === this.#end) this.clear();
  }

  clear(): void {
    this.start = 0;
    this.#end = 0;
    if (this.memory !== null && this.memory.size > KEPT_ROOM) this.memory = null;
  }

  #room(length: number): Memory {
    const { memory } = this;
    if (memory !== null && this.#end + length <= memory.size) return memory;
    const waiting = this.length;
    if (memory !== null && waiting + length <= memory.size) {
      memory.bytes.copyWithin(0, this.start, this.#end);
      this.start = 0;
      this.#end = waiting;
      return memory;
    }
    const size = Math.max(4096, 2 * (memory?.size ?? 0), waiting + length);
    const larger = Memory.alloc(size);
    if (memory !== null) larger.bytes.set(memory.bytes.subarray(this.start, this.#end));
    this.memory = larger;
    this.start = 0;
    this.#end = waiting;
    return larger;
  }
}
