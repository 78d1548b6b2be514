import type { Duration } from '../base/time.ts';
import type { ResponseForm } from '../control/response-form.ts';
import type { Ramp } from '../replay/share.ts';
import type { Rates } from '../replay/throttle.ts';
import type { GapPolicy } from '../session/context.ts';
import type { PlayerOptions } from '../runtime/file-player.ts';
import type { IpAddress } from '../wire/address.ts';
import type { LogFormat, LogLevel } from './log-level.ts';

/** One pair of `-x`. */
export interface Transfer {
  /** Where clients connect to; without an address, that port at any address of the target's family. */
  readonly source: { readonly address?: IpAddress; readonly port: number };
  readonly target: { readonly address: IpAddress; readonly port: number };
  /**
   * The target is a loopback address, so the kernel takes only packets whose source is one too: connections of other
   * clients must not be copied to it.
   */
  readonly loopbackOnly: boolean;
  /** Its MAC addresses, for -o. */
  readonly link?: Omit<LinkTarget, 'address'>;
}

/** Where the packets that -x takes pass by: on their way into this host, or out of it. */
export type Direction = 'in' | 'out';

/** -o: how frames for the packets to `address` are addressed. */
export interface LinkTarget {
  readonly address: IpAddress;
  /** MAC address of the next hop; found out when absent. */
  readonly nextHop?: Uint8Array;
  /** MAC address that frames come from; that of the interface when absent. */
  readonly source?: Uint8Array;
}

/** -o: the interface that copies leave by. */
export interface Output {
  readonly device: string;
  /** Each address of a target once. */
  readonly targets: readonly LinkTarget[];
}

/** A host where intercept runs. `host` is an address (without brackets) or a name that is still to be resolved. */
export interface ServerAddress {
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** Set when `host` spells an address. */
  readonly address?: IpAddress;
}

/** `count` consecutive addresses. */
export interface AddressRange {
  readonly first: IpAddress;
  readonly count: number;
}

/** What both programs take from their common options. */
export interface ProcessConfig {
  /** Absolute path; absent for stderr. */
  readonly logFile?: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** Whom to become after the start. */
  readonly user?: string;
  /** Absolute path. */
  readonly pidFile?: string;
  /** Absolute path. */
  readonly controlSocket?: string;
  readonly daemon: boolean;
  /** To be logged once the log is open. */
  readonly warnings: readonly string[];
}

/** What may be held, done and waited for; docs/operating.md says what happens when a limit is met. */
export interface Limits {
  /** Copies at once. */
  readonly maxConnections: number;
  /** What may begin or be sent in a second. */
  readonly rates: Rates;
  /** Captured pieces of one connection, and octets in them. */
  readonly maxHeldSegments: number;
  readonly maxHeldOctets: number;
  /** Captured pieces of all connections, and octets of memory for them. */
  readonly maxHeldSegmentsTotal: number;
  readonly maxHeldOctetsTotal: number;
  /** Timeouts in a row without progress. */
  readonly maxRetransmissions: number;
  /** Connections that one copy opens anew. */
  readonly maxReconnections: number;
  readonly handshakeTimeout: Duration;
  readonly closeWaitTimeout: Duration;
  readonly closingTimeout: Duration;
  readonly gapTimeout: Duration;
  readonly onGap: GapPolicy;
  readonly lingerTime: Duration;
}

/** What is replayed from capture files. */
export interface ReplayFiles extends PlayerOptions {
  /** Absolute paths; "-" is standard input. */
  readonly files: readonly string[];
}

