import type { SlabPool } from '../base/slab-pool.ts';
import type { Duration } from '../base/time.ts';
import type { AckSchedule } from '../tcp/ack-schedule.ts';
import type { SegmentStore } from '../tcp/segment-store.ts';
import { TcpOptions } from '../wire/tcp-options.ts';
import { RequestCounters } from './requests.ts';
import { SharedPayload } from './shared-payload.ts';

export type GapPolicy = 'reset' | 'close';

/** What holds for every session. */
export interface SessionConfig {
  /** MSS announced in a synthesised SYN (-D). */
  readonly synthesisedMss: number;
  /** Hold a request until the response to the previous one is complete (off with -W). */
  readonly holdRequests: boolean;
  /** Let the client's round trip and think time pass before its requests, and its round trip before acknowledgements (off with --no-latency). */
  readonly simulateLatency: boolean;
  /** Taken for the round trip of every client in place of the measured one. */
  readonly clientRtt?: Duration;
  /** -t: how long captured data may wait for a silent target. */
  readonly sessionTimeout: Duration;
  /** -k: how long an idle connection is kept. */
  readonly keepAliveTimeout: Duration;
  /** How long the target may take to answer a SYN, retransmissions included. */
  readonly handshakeTimeout: Duration;
  /** How long a hole in the captured data may stay open. */
  readonly gapTimeout: Duration;
  /** How a copy ends where the capture has lost something for good, after what came before that: with RST, or with FIN. */
  readonly onGap: GapPolicy;
  /** How long a session that has ended still answers stray segments of the target. */
  readonly lingerTime: Duration;
  /** How long a connection that the target closed waits for the client to close too. */
  readonly closeWaitTime: Duration;
  /** How long a target may be silent before it closes too, once the client has. */
  readonly closingTimeout: Duration;
  /** Captured pieces that one connection may hold. */
  readonly maxSegments: number;
  /** Octets of such pieces. */
  readonly maxOctets: number;
  /** Captured pieces that all connections may hold together. */
  readonly maxSegmentsTotal: number;
  /** Memory for captured octets is as small as it is because of -m: the copy that asks for more is shed. */
  readonly isPoolByMemoryLimit?: boolean;
  /** Timeouts in a row after which the target is given up (Linux: tcp_retries2; by default -t comes first). */
  readonly maxRetransmissions: number;
  /** Connections that a copy may open anew because the target had closed or reset the one before. */
  readonly maxReconnections: number;
}

/** What sessions have done, as totals. Segments unless said otherwise. */
export class SessionCounters {
  /** Sent to the target, all kinds, retransmissions included. */
  sent = 0;
  /** Of these, with payload. */
  sentData = 0;
  /** Payload octets sent, retransmissions included. */
  sentOctets = 0;
  /** Octets of the packets sent, headers included. */
  sentPacketOctets = 0;
  sentSyn = 0;
  sentFin = 0;
  sentRst = 0;
  /** SYN and FIN retransmissions included. */
  retransmitted = 0;
  /** Times that payload of the target came for the first time after something had been sent to it again. */
  answeredRetransmissions = 0;
  /** Payload octets taken from the capture: each is sent, or counted in `unsentOctets`, or waits. */
  takenOctets = 0;
  /** Of these, let go of without ever having been sent, when their copy ended. */
  unsentOctets = 0;
  /** Connections opened again because the target closed while client data was left. */
  reconnects = 0;
  /** Connections that the target has accepted. */
  connected = 0;
  /** Responses matched to a session. */
  received = 0;
  receivedData = 0;
  receivedOctets = 0;
  receivedFin = 0;
  receivedRst = 0;
  /** Times that captured data was found waiting for the target or for the client's round trip; a count of looks, not of pieces. */
  held = 0;
  /** Requests that left although the target had answered nothing since the one before: its patience was over. With -W these are not counted. */
  releasedUnanswered = 0;
  /** Responses that came twice or lay outside the window. */
  receivedStale = 0;
  /** Responses that left a hole before them. */
  receivedOutOfOrder = 0;
  /** Responses with TCP options that do not parse. */
  receivedMalformed = 0;
}

/** What all sessions of one replayer share. */
export class SessionContext {
  config: SessionConfig;
  readonly store: SegmentStore;
  readonly pool: SlabPool;
  readonly counters: SessionCounters = new SessionCounters();
  readonly requests: RequestCounters = new RequestCounters();
  /** Not in use: few sessions need one at a time. */
  readonly spareSchedules: AckSchedule[] = [];
  /** Scratch for the options of the segment in hand. */
  readonly options: TcpOptions = new TcpOptions();
  readonly payload: SharedPayload;

  constructor(config: SessionConfig, store: SegmentStore, pool: SlabPool) {
    this.config = config;
    this.store = store;
    this.pool = pool;
    this.payload = new SharedPayload(pool);
  }
}
