import { type Duration, elapsed, type Instant } from '../base/time.ts';
import { NO_NEXT_HOP } from '../ports/packet-sink.ts';

/** What the kernel's errors mean for packets that could not be sent, and what helps. */
const EXPLANATIONS: Readonly<Record<string, string>> = {
  EPERM:
    'a firewall on this host drops what it sends (nft list ruleset), or the table of connection tracking is full (dmesg). Exempt the copies with a rule, or send past both with -o',
  EACCES: 'a route forbids it (prohibit): ip route get shows it',
  EINVAL: 'a route swallows it (blackhole): ip route get shows it',
  ENETUNREACH: 'this host has no route to the target: ip route get shows it',
  EHOSTUNREACH:
    'a route calls the target unreachable, or the router to it does not answer: ip route get and ip neigh show it',
  EMSGSIZE:
    'the interface takes less than the packets are long. Pieces to come are cut to what it takes now; where this goes on, give a smaller -M',
  ENOBUFS:
    'the queue of the interface is full: it sends more slowly than copies are made (tc -s qdisc). Copy fewer connections with -r, or let the queue be longer',
  EAGAIN:
    'the send buffer is full: the interface sends more slowly than copies are made. Copy fewer connections with -r, or raise net.core.wmem_max',
  ENOMEM: 'the kernel has no memory for them',
  ENETDOWN: 'the interface is down: ip link shows it. Copying goes on when it is up',
  ENXIO: 'the interface of -o is gone. Copying goes on when it is back',
  ENODEV: 'the interface is gone',
  EBADF: 'the kernel has no IPv6',
  EADDRNOTAVAIL:
    'the address of the target cannot be reached from this host: ip route get shows it',
  [NO_NEXT_HOP]:
    'no host is known that takes them on the interface of -o: ip route get and ip neigh show it',
};

/** What is found out about one kind of refusal. */
interface Told {
  /** Packets so far that were spoken of, or that did not have to be. */
  count: number;
  at: Instant | undefined;
}

/** Says in words which packets could not be sent, and why: once a minute for each error, while it goes on. */
export class Refusals {
  readonly #errors: () => ReadonlyMap<string, number>;
  readonly #patience: Duration;
  readonly #told = new Map<string, Told>();

  constructor(errors: () => ReadonlyMap<string, number>, patience: Duration) {
    this.#errors = errors;
    this.#patience = patience;
    for (const [name, count] of errors()) this.#told.set(name, { count, at: undefined });
  }

  /** One sentence for each error that packets have met since it was spoken of last. */
  look(now: Instant): string[] {
    const lines: string[] = [];
    for (const [name, count] of this.#errors()) {
      const told = this.#told.get(name) ?? { count: 0, at: undefined };
      this.#told.set(name, told);
      if (count === told.count) continue;
      if (told.at !== undefined && elapsed(told.at, now) < this.#patience) continue;
      lines.push(describe(name, count - told.count));
      told.count = count;
      told.at = now;
    }
    return lines;
  }
}

function describe(name: string, count: number): string {
  const why = EXPLANATIONS[name] ?? 'the kernel refused them';
  const kind = name === NO_NEXT_HOP ? '' : ` (${name})`;
  return `${count} packets for targets could not be sent${kind}: ${why}. See docs/operating.md, Packets that are not sent`;
}