export interface TcpcopyConfig extends ProcessConfig {
  /** At least one; the first that fits a packet wins. */
  readonly transfers: readonly Transfer[];
  /** At least one, at most 32. */
  readonly servers: readonly ServerAddress[];
  /** To each server, 1 to 11. */
  readonly connectionsPerServer: number;
  /** -L. */
  readonly lonely: boolean;
  /** No sessions are registered. */
  readonly single: boolean;
  /** What an intercept of the original was built to send. */
  readonly responseForm: ResponseForm;
  /** Path of the pre-shared key. */
  readonly keyFile?: string;
  /** Path of the certificates that intercept's is checked against; TLS is spoken when it is there. */
  readonly tlsCa?: string;
  /** Addresses that copies come from, in the order of `-c`, none twice; empty when copies keep the client's address. */
  readonly clientAddresses: readonly IpAddress[];
  /** -H; IPv4. */
  readonly localhostAddress?: IpAddress;
  /** The same addresses as ranges, for messages. */
  readonly clientRanges: readonly AddressRange[];
  /** Share of the connections that is copied, above 0 and up to 100. */
  readonly percentage: number;
  /** How the share comes to be so large; absent when it is from the start. */
  readonly ramp?: Ramp;
  /** Copies of each connection, 1 to 1023, perhaps with a fraction. */
  readonly copies: number;
  /** Time within which they begin. */
  readonly spread: Duration;
  /** Of the ports of the copies, by `-f`; 0: all. */
  readonly portRange: number;
  /** Octets of the largest packet towards the target, IP header included; 576 to 65535. */
  readonly mtu: number;
  /** Octets announced in SYNs that no client sent; 88 to 65495. */
  readonly mss: number;
  readonly sessionTimeout: Duration;
  readonly keepaliveTimeout: Duration;
  readonly limits: Limits;
  /** -m, octets of the process. */
  readonly memoryLimit: number;
  /** Hold a request until the response before it is complete; off by `-W`. */
  readonly holdRequests: boolean;
  /** Let the client's round trip and think time pass; off by `--no-latency`. */
  readonly simulateLatency: boolean;
  /** -R; absent when the clients' round trips are measured. */
  readonly clientRtt?: Duration;
  /** Leave connections alone whose SYN was not captured; `-O`. */
  readonly onlyNewConnections: boolean;
  /** Datagrams are copied, too. */
  readonly udp: boolean;
  /** Names; empty for all. */
  readonly interfaces: readonly string[];
  /** Whose connections are copied: those that come to this host, or those that it makes. */
  readonly direction: Direction;
  /** -S; absent for whole packets. */
  readonly snapLength?: number;
  /** -o; absent when the kernel finds the way. */
  readonly output?: Output;
  /** -B, octets. */
  readonly captureBuffer?: number;
  /** pcap-filter(7) text; absent when the filter is made from the transfers. */
  readonly filter?: string;
  /** Set when capture files are replayed; then nothing is captured. */
  readonly replay?: ReplayFiles;
}

/** Responses are taken from a queue of netfilter. */
export interface QueueConfig {
  /** 0 to 65535. */
  readonly number: number;
  /** Packets that may wait in it. */
  readonly length: number;
  /** Packets to these are let through. */
  readonly passThrough: readonly IpAddress[];
}

export interface InterceptConfig extends ProcessConfig {
  /** Set when nothing is captured; then there is neither a filter nor an interface. */
  readonly queue?: QueueConfig;
  /** pcap-filter(7) text that selects the responses; absent when it follows from the targets of those connected. */
  readonly filter?: string;
  readonly limits: {
    readonly maxConnections: number;
    readonly maxConnectionsPerPeer: number;
    readonly maxRoutes: number;
    readonly maxRoutesPerPeer: number;
  };
  /** Set when one tcpcopy is served, without routes. */
  readonly single?: { readonly protect: boolean };
  readonly dnat: boolean;
  /** `-D a-b`; IPv4. */
  readonly redirect?: { readonly from: IpAddress; readonly to: IpAddress };
  /** Names; empty for all. */
  readonly interfaces: readonly string[];
  readonly port: number;
  /** Absent for any local address. */
  readonly bindAddress?: IpAddress;
  /** Path of the pre-shared key. */
  readonly keyFile?: string;
  /** Serve peers that prove no key, although there is one. */
  readonly allowOriginal: boolean;
  /** Paths of certificate and key; TLS is spoken when they are there. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** What a tcpcopy of the original was built to read. */
  readonly responseForm: ResponseForm;
}
