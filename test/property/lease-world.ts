import { FlowKey } from '../../src/base/flow-key.ts';
import { Memory } from '../../src/base/memory.ts';
import type { Random } from '../../src/base/random.ts';
import { addTime, type Duration, type Instant, seconds } from '../../src/base/time.ts';
import { Stage, TcpcopyEnd, TellResult } from '../../src/control/tcpcopy-end.ts';
import { Interceptor } from '../../src/intercept/interceptor.ts';
import type { FrameSink } from '../../src/intercept/outbox.ts';
import type { Peer } from '../../src/intercept/peer.ts';
import { ChecksumState } from '../../src/ports/packet-source.ts';
import { NoRoute, type RouteEnds } from '../../src/ports/route-registrar.ts';
import type { Copy } from '../../src/replay/copy.ts';
import { isSynchronized } from '../../src/session/phase.ts';
import { Harness } from '../../src/testing/harness.ts';
import { buildPacket, type Packet, readPacket } from '../../src/testing/packet.ts';
import { formatEndpoint } from '../../src/wire/address.ts';
import { keyText } from './control-pair.ts';
import { memoryOf } from './wire-packets.ts';

/*
 * An intercept, two tcpcopy and a target, and between them connections on which everything waits until it is its turn by chance.
 */

/** Control connections of each tcpcopy. */
const CONNECTIONS = 2;
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** How a session is called here: as `keyText` does. */
const nameOf = ({ source, sourcePort, target, targetPort }: RouteEnds): string =>
  `${formatEndpoint(source, sourcePort)} ${formatEndpoint(target, targetPort)}`;

/** A control connection and what is under way on it. */
class Connection {
  readonly number: number;
  readonly end: TcpcopyEnd;
  readonly up: Uint8Array[] = [];
  readonly down: Uint8Array[] = [];
  /** Lost: intercept will hear of it once it has read what is under way. */
  isLost = false;

  constructor(number: number, node: LeaseNode) {
    this.number = number;
    const { instance } = node;
    this.end = new TcpcopyEnd(
      { key: null, nonce: new Uint8Array(32), instance },
      {
        handleResponse: (memory, offset, length) =>
          node.heard.push(() => node.respond(memory.bytes.slice(offset, offset + length))),
        handleStage: (stage) => {
          if (stage === Stage.extended) node.heard.push(() => node.renewRoutes());
        },
        handleTaken: (key) => node.heard.push(refusal(node, key)),
        handleCount: () => {},
        handlePong: () => {},
      },
    );
    this.flush();
  }

  flush(): void {
    const { end } = this;
    if (end.length > 0 && !this.isLost) this.up.push(end.memory.bytes.slice(0, end.length));
    end.clear();
  }
}

/** The key is only valid while it is read. */
function refusal(node: LeaseNode, key: FlowKey): () => void {
  const kept = new FlowKey();
  kept.words.set(key.words);
  return () => node.refuseKey(kept);
}

/** A tcpcopy: replayer and control connections; registers as `InterceptLinks` does. */
export class LeaseNode extends Harness {
  readonly instance: Uint8Array;
  readonly connections: Connection[] = [];
  /** What has been read and not been handled. */
  readonly heard: (() => void)[] = [];
  readonly sent: Packet[];
  #turn = 0;

  constructor(index: number, seed: number) {
    const sent: Packet[] = [];
    super({ seed, replayer: { portRange: 9 } }, (packet) => sent.push(packet));
    this.sent = sent;
    this.instance = new Uint8Array(8).fill(index + 1);
  }

  /** Live copies, by the session that they are at the target. */
  get copies(): Map<string, Copy> {
    const copies = new Map<string, Copy>();
    this.replayer.forEachCopy((copy) => {
      if (!copy.hasEnded && !copy.isWaiting) copies.set(nameOf(copy.ends), copy);
    });
    return copies;
  }

  override register(ends: RouteEnds): number {
    const slot = this.#turn++;
    for (let i = 0; i < CONNECTIONS; i++) {
      const { end } = this.connections[(slot + i) % CONNECTIONS] as Connection;
      if (end.stage !== Stage.extended) continue;
      const { source, sourcePort, target, targetPort } = ends;
      if (end.register(source, sourcePort, target, targetPort) !== TellResult.ok) continue;
      super.register(ends);
      return slot;
    }
    // No connection is there, and intercept has forgotten, or is about to forget, what was said on those that were.
    this.#forget(ends);
    return NoRoute.now;
  }

  override unregister(ends: RouteEnds, slot: number): void {
    if (slot < 0) return;
    this.#forget(ends);
    const { source, sourcePort, target, targetPort } = ends;
    for (let i = 0; i < CONNECTIONS; i++) {
      const { end } = this.connections[(slot + i) % CONNECTIONS] as Connection;
      if (end.stage !== Stage.extended) continue;
      end.endSession(source, sourcePort, target, targetPort);
    }
  }

