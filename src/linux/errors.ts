import { getSystemErrorMap } from 'node:util';

/** What a system call was wanted for, and what may help. */
export interface SystemFailure {
  /** Name of the call: "bind", "socket(AF_PACKET)". */
  readonly call: string;
  /** 0 when no error number belongs to it. */
  readonly errno: number;
  /** What could not be done, to follow "Cannot": "listen on 0.0.0.0:36524". */
  readonly doing: string;
  /** Likely cause and next step; without it the usual one for the error number, if there is one. */
  readonly hint?: string;
}

/** A system call failed: an environmental error, which a person can mend. The message names what, why and the next step. */
export class SystemError extends Error {
  readonly call: string;
  readonly errno: number;
  /** "EPERM"; empty when there is no error number. */
  readonly code: string;

  constructor(failure: SystemFailure) {
    const { call, errno, doing } = failure;
    const hint = failure.hint ?? usualHint(errno);
    const why =
      errno === 0 ? '' : `: ${call} failed with ${errnoName(errno)} (${errnoText(errno)})`;
    super(`Cannot ${doing}${why}${hint === '' ? '' : `: ${hint}`}`);
    this.name = 'SystemError';
    this.call = call;
    this.errno = errno;
    this.code = errno === 0 ? '' : errnoName(errno);
  }
}

/** "EPERM" for 1; "E4095" for a number without a name. */
export const errnoName = (errno: number): string =>
  getSystemErrorMap().get(-errno)?.[0] ?? `E${errno}`;

/** "operation not permitted" for 1. */
export const errnoText = (errno: number): string =>
  getSystemErrorMap().get(-errno)?.[1] ?? `error number ${errno}`;

export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EBUSY = 16;
export const ENODEV = 19;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENODATA = 61;
export const EMSGSIZE = 90;
export const EPROTONOSUPPORT = 93;
export const EOPNOTSUPP = 95;
export const EAFNOSUPPORT = 97;
export const EADDRINUSE = 98;
export const EADDRNOTAVAIL = 99;
export const ENETDOWN = 100;
export const ENETUNREACH = 101;
export const ENOBUFS = 105;
export const ETIMEDOUT = 110;
export const ECONNREFUSED = 111;
export const EHOSTUNREACH = 113;
export const EINPROGRESS = 115;

/** What to do when CAP_NET_RAW is missing. */
export const NEED_NET_RAW: string = [
  'the capability CAP_NET_RAW is missing; run as root,',
  'or start it from systemd with AmbientCapabilities=CAP_NET_RAW,',
  'or give the capability to a copy of node: setcap cap_net_raw+ep /path/to/node-copy',
].join(' ');

/** The same, for a call that failed so. */
export const netRawHint = (errno: number): string | undefined =>
  errno === EPERM || errno === EACCES ? NEED_NET_RAW : undefined;

function usualHint(errno: number): string {
  switch (errno) {
    case EMFILE:
      return 'this process has too many open files; raise the limit with ulimit -n';
    case ENETUNREACH:
      return 'this host has no route to it; see ip route';
    case EHOSTUNREACH:
      return 'the host, or the router on the way to it, does not answer; see ip route and ip neigh';
    default:
      return '';
  }
}
