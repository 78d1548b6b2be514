import { mkdtempSync, rmSync } from 'node:fs';
import { Child, type ChildOptions, type CommandResult, type RunOptions, run } from './child.ts';
import { labProgram } from './paths.ts';

/** The hosts of the lab; README.md has the drawing. Those with a 2, and `delay`, exist only when asked for. */
export type HostName = 'client' | ServerName | SecondHost;
type ServerName = 'online' | 'target' | 'assistant' | 'delay';
export type SecondHost = 'online2' | 'target2' | 'assistant2';

/** Last part of the address of each server: 10.66.0.N and fd00:66::N. */
const SERVER_NUMBER: Readonly<Record<Exclude<HostName, 'client'>, number>> = {
  online: 1,
  target: 2,
  assistant: 3,
  target2: 4,
  online2: 5,
  assistant2: 6,
  delay: 9,
};

/** The clients' network, and the network that `-c` addresses are taken from. Both lead to a route
 *  via the assistant on the targets. */
export const CLIENT_PREFIX4 = '10.77.0.0/16';
export const CLIENT_PREFIX6 = 'fd00:77::/64';
export const COPY_PREFIX4 = '10.88.0.0/16';
export const COPY_PREFIX6 = 'fd00:88::/64';
/** A second network for `-c`, to which the targets' route leads via the second assistant. */
export const COPY2_PREFIX4 = '10.89.0.0/16';
export const COPY2_PREFIX6 = 'fd00:89::/64';

/** See `LabOptions.captureLoss`. */
export const CAPTURE_DEVICE = 'tap';

export interface LabOptions {
  /** MTU of client, online and assistant, in octets; 1,500 by default, 65,535 at most. */
  readonly mtu?: number;
  /** MTU of the targets: what the way to the target carries. `mtu` by default; below 1,280 the
   *  targets have no IPv6 (RFC 8200 section 5). */
  readonly targetMtu?: number;
  /** TSO, GSO, GRO and checksum offload of every interface; true (as veth has it) by default. */
  readonly offloads?: boolean;
  /** How many addresses the client host has, 1 by default: 10.77.0.1, 10.77.0.2 … */
  readonly clientAddresses?: number;
  readonly secondTarget?: boolean;
  /** Further hosts. */
  readonly more?: readonly SecondHost[];
  /** Packets in a thousand that are lost on their way to the targets, 0 by default. */
  readonly lossToTarget?: number;
  /** Packets in a thousand of the targets' responses that are lost before the assistant. */
  readonly lossFromTarget?: number;
  /**
   * The online host gets a device `CAPTURE_DEVICE` to which the TCP packets that arrive there are repeated, for `tcpcopy -i`; of
   * those to port 80, so many in a thousand are not. Their own way is not touched. Absent: no such device.
   */
  readonly captureLoss?: number;
  /**
   * Milliseconds that every packet to and from the target takes longer. Between the target and the switch there is then a host
   * `delay` (see delay-forwarder.ts); the target has IPv4 only. Needs `offloads: false`, since packets pass as they are.
   */
  readonly delayToTarget?: number;
  /** The HTTP servers remember every octet of every connection, see `StreamServer`. */
  readonly keepStreams?: boolean;
}

/** A running lab. `await using` it, or call `[Symbol.asyncDispose]`, or leave the clean-up to the
 *  end of the sandbox. */
export class Lab implements AsyncDisposable {
  readonly id: string;
  readonly options: LabOptions;
  /** A folder for configuration and log files, in the sandbox's own memory. */
  readonly folder: string;
  readonly hosts: readonly HostName[];
  /** What makes the delay, where there is one; it says at its end how many packets it lost. */
  delayForwarder: Child | undefined;
  readonly #children: Child[] = [];

  constructor(options: LabOptions) {
    this.id = `tc${process.pid.toString(36)}${(nextLab++).toString(36)}`;
    this.options = options;
    this.folder = mkdtempSync('/run/tcpcopy-lab-');
    const more = new Set<HostName>(options.more);
    if (options.secondTarget === true) more.add('target2');
    if (options.delayToTarget !== undefined) more.add('delay');
    this.hosts = ['client', 'online', 'target', 'assistant', ...more];
  }