  #forget(ends: RouteEnds): void {
    const at = this.routes.findIndex((route) => nameOf(route) === nameOf(ends));
    if (at >= 0) this.routes.splice(at, 1);
  }

  override flush(): void {
    for (const connection of this.connections) connection.flush();
  }
}

/** A connection at the target: just enough TCP to be met by a stranger's SYN. */
interface Half {
  readonly irs: number;
  readonly iss: number;
  rcvNxt: number;
  isOpen: boolean;
  hasClosed: boolean;
}

/** Who has a session, by a table of the test's own. */
interface Holder {
  readonly instance: string;
  readonly connection: number;
}

export class LeaseWorld implements FrameSink {
  readonly nodes: LeaseNode[];
  readonly core: Interceptor = new Interceptor(silent, 7);
  readonly random: Random;
  readonly #connections = new Map<number, Connection>();
  readonly #holders = new Map<string, Holder>();
  /** Sessions of an instance whose lease was lost with a connection, or given up too late to be missed. */
  readonly #lost = new Set<string>();
  readonly #halves = new Map<string, Half>();
  #now: Instant;
  #next = 1;
  /** How often the two wanted the same. */
  contests = 0;

  constructor(random: Random) {
    this.random = random;
    this.nodes = [0, 1].map((index) => new LeaseNode(index, random.uint32()));
    this.#now = (this.nodes[0] as LeaseNode).now;
    this.#watch();
    for (const node of this.nodes) {
      for (let i = 0; i < CONNECTIONS; i++) this.#connect(node, i);
    }
    this.settle();
  }

  sendFrames(number: number, memory: Memory, offset: number, length: number): boolean {
    this.#connections.get(number)?.down.push(memory.bytes.slice(offset, offset + length));
    return true;
  }

  closeConnection(number: number): void {
    throw new Error(`intercept closes connection ${number}`);
  }

  /** A client of `node` is captured. */
  capture(node: LeaseNode, port: number, flags: string, seq: number, data = 0): void {
    const packet: Packet = {
      from: { address: '10.1.2.3', port },
      to: { address: '10.8.0.1', port: 80 },
      flags,
      seq: seq >>> 0,
      ack: flags === 'S' ? 0 : 5001,
      window: 65_535,
      urgentPointer: 0,
      ttl: 60,
      trafficClass: 0,
      ipId: 1,
      dontFragment: true,
      options: {},
      payload: new Uint8Array(data).fill(65),
    };
    node.capture(buildPacket(packet));
    this.check();
  }

