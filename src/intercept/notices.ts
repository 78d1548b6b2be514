import type { Instant } from '../base/time.ts';
import { CONTROL_VERSION } from '../control/registration.ts';
import type { FoldedLog, Topic } from './folded-log.ts';
import type { Peer } from './peer.ts';
import { describeSources, type TargetSet } from './target-set.ts';

const info = (sum: string): Topic => ({ level: 'info', sum });
const warn = (sum: string): Topic => ({ level: 'warn', sum });

const REFUSED = warn('connections refused');
const CONNECTED = info('tcpcopy connected');
const LEFT = info('tcpcopy disconnected');
const SILENT = info('connections that were no tcpcopy');
const CLOSED = warn('connections closed');
const VERSIONS = warn('connections with another protocol version');
const NO_ROOM = warn('registrations refused');
const TAKEN = info('sessions that another tcpcopy has, refused');
const TAKEN_OVER = warn('sessions that another tcpcopy had registered');
const SLOW = warn('tcpcopy did not read fast enough');
const CAPTURE = info('changes of what is captured');
const COARSE = warn('changes of what is captured, with too many targets');
const ALL = 'all tcpcopy';
const BY_PORT =
  'More targets are named than are told apart: further ones are captured by their port';

/** What is written about peers, folded by kind and address so that nobody can flood the log. */
export class Notices {
  readonly #log: FoldedLog;
  #captured = '';

  constructor(log: FoldedLog) {
    this.#log = log;
  }

  refused(now: Instant, name: string, address: string, reason: string): void {
    this.#log.say(now, REFUSED, address, `refusing the connection from ${name}: ${reason}`);
  }

  connected(now: Instant, peer: Peer): void {
    this.#say(now, CONNECTED, peer, `tcpcopy connected from ${peer.name}`);
  }

  disconnected(now: Instant, peer: Peer, reason: string): void {
    const { name } = peer;
    if (peer.isKnown) this.#say(now, LEFT, peer, `tcpcopy at ${name} disconnected: ${reason}`);
    else if (peer.end.isStarted)
      this.#say(now, SILENT, peer, `${name} did not prove the key before it went: ${reason}`);
    else
      this.#say(
        now,
        SILENT,
        peer,
        `${name} connected and did not say what tcpcopy says: ${reason}`,
      );
  }

  closing(now: Instant, peer: Peer, reason: string): void {
    this.#say(now, CLOSED, peer, `closing control connection ${peer.name}: ${reason}`);
  }

  versionDiffers(now: Instant, peer: Peer, version: number): void {
    const what = `speaks protocol version ${version}, this intercept speaks ${CONTROL_VERSION}`;
    const then = `going on as with version ${CONTROL_VERSION}; use the same release on both sides`;
    this.#say(now, VERSIONS, peer, `control connection ${peer.name} ${what}: ${then}`);
  }

  tooSlow(now: Instant, peer: Peer): void {
    const then = 'what it has no room for is dropped until it does';
    const what = `tcpcopy at ${peer.name} does not read its responses fast enough`;
    this.#say(now, SLOW, peer, `${what}: ${then}`);
  }

  /** Both are of ours, and nothing is lost: the one that comes second takes another address and port. */
  taken(now: Instant, peer: Peer, holder: Peer): void {
    const what = `tcpcopy at ${peer.name} has registered a session that tcpcopy at ${holder.name} has`;
    this.#say(now, TAKEN, peer, `${what}: refused, it begins the copy from another place`);
  }

  takenOver(now: Instant, peer: Peer, former: Peer): void {
    const what = `tcpcopy at ${peer.name} has registered a session that tcpcopy at ${former.name} had registered`;
    const hint = 'it gets the responses from now on; give each online server addresses of its own';
    this.#say(now, TAKEN_OVER, peer, `${what}: ${hint} with -c`);
  }

  /** `routes`: all that there are. */
  noRoom(now: Instant, peer: Peer, routes: number): void {
    const { quota, name } = peer;
    const why =
      quota.routes >= quota.limit
        ? `its address has ${quota.routes} routes, as many as --max-routes-per-peer allows`
        : `there are ${routes} routes, as many as --max-routes allows`;
    const hint = 'the copy gets no responses; raise the limit, or copy fewer connections';
    this.#say(now, NO_ROOM, peer, `refusing a registration of tcpcopy at ${name}: ${why}; ${hint}`);
  }

  /** What responses are captured of, where the peers say it; what was said last is not said again. */
  capturing(now: Instant, targets: TargetSet): void {
    const what = describeSources(targets.list());
    if (what !== this.#captured) {
      this.#captured = what;
      this.#log.say(now, CAPTURE, ALL, `Capturing the responses of ${what}`);
    }
    if (targets.isCoarse) this.#log.say(now, COARSE, ALL, BY_PORT);
  }

  #say(now: Instant, topic: Topic, peer: Peer, message: string): void {
    this.#log.say(now, topic, peer.account.address, message);
  }
}
