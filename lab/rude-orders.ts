/** Where the intercept is, and how to speak with it. */
export interface Door {
  readonly host: string;
  readonly port: number;
  /** The pre-shared key, as text; without it nothing is proved. */
  readonly key?: string;
  /** The address to come from, where it matters. */
  readonly from?: string;
  /** File with the certificate to trust; without it plain TCP. */
  readonly ca?: string;
}

/** One session, as a registration names it: IPv4 addresses, of the copy's client and of the target. */
export interface RudeSession {
  readonly client: string;
  readonly clientPort: number;
  readonly target: string;
  readonly targetPort: number;
}

/** What `rude-peers` is asked to do; each is answered with the result named. */
export type RudeOrder =
  /** Opens so many connections and holds them until the program ends, or closes each at once: `CrowdResult`. */
  | { readonly act: 'crowd'; readonly count: number; readonly hold: boolean }
  /** Opens so many one after another, says `text` (hex), waits a moment and closes: `CrowdResult`. */
  | { readonly act: 'scan'; readonly count: number; readonly text: string }
  /** Says these octets (hex) in one write, and listens until the other side closes or two seconds are over: `Heard`. */
  | { readonly act: 'say'; readonly text: string }
  /** The same octets, one a second, until the other side closes: `Heard`. */
  | { readonly act: 'drip'; readonly text: string }
  /** Introduces itself and stops in the middle of a registration: `Heard`. */
  | { readonly act: 'stall' }
  /** Introduces itself, asks to death, and never reads; `from` are its sessions, to which responses come: `Heard`. */
  | { readonly act: 'deaf'; readonly from: string; readonly target: string; readonly count: number }
  /** Introduces itself and asks so many times whether the other side lives, faster than it reads the answers: `Answered`. */
  | { readonly act: 'ping'; readonly count: number }
  /** Introduces itself and registers so many sessions, from 10.99.0.0:1 on: `Answered`. */
  | { readonly act: 'register'; readonly count: number }
  /** Introduces itself, registers these sessions and keeps them until the program ends: `Answered`. */
  | { readonly act: 'take'; readonly sessions: readonly RudeSession[] }
  /** Introduces itself and changes what it wants so many times: `Answered`. */
  | { readonly act: 'waver'; readonly count: number }
  /** Stands between: listens on `listen`, passes everything on and remembers the first connection: `true`. */
  | { readonly act: 'relay'; readonly listen: number }
  /** What the relay remembers: `Recording`. */
  | { readonly act: 'recording' }
  /** Is an intercept: says these octets (hex) to whoever connects to `listen`: `true`. */
  | { readonly act: 'pretend'; readonly listen: number; readonly text: string };

/** What became of many connections. */
export interface CrowdResult {
  readonly connected: number;
  readonly failed: number;
  /** Closed by the other side; the rest of those connected it kept. */
  readonly closed: number;
}

export interface Heard {
  /** The other side closed the connection. */
  readonly closed: boolean;
  /** What it said, as text of one octet a character. */
  readonly text: string;
  /** Octets that it was told before. */
  readonly told: number;
}

export interface Answered {
  /** PONGs. */
  readonly pongs: number;
  /** The other side has closed the connection. */
  readonly closed: boolean;
}

/** One connection through the relay, in hex. */
export interface Recording {
  readonly toIntercept: string;
  readonly toTcpcopy: string;
}