  /** One thing happens somewhere; false when nothing is under way. */
  step(): boolean {
    const moves: (() => void)[] = [];
    for (const connection of this.#connections.values()) {
      if (connection.up.length > 0 || connection.isLost) moves.push(() => this.#readUp(connection));
    }
    for (const node of this.nodes) {
      for (const connection of node.connections) {
        if (connection.down.length > 0) moves.push(() => this.#readDown(node, connection));
      }
      if (node.sent.length > 0) moves.push(() => this.#arrive(node.sent.shift() as Packet));
    }
    if (moves.length === 0) return false;
    (moves[this.random.int(0, moves.length)] as () => void)();
    this.check();
    return true;
  }

  settle(): void {
    for (let steps = 0; this.step(); steps++) {
      if (steps > 100_000) throw new Error('it never becomes quiet');
    }
  }

  pass(duration: Duration): void {
    this.#now = addTime(this.#now, duration);
    for (const node of this.nodes) node.advanceTo(this.#now);
    this.core.handleTimeout(this.#now);
    this.core.pollTransmit(this.#now, this);
    this.check();
  }

  /** A connection breaks, with some of what is under way, and another one takes its place. */
  lose(node: LeaseNode, index: number): void {
    const connection = node.connections[index] as Connection;
    connection.down.length = 0;
    connection.up.splice(this.random.int(0, connection.up.length + 1));
    connection.isLost = true;
    this.#connect(node, index);
    node.renewRoutes();
    this.check();
  }

  /** No copy has a connection at a place that another tcpcopy has, unless its own lease was lost. */
  check(): void {
    for (const node of this.nodes) {
      for (const [name, copy] of node.copies) {
        const holder = this.#holders.get(name);
        if (holder === undefined || !isSynchronized(copy.phase)) continue;
        const isOwn = holder.instance === instanceOf(node);
        if (isOwn || this.#lost.has(`${instanceOf(node)} ${name}`)) continue;
        throw new Error(`${name} is used by ${instanceOf(node)} and held by ${holder.instance}`);
      }
    }
  }

  /** Everybody is quiet: each live copy has its place for itself. */
  checkQuiet(): void {
    for (const node of this.nodes) {
      for (const name of node.copies.keys()) {
        if (this.#lost.has(`${instanceOf(node)} ${name}`)) continue;
        const holder = this.#holders.get(name)?.instance;
        if (holder !== instanceOf(node))
          throw new Error(`${name} is held by ${holder ?? 'nobody'}`);
      }
    }
  }

  /** Every client resets, every copy ends, and nothing is kept for anybody. */
  finish(): void {
    for (const node of this.nodes) node.stop();
    for (let i = 0; i < 10; i++) {
      this.settle();
      this.pass(seconds(10));
    }
    this.settle();
    for (const node of this.nodes) node.finish();
    const { size } = this.core.routes;
    if (size > 0) throw new Error(`${size} routes are left`);
  }

  #connect(node: LeaseNode, index: number): void {
    const number = this.#next++;
    const connection = new Connection(number, node);
    node.connections[index] = connection;
    this.#connections.set(number, connection);
    this.core.handleConnection(this.#now, number, `10.0.0.${number % 250}:${number}`);
  }

  #readUp(connection: Connection): void {
    const { number } = connection;
    const octets = connection.up.shift();
    if (octets === undefined) {
      this.#connections.delete(number);
      this.core.handleDisconnect(this.#now, number, 'lost');
      for (const [name, holder] of this.#holders) {
        if (holder.connection !== number) continue;
        this.#holders.delete(name);
        this.#lost.add(`${holder.instance} ${name}`);
      }
    } else {
      this.core.handleControlData(this.#now, number, memoryOf(octets), octets.length);
    }
    this.core.pollTransmit(this.#now, this);
  }

  #readDown(node: LeaseNode, connection: Connection): void {
    const octets = connection.down.shift() as Uint8Array;
    connection.end.handleData(memoryOf(octets), octets.length);
    connection.flush();
    for (const handle of node.heard.splice(0)) handle();
  }

  /** Compares what the core decides with a table that knows instances, connections and nothing else. */
  #watch(): void {
    const { core } = this;
    const registered = core.registered.bind(core);
    core.registered = (peer, key) => {
      const name = keyText(key);
      const holder = this.#holders.get(name);
      const isForeign = holder !== undefined && holder.instance !== peer.instance;
      const before = core.routes.taken;
      registered(peer, key);
      if (core.routes.taken > before !== isForeign) {
        throw new Error(`${name} of ${peer.instance}: ${isForeign ? 'granted' : 'refused'}`);
      }
      if (isForeign) {
        this.contests++;
        return;
      }
      this.#holders.set(name, { instance: peer.instance, connection: peer.connection });
      this.#lost.delete(`${peer.instance} ${name}`);
    };
    const unregistered = core.unregistered.bind(core);
    core.unregistered = (peer, key) => {
      unregistered(peer, key);
      this.#end(peer, keyText(key));
    };
  }

  #end(peer: Peer, name: string): void {
    if (this.#holders.get(name)?.connection !== peer.connection) return;
    this.#holders.delete(name);
    // On two connections the end of one copy may be overtaken by the beginning of the next one from the same port.
    const again = this.nodes.find((node) => instanceOf(node) === peer.instance)?.copies.has(name);
    if (again === true) this.#lost.add(`${peer.instance} ${name}`);
  }

  // The target.

  #arrive(p: Packet): void {
    const name = `${p.from.address}:${p.from.port} ${p.to.address}:${p.to.port}`;
    const half = this.#halves.get(name);
    const end = p.seq + p.payload.length + (p.flags.includes('F') ? 1 : 0);
    if (p.flags.includes('R')) {
      if (half !== undefined && half.rcvNxt === p.seq) this.#halves.delete(name);
    } else if (half === undefined && p.flags.includes('S')) {
      const fresh = { irs: p.seq, iss: this.random.int(1, 1e9), rcvNxt: (p.seq + 1) >>> 0 };
      this.#halves.set(name, { ...fresh, isOpen: false, hasClosed: false });
      this.#answer(p, 'SA', fresh.iss, fresh.rcvNxt);
    } else if (half === undefined) {
      this.#answer(p, 'R', p.ack, 0);
    } else if (p.flags.includes('S')) {
      if (p.seq === half.irs && !half.isOpen) this.#answer(p, 'SA', half.iss, half.rcvNxt);
      else this.#answer(p, 'A', half.iss + 1, half.rcvNxt);
    } else if (half.hasClosed && p.ack === half.iss + 2) {
      this.#halves.delete(name);
    } else if (p.ack === half.iss + 1) {
      half.isOpen = true;
      if (p.seq === half.rcvNxt) half.rcvNxt = end >>> 0;
      half.hasClosed ||= p.flags.includes('F');
      if (end > p.seq) this.#answer(p, half.hasClosed ? 'FA' : 'A', half.iss + 1, half.rcvNxt);
    }
  }

  #answer(p: Packet, flags: string, seq: number, ack: number): void {
    const back = { from: p.to, to: p.from, flags, seq: seq >>> 0, ack: ack >>> 0 };
    const octets = buildPacket({ ...p, ...back, options: {}, payload: new Uint8Array(0) });
    readPacket(octets);
    this.core.handleResponse(this.#now, {
      memory: memoryOf(octets),
      offset: 0,
      length: octets.length,
      wireLength: octets.length,
      checksum: ChecksumState.unknown,
      receivedAt: 0,
    });
    this.core.pollTransmit(this.#now, this);
  }
}

const instanceOf = ({ instance }: LeaseNode): string => Buffer.from(instance).toString('hex');
