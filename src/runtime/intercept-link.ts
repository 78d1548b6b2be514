import type { FlowKey } from '../base/flow-key.ts';
import type { Memory } from '../base/memory.ts';
import type { Random } from '../base/random.ts';
import {
  addTime,
  type Duration,
  elapsed,
  type Instant,
  millis,
  NEVER,
  seconds,
} from '../base/time.ts';
import {
  HELLO_PATIENCE,
  Stage,
  TellResult,
  TcpcopyEnd,
  type TcpcopyEndHandler,
  type TcpcopyEndOptions,
} from '../control/tcpcopy-end.ts';
import { FIRST_OF_CONNECTION } from '../control/count-id.ts';
import { Fault } from '../control/fault.ts';
import { ByeCode } from '../control/small-frames.ts';
import type { RouteEnds } from '../ports/route-registrar.ts';
import type { ByteStream, StreamHandler } from '../ports/stream.ts';

/** An original never says that it is one of ours, and the start waits no longer than this to find out; a late hello is still taken. */
const ORIGINAL_PATIENCE = seconds(1);
/** Pauses between attempts to connect again double from the first to the last. */
const FIRST_PAUSE = millis(100);
const LAST_PAUSE = seconds(1);
/** Of a pause, at the most, added at random, so that many tcpcopy do not come back to an intercept at the same moment. */
const PAUSE_SPREAD = 0.25;
/** An intercept that has been silent for so long is asked whether it lives. */
const ASK_AFTER = seconds(2);
/** One that has been silent for so long is taken for dead. */
const DEAD_AFTER = seconds(6);

/** What an intercept that closes without a word may have against us. */
const UNSAID =
  ': its log says why; it may speak TLS only (--tls-ca here), or have as many connections as it takes';

/** Why a link is down. */
export interface LinkLoss {
  /** A sentence fragment for messages. */
  readonly reason: string;
  /** There was an intercept, and one of the two refused the other: with its words, not for want of an answer. */
  readonly isRefusal: boolean;
  /** One of the two has no key, or another one. */
  readonly isOfKeys: boolean;
}

/** What the faults of a handshake are about when they are about keys. */
const KEY_FAULTS: ReadonlySet<Fault> = new Set<Fault>([
  Fault.keyRequired,
  Fault.peerWithoutKey,
  Fault.wrongKey,
  Fault.notProven,
]);

/** What a link needs of the world. */
export interface LinkHost {
  readonly random: Random;
  now(): Instant;
  /**
   * Connects to the link's intercept. Rejects with an `Error` whose message says why it failed, and whose property `answered` is
   * true when there was an intercept, but none that we can work with.
   */
  connect(): Promise<ByteStream>;
  endOptions(stream: ByteStream): TcpcopyEndOptions;
  /** As `TcpcopyEndHandler.handleResponse`. */
  handleResponse(
    memory: Memory,
    offset: number,
    length: number,
    wireLength: number,
    receivedAt: number,
  ): void;
  /** As `TcpcopyEndHandler.handleTaken`. */
  handleTaken(key: FlowKey): void;
  /** A count that the intercept keeps for all its connections together. */
  handleCount(id: number, value: number): void;
  /** Everything that one read brought has been handled. */
  handleRead(): void;
  /** Sessions may be registered from now on. */
  handleUp(link: InterceptLink): void;
  /** It was up, or an attempt to bring it up has failed. It tries again by itself. */
  handleDown(link: InterceptLink, loss: LinkLoss, wasUp: boolean): void;
  /** `deadline` has changed. */
  handleDeadline(): void;
}

/**
 * One supervised control connection to an intercept: connects, finds out what the peer speaks, notices its death, and connects
 * again after a pause. Does nothing until `open`; `handleTimeout` is due at `deadline`.
 */
export class InterceptLink implements StreamHandler, TcpcopyEndHandler {
  readonly #host: LinkHost;
  /** Something has come on the connection that there is. */
  #hasHeard = false;
  #stream: ByteStream | null = null;
  #end: TcpcopyEnd | null = null;
  #isUp = false;
  #isClosed = false;
  #pause: Duration = FIRST_PAUSE;
  #heardAt: Instant = NEVER;
  #lookedAt: Instant = NEVER;
  /** What the intercept counts for this connection alone, by `CountId`. */
  readonly counts: Map<number, number> = new Map();
  /** When `handleTimeout` has something to do. */
  deadline: Instant = NEVER;

  constructor(host: LinkHost) {
    this.#host = host;
  }

  /** Sessions may be registered. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** The intercept is one of ours. */
  get isExtended(): boolean {
    return this.#end?.stage === Stage.extended;
  }