  /** Name of a host's network namespace, unique on the machine. */
  namespace(host: HostName | 'switch'): string {
    return `${this.id}-${host}`;
  }

  /** IPv4 address of a host; of the client, the one numbered `index` from 1. */
  ip4(host: HostName, index = 1): string {
    if (host === 'client') return `10.77.${index >> 8}.${index & 255}`;
    return `10.66.0.${SERVER_NUMBER[host]}`;
  }

  ip6(host: HostName, index = 1): string {
    if (host === 'client') return `fd00:77::${index.toString(16)}`;
    return `fd00:66::${SERVER_NUMBER[host]}`;
  }

  /** All IPv4 addresses of the client host. */
  clientAddresses(): string[] {
    const count = this.options.clientAddresses ?? 1;
    return Array.from({ length: count }, (_, i) => this.ip4('client', i + 1));
  }

  /** Runs a command on a host to its end. */
  exec(
    host: HostName | 'switch',
    command: string,
    args: readonly string[] = [],
    options: RunOptions = {},
  ): Promise<CommandResult> {
    return run('ip', ['netns', 'exec', this.namespace(host), command, ...args], options);
  }

  /** Starts a process on a host. It is killed with the lab. */
  spawn(
    host: HostName | 'switch',
    name: string,
    command: string,
    args: readonly string[] = [],
    options: ChildOptions = {},
  ): Child {
    const child = new Child(
      name,
      'ip',
      ['netns', 'exec', this.namespace(host), command, ...args],
      options,
    );
    this.#children.push(child);
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) if (child.running) child.process.kill('SIGKILL');
    for (const host of [...this.hosts, 'switch'] as const) await this.#remove(host);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Takes a host's network device away and puts a new one in its place. */
  async replug(host: HostName): Promise<void> {
    const switchName = this.namespace('switch');
    await batch([`link del p-${host}`], switchName);
    await plug(this, host);
    // The others remember the address of the former device; a host that is started anew would announce itself.
    for (const other of this.hosts) await batch(['neigh flush all'], this.namespace(other));
  }

  /** Kills what runs on a host (daemons included), then takes its namespace away. */
  async #remove(host: HostName | 'switch'): Promise<void> {
    const name = this.namespace(host);
    const pids = await run('ip', ['netns', 'pids', name], { mayFail: true });
    for (const pid of pids.stdout.split('\n').filter((line) => line !== '')) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It ended by itself meanwhile.
      }
    }
    await run('ip', ['netns', 'del', name], { mayFail: true });
  }
}

let nextLab = 0;

/** Raises the hosts. Needs a sandbox around it (scripts/sandbox.sh), which owns the clean-up. */
export async function createLab(options: LabOptions = {}): Promise<Lab> {
  if (process.env['LAB_SANDBOX'] !== '1') {
    throw new Error('the lab runs in a sandbox only: sh scripts/sandbox.sh COMMAND');
  }
  const lab = new Lab(options);
  try {
    await raise(lab);
  } catch (error) {
    await lab[Symbol.asyncDispose]();
    throw error;
  }
  return lab;
}

async function raise(lab: Lab): Promise<void> {
  const switchName = lab.namespace('switch');
  const names = [switchName, ...lab.hosts.map((host) => lab.namespace(host))];
  await batch(names.map((name) => `netns add ${name}`));
  await batch(['link set lo up', 'link add br0 type bridge', 'link set br0 up'], switchName);
  await lab.exec('switch', 'sh', ['-c', SWITCH_SETTINGS]);
  for (const host of lab.hosts) await plug(lab, host);
  if (lab.options.offloads === false) {
    const ports = lab.hosts.map((host) => `p-${host}`);
    await lab.exec('switch', 'sh', ['-c', ports.map(offloadsOff).join('\n')]);
  }
  await arrangeLoss(lab);
  if (lab.options.delayToTarget !== undefined) await arrangeDelay(lab, lab.options.delayToTarget);
  if (lab.options.captureLoss !== undefined) await arrangeCapture(lab, lab.options.captureLoss);
}

