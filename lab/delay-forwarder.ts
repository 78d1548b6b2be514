// A long way between two networks, where the kernel has no netem. A program of its own:
//   node delay-forwarder.js MILLISECONDS INTERFACE...
// Every IPv4 packet that arrives at one of the interfaces is sent on, so much later and in the order of its arrival, by the
// routes of this host, which must not forward by itself (ip_forward = 0). Packets must not be longer than the links take, nor
// lack their checksums: offloads must be off. At SIGTERM it says how many packets it passed on and how many it lost.
import {
  type CapturedPacket,
  type Duration,
  type Instant,
  type PacketHandler,
  product,
} from './product.ts';

const { Memory } = await product('base/memory');
const { openPacketSource } = await product('linux/packet-socket');
const { openRawSender } = await product('linux/raw-sender');
const { openWakeTimer, systemClock } = await product('linux/reactor');

const delay = (Number(process.argv[2]) * 1000) as Duration;
const interfaces = process.argv.slice(3);

/** Packets under way: at 1 Gbit/s and 100 ms there are 8,300. */
const SLOTS = 1 << 14;
const SLOT_SIZE = 2048;
const BATCH = 64;
/** Of the packets that leave, copied as headers; the rest is handed over by reference. */
const HEADER = 20;
const NEVER = Number.POSITIVE_INFINITY as Instant;

/** Packets with the time at which each is due, first in, first out. */
class Line implements PacketHandler {
  readonly #memory = Memory.alloc(SLOTS * SLOT_SIZE);
  readonly #lengths = new Int32Array(SLOTS);
  readonly #due = new Float64Array(SLOTS);
  #first = 0;
  #count = 0;
  now: Instant = 0 as Instant;
  passed = 0;
  lost = 0;

  handlePacket({ memory, offset, length }: CapturedPacket): void {
    if (length > SLOT_SIZE || length < HEADER || this.#count === SLOTS) {
      this.lost++;
      return;
    }
    const slot = (this.#first + this.#count++) % SLOTS;
    this.#memory.bytes.set(memory.bytes.subarray(offset, offset + length), slot * SLOT_SIZE);
    this.#lengths[slot] = length;
    this.#due[slot] = this.now + delay;
  }

  /** When the first is due. */
  get next(): Instant {
    return this.#count === 0 ? NEVER : (this.#due[this.#first] as Instant);
  }

  /** Sends all that is due. */
  release(now: Instant): void {
    while (this.next <= now) {
      const at = this.#first * SLOT_SIZE;
      const length = this.#lengths[this.#first] as number;
      const header = sender.begin();
      sender.memory.bytes.set(this.#memory.bytes.subarray(at, at + HEADER), header);
      sender.commit(HEADER, this.#memory, at + HEADER, length - HEADER);
      this.#first = (this.#first + 1) % SLOTS;
      this.#count--;
      this.passed++;
    }
    sender.flush();
  }
}

const sender = openRawSender();
const source = openPacketSource({ interfaces, families: [4] });
const line = new Line();
const timer = openWakeTimer(() => {
  line.release(systemClock.now());
  timer.arm(line.next);
});

source.onReadable(() => {
  for (let count = BATCH; count === BATCH; ) {
    line.now = systemClock.now();
    count = source.receive(line, BATCH);
    line.release(systemClock.now());
  }
  timer.arm(line.next);
});

process.on('SIGTERM', () => {
  const refused = [...sender.statistics().errors.values()].reduce((sum, n) => sum + n, 0);
  const lost = line.lost + refused + source.statistics().dropped;
  process.stdout.write(`passed on ${line.passed}, lost ${lost}\n`);
  process.exit(0);
});
process.stdout.write(`forwarding between ${interfaces.join(' and ')}, ${delay} µs late\n`);