  /** Connects for the first time, or again. What comes of it is told by `handleUp` or `handleDown`. */
  open(): void {
    this.#setDeadline(NEVER);
    this.#host.connect().then(
      (stream) => this.#begin(stream),
      (error: Error & { readonly answered?: boolean }) => this.#lose(error.message, error.answered),
    );
  }

  close(): void {
    this.#isClosed = true;
    this.#end?.bye('tcpcopy ends');
    this.flush();
    this.#forget();
    this.#setDeadline(NEVER);
  }

  handleTimeout(now: Instant): void {
    if (this.deadline > now) return;
    const end = this.#end;
    if (end === null) {
      this.open();
    } else if (!this.#isUp) {
      this.#giveUpWaiting(end);
    } else {
      this.#checkLife(now, end);
    }
  }

  /** Whether the peer has been told of a session's beginning. `needsIpv6` of a peer of version 6 will not change. */
  register({ source, sourcePort, target, targetPort }: RouteEnds): TellResult {
    const end = this.#end;
    if (end === null || !this.#isUp) return TellResult.closed;
    const told = end.register(source, sourcePort, target, targetPort);
    if (told !== TellResult.full) return told;
    this.flush();
    if (!this.#isUp) return TellResult.closed;
    return end.register(source, sourcePort, target, targetPort);
  }

  unregister({ source, sourcePort, target, targetPort }: RouteEnds): TellResult {
    const end = this.#end;
    if (end === null || !this.#isUp) return TellResult.closed;
    const told = end.endSession(source, sourcePort, target, targetPort);
    if (told !== TellResult.full) return told;
    this.flush();
    return this.#isUp ? end.endSession(source, sourcePort, target, targetPort) : TellResult.closed;
  }

  /** Hands what has gathered to the network. */
  flush(): void {
    const end = this.#end;
    const stream = this.#stream;
    if (end === null || stream === null) return;
    // What had to wait for room is there once the output is cleared.
    while (end.length > 0) {
      const sent = stream.send(end.memory, 0, end.length);
      end.clear();
      if (sent) continue;
      this.#lose('intercept does not read what it is sent');
      return;
    }
  }

  handleData(memory: Memory, length: number): void {
    const end = this.#end;
    if (end === null) return;
    this.#heardAt = this.#host.now();
    this.#hasHeard = true;
    const goesOn = end.handleData(memory, length);
    this.flush();
    if (!goesOn) this.#lose(end.failure?.reason ?? 'the stream is damaged');
    this.#host.handleRead();
  }

  handleClose(reason: string): void {
    const hasSpoken = this.#isUp || this.#hasHeard;
    this.#lose(hasSpoken ? reason : `${reason} before it said anything${UNSAID}`);
  }

  handleResponse(
    memory: Memory,
    offset: number,
    length: number,
    wireLength: number,
    receivedAt: number,
  ): void {
    this.#host.handleResponse(memory, offset, length, wireLength, receivedAt);
  }

  handleStage(stage: Stage): void {
    if (stage !== Stage.version6 && stage !== Stage.extended) return;
    this.#pause = FIRST_PAUSE;
    const now = this.#host.now();
    this.#heardAt = this.#lookedAt = now;
    // Version 6 has no question whether the peer lives; the kernel's keep-alive probes ask its host.
    this.#setDeadline(stage === Stage.extended ? addTime(now, ASK_AFTER) : NEVER);
    this.#isUp = true;
    this.#host.handleUp(this);
  }

  handleCount(id: number, value: number): void {
    if (id >= FIRST_OF_CONNECTION) this.counts.set(id, value);
    else this.#host.handleCount(id, value);
  }

  handleTaken(key: FlowKey): void {
    this.#host.handleTaken(key);
  }

  handlePong(): void {
    // That something came is noted with the data.
  }

  #begin(stream: ByteStream): void {
    if (this.#isClosed) {
      stream.close();
      return;
    }
    this.#stream = stream;
    this.#hasHeard = false;
    const options = this.#host.endOptions(stream);
    this.#end = new TcpcopyEnd(options, this);
    const patience = options.key === null ? ORIGINAL_PATIENCE : HELLO_PATIENCE;
    this.#setDeadline(addTime(this.#host.now(), patience));
    stream.start(this);
    this.flush();
  }

  #giveUpWaiting(end: TcpcopyEnd): void {
    this.#setDeadline(NEVER);
    if (!end.handleTimeout()) this.#lose(end.failure?.reason ?? 'no answer to the offer');
    else this.flush();
  }

  #checkLife(now: Instant, end: TcpcopyEnd): void {
    // When this process itself stood still, what the peer said meanwhile has not been read yet.
    if (elapsed(this.#lookedAt, now) > 2 * ASK_AFTER) this.#heardAt = now;
    this.#lookedAt = now;
    const silence = elapsed(this.#heardAt, now);
    if (silence >= DEAD_AFTER) {
      this.#lose(`silent for ${DEAD_AFTER / 1e6} seconds`);
      return;
    }
    if (silence >= ASK_AFTER) end.ping(0);
    this.#setDeadline(addTime(now, ASK_AFTER));
    this.flush();
  }

  #lose(reason: string, answered: boolean = this.#stream !== null): void {
    if (this.#isClosed) return;
    const wasUp = this.#isUp;
    const failure = this.#end?.failure ?? null;
    const isOfBye = failure?.bye === ByeCode.keyRequired || failure?.bye === ByeCode.wrongKey;
    const isOfKeys = failure !== null && (isOfBye || KEY_FAULTS.has(failure.fault));
    const loss = { reason, isRefusal: answered, isOfKeys };
    this.#forget();
    const spread = 1 + this.#host.random.float() * PAUSE_SPREAD;
    this.#setDeadline(addTime(this.#host.now(), (this.#pause * spread) as Duration));
    this.#pause = Math.min(2 * this.#pause, LAST_PAUSE) as Duration;
    this.#host.handleDown(this, loss, wasUp);
  }

  #forget(): void {
    this.#isUp = false;
    this.#stream?.close();
    this.#stream = null;
    this.#end = null;
  }

  #setDeadline(at: Instant): void {
    this.deadline = at;
    this.#host.handleDeadline();
  }
}