/** Connects a host to the switch. */
async function plug(lab: Lab, host: HostName): Promise<void> {
  const mtu = lab.options.mtu ?? 1500;
  const own = host.startsWith('target') ? (lab.options.targetMtu ?? mtu) : mtu;
  const name = lab.namespace(host);
  await batch(
    [
      `link add p-${host} mtu ${own} type veth peer name eth0 mtu ${own} netns ${name}`,
      `link set p-${host} master br0 up`,
    ],
    lab.namespace('switch'),
  );
  await lab.exec(host, 'sh', ['-c', hostSettings(host, lab.options.offloads ?? true)]);
  await batch(addressing(lab, host, own >= 1280), name);
}

/** A switch forwards frames; where br_netfilter is loaded, the kernel would take each through the IP firewall as well. */
const SWITCH_SETTINGS = `
  for knob in /proc/sys/net/bridge/bridge-nf-call-*tables; do
    [ ! -w "$knob" ] || echo 0 > "$knob"
  done`;

/** Kernel settings of a host, as a shell script. */
function hostSettings(host: HostName, offloads: boolean): string {
  const lines = [
    'cd /proc/sys/net',
    // The assistant is a black hole: what the targets route there must not go on.
    'echo 0 > ipv4/ip_forward; echo 0 > ipv6/conf/all/forwarding',
    // Loose: the source must be reachable somehow. What Debian and the clouds set.
    'for f in ipv4/conf/*/rp_filter; do echo 2 > $f; done',
    'for f in ipv4/conf/*/send_redirects; do echo 0 > $f; done',
    'for f in ipv4/conf/*/accept_redirects ipv6/conf/*/accept_redirects; do echo 0 > $f; done',
    'for f in ipv6/conf/*/accept_dad; do echo 0 > $f; done',
    // A new connection a request needs many ports, and thousands of them wait in TIME-WAIT.
    "echo '1025 65000' > ipv4/ip_local_port_range",
    'echo 4096 > core/somaxconn; echo 8192 > ipv4/tcp_max_syn_backlog',
  ];
  if (!offloads) lines.push(offloadsOff('eth0'));
  return `set -e; : ${host}\n${lines.join('\n')}`;
}

function offloadsOff(device: string): string {
  return `ethtool -K ${device} tx off rx off tso off gso off gro off >/dev/null`;
}

/** Addresses and routes of a host, as lines of `ip -batch`. */
function addressing(lab: Lab, host: HostName, six: boolean): string[] {
  const four: string[] = [];
  const sixes: string[] = [];
  if (host === 'client') {
    for (let i = 1; i <= (lab.options.clientAddresses ?? 1); i++) {
      four.push(`addr add ${lab.ip4('client', i)}/16 dev eth0`);
      sixes.push(`addr add ${lab.ip6('client', i)}/64 dev eth0 nodad`);
    }
  } else {
    four.push(`addr add ${lab.ip4(host)}/24 dev eth0`);
    sixes.push(`addr add ${lab.ip6(host)}/64 dev eth0 nodad`);
  }
  const up = 'link set eth0 up';
  const routes4 = routes(lab, host, false);
  if (!six) return ['link set lo up', ...four, up, ...routes4];
  const routes6 = routes(lab, host, true);
  return ['link set lo up', ...four, ...sixes, up, ...routes4, ...routes6];
}

function routes(lab: Lab, host: HostName, six: boolean): string[] {
  const online = six ? lab.ip6('online') : lab.ip4('online');
  const assistant = six ? lab.ip6('assistant') : lab.ip4('assistant');
  const [servers, clients, copies] = six
    ? ['fd00:66::/64', CLIENT_PREFIX6, COPY_PREFIX6]
    : ['10.66.0.0/24', CLIENT_PREFIX4, COPY_PREFIX4];
  if (host === 'client') return [`route add ${servers} dev eth0`];
  if (host.startsWith('online')) return [`route add ${clients} dev eth0`];
  // Like any host it would know where to send what is not its own; it may not forward, that is all.
  if (host.startsWith('assistant')) return [`route add default via ${online}`];
  const first = [clients, copies].map((prefix) => `route add ${prefix} via ${assistant}`);
  if (!lab.hosts.includes('assistant2')) return first;
  const second = six ? lab.ip6('assistant2') : lab.ip4('assistant2');
  return [...first, `route add ${six ? COPY2_PREFIX6 : COPY2_PREFIX4} via ${second}`];
}

