// Packets that cannot be sent: whatever the kernel says, tcpcopy lives, counts them, says in words what it means, and copies on
// when the cause is gone. Nothing is lost for the connections that were open meanwhile.
import { describe, expect, test } from 'vitest';
import type { LoadPart } from '../../lab/load-plan.ts';
import { createLab, type Lab } from '../../lab/topology.ts';
import {
  addExit,
  counted,
  EXIT,
  EXIT_TARGET4,
  EXIT_TARGET6,
  fillConntrack,
  on,
  Scene,
  settle,
} from './exit.ts';

interface Cause {
  readonly title: string;
  /** Of the account. */
  readonly line: string;
  readonly explained: RegExp;
  readonly begin: (lab: Lab) => Promise<unknown>;
  readonly end: (lab: Lab) => Promise<unknown>;
  readonly v6?: true;
  readonly tcpcopy?: readonly string[];
  /** Octets of each request's body. */
  readonly body?: number;
}

const run =
  (line: string) =>
  (lab: Lab): Promise<unknown> =>
    on(lab, line);

const FIREWALL = (what: string): string =>
  `nft 'table inet fw { chain out { type filter hook output priority 0; oifname "${EXIT}" ${what}; }; }'`;

const ROUTE4 = '10.67.0.0/24';
const CAUSES: readonly Cause[] = [
  {
    title: 'a firewall that drops what is sent',
    line: 'refused by the kernel: EPERM',
    explained: /\(EPERM\): a firewall on this host .*-o/,
    begin: run(FIREWALL('drop')),
    end: run('nft delete table inet fw'),
  },
  {
    title: 'a firewall, IPv6',
    line: 'refused by the kernel: EPERM',
    explained: /\(EPERM\): a firewall on this host/,
    begin: run(FIREWALL('drop')),
    end: run('nft delete table inet fw'),
    v6: true,
  },
  {
    title: 'a full table of connection tracking',
    line: 'refused by the kernel: EPERM',
    explained: /\(EPERM\): .*connection tracking is full .*-o/,
    begin: fillConntrack,
    end: run('nft delete table inet tracked; conntrack -F'),
  },
  ...([false, true] as const).map(
    (v6): Cause => ({
      title: `a queue that is full${v6 ? ', IPv6' : ''}`,
      line: 'refused by the kernel: ENOBUFS',
      explained: /\(ENOBUFS\): the queue of the interface is full/,
      begin: run(`tc qdisc add dev ${EXIT} root tbf rate 2mbit burst 1600 limit 3200`),
      end: run(`tc qdisc del dev ${EXIT} root`),
      body: 12_000,
      ...(v6 && { v6 }),
    }),
  ),
  ...([false, true] as const).map(
    (v6): Cause => ({
      title: `an MTU that has become smaller${v6 ? ', IPv6' : ''}`,
      line: 'refused by the kernel: EMSGSIZE',
      explained: /\(EMSGSIZE\): .*-M/,
      begin: run(`ip link set ${EXIT} mtu 1300`),
      end: run(`ip link set ${EXIT} mtu 1500`),
      body: 12_000,
      ...(v6 && { v6 }),
    }),
  ),
  {
    title: 'a route that is gone',
    line: 'refused by the kernel: ENETUNREACH',
    explained: /\(ENETUNREACH\): this host has no route/,
    begin: run(`ip route del ${ROUTE4}`),
    end: run(`ip route add ${ROUTE4} dev ${EXIT}`),
  },
  {
    title: 'a route that says unreachable',
    line: 'refused by the kernel: EHOSTUNREACH',
    explained: /\(EHOSTUNREACH\): a route calls the target unreachable/,
    begin: run(`ip route add unreachable ${EXIT_TARGET4}/32`),
    end: run(`ip route del unreachable ${EXIT_TARGET4}/32`),
  },
  {
    title: 'a route that swallows',
    line: 'refused by the kernel: EINVAL',
    explained: /\(EINVAL\): a route swallows it/,
    begin: run(`ip route add blackhole ${EXIT_TARGET4}/32`),
    end: run(`ip route del blackhole ${EXIT_TARGET4}/32`),
  },
  {
    title: 'a route that forbids',
    line: 'refused by the kernel: EACCES',
    explained: /\(EACCES\): a route forbids it/,
    begin: run(`ip route add prohibit ${EXIT_TARGET4}/32`),
    end: run(`ip route del prohibit ${EXIT_TARGET4}/32`),
  },
  {
    title: 'an interface that is down, with -o',
    line: 'refused by the kernel: ENETDOWN',
    explained: /\(ENETDOWN\): the interface is down/,
    begin: run(`ip link set ${EXIT} down`),
    end: run(`ip link set ${EXIT} up`),
    tcpcopy: ['-o', EXIT],
  },
  {
    title: 'a next hop that is gone, with -o',
    line: 'not sent: no next hop (-o)',
    explained: /could not be sent: no host is known that takes them on the interface of -o/,
    begin: run(`ip route del ${ROUTE4}`),
    end: run(`ip route add ${ROUTE4} dev ${EXIT}`),
    tcpcopy: ['-o', EXIT],
  },
];

/** A request goes out some time after its connection could have sent again: at the latest after twice what the cause took. */
const QUIET = 40_000;

describe('copying goes on through', () => {
  test.each(CAUSES)('$title', async (cause) => {
    await using lab = await createLab();
    await addExit(lab);
    const target = cause.v6 ? `[${EXIT_TARGET6}]` : EXIT_TARGET4;
    const scene = await Scene.open(lab, {
      x: `80-${target}:80`,
      filter: null,
      c: cause.v6 ? 'fd00:88::/112' : '10.88.0.0/24',
      ...(cause.tcpcopy && { tcpcopy: cause.tcpcopy }),
    });
    const { child } = scene.copying.tcpcopy;
    const host = cause.v6 ? lab.ip6('online') : lab.ip4('online');
    const body = cause.body === undefined ? {} : { body: cause.body };
    const kept: LoadPart = {
      name: 'kept',
      kind: 'keep-alive',
      requests: 280,
      rate: 20,
      connections: 8,
      ...body,
    };
    await scene.load(
      kept,
      async () => {
        await settle();
        await cause.begin(lab);
        await child.waitFor(cause.explained, 13_000);
        await cause.end(lab);
      },
      host,
    );
    expect(child.running).toBe(true);
    const after: LoadPart = {
      name: 'after',
      kind: 'new',
      requests: 40,
      rate: 40,
      connections: 10,
      ...body,
    };
    await scene.load(after, undefined, host);
    const said = await scene.close(QUIET);
    expect(counted(said, cause.line), said).toBeGreaterThan(0);
  });
});