/** Random loss by nftables; not every kernel has the netem queue. */
async function arrangeLoss(lab: Lab): Promise<void> {
  for (const host of lab.hosts) {
    if (!host.startsWith('target')) continue;
    const to = lab.options.lossToTarget ?? 0;
    const from = lab.options.lossFromTarget ?? 0;
    if (to > 0) await lab.exec(host, 'nft', [lossRule('eth0', to)]);
    if (from > 0) await lab.exec('switch', 'nft', [lossRule(`p-${host}`, from)]);
  }
}

function lossRule(device: string, perMille: number): string {
  const chain = `type filter hook ingress device "${device}" priority 0;`;
  const rule = `meta l4proto tcp numgen random mod 1000 < ${perMille} drop`;
  return `table netdev loss-${device} { chain in { ${chain} ${rule}; }; }`;
}

/** Takes the target's cable out of the switch and puts it into the host `delay`, which passes on what comes on either side. */
async function arrangeDelay(lab: Lab, milliseconds: number): Promise<void> {
  const target = lab.ip4('target');
  const own = '10.68.0.1';
  const delay = lab.namespace('delay');
  await batch([`link set p-target nomaster netns ${delay} name eth1`], lab.namespace('switch'));
  await lab.exec('delay', 'sh', ['-c', hostSettings('delay', false).replaceAll('eth0', 'eth1')]);
  await batch(
    [`addr add ${own}/32 dev eth1`, 'link set eth1 up', `route add ${target}/32 dev eth1`],
    delay,
  );
  await batch(
    [
      'addr flush dev eth0',
      `addr add ${target}/32 dev eth0`,
      `route add ${own}/32 dev eth0 scope link`,
      `route add default via ${own}`,
    ],
    lab.namespace('target'),
  );
  for (const host of ['online', 'assistant'] as const) {
    await batch([`route add ${target}/32 via ${lab.ip4('delay')}`], lab.namespace(host));
  }
  const args = [labProgram('delay-forwarder'), String(milliseconds), 'eth0', 'eth1'];
  const child = lab.spawn('delay', 'delay forwarder', process.execPath, args);
  await child.waitFor(/forwarding/);
  lab.delayForwarder = child;
}

/**
 * What a capture loses never leaves a trace on the way that packets take, so it is arranged beside that way: packets are
 * repeated to a veth whose other end is captured, and which has the address of the true device, as packets for other hosts
 * would not be looked at. There the kernel drops them, after the capture and before TCP.
 */
async function arrangeCapture(lab: Lab, perMille: number): Promise<void> {
  const { stdout } = await lab.exec('online', 'cat', ['/sys/class/net/eth0/address']);
  const [into, tap] = [`${CAPTURE_DEVICE}-in`, CAPTURE_DEVICE];
  const mtu = lab.options.mtu ?? 1500;
  await batch(
    [
      `link add ${into} mtu ${mtu} type veth peer name ${tap} mtu ${mtu}`,
      `link set ${tap} address ${stdout.trim()} up`,
      `link set ${into} up`,
    ],
    lab.namespace('online'),
  );
  await lab.exec('online', 'nft', [
    `table inet capture { chain in {
      type filter hook prerouting priority -300; iifname "${tap}" drop; }; }
    table netdev capture { chain in { type filter hook ingress device "eth0" priority 0;
      tcp dport 80 numgen random mod 1000 < ${perMille} accept;
      meta l4proto tcp dup to "${into}"; }; }`,
  ]);
}

async function batch(lines: readonly string[], namespace?: string): Promise<void> {
  const args = namespace === undefined ? [] : ['-n', namespace];
  await run('ip', [...args, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}
