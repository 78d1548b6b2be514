// -o: copies leave on the link, whatever firewall and connection tracking of the online host say, and wherever the next hop is.
import { expect, test } from 'vitest';
import type { LoadPart } from '../../lab/load-plan.ts';
import type { CopyOptions } from '../../lab/programs.ts';
import { createLab, type Lab } from '../../lab/topology.ts';
import {
  addExit,
  counted,
  EXIT,
  EXIT_TARGET4,
  EXIT_TARGET6,
  fillConntrack,
  Scene,
} from './exit.ts';
import { copyLoad, expectIdentical } from './support.ts';

const PARTS: readonly LoadPart[] = [
  { name: 'k', kind: 'keep-alive', requests: 200, rate: 200, connections: 8 },
  { name: 'n', kind: 'new', requests: 100, rate: 100, connections: 20 },
  { name: 'p', kind: 'keep-alive', requests: 20, rate: 20, connections: 4, body: 24_000 },
];
const REQUESTS = PARTS.reduce((sum, { requests }) => sum + requests, 0);

/** All that has the address of a copy is dropped on its way out. */
const NO_COPIES = `table inet fw { chain out { type filter hook output priority 0;
  ip saddr 10.88.0.0/16 drop; ip6 saddr fd00:88::/64 drop; }; }`;

test.each<{ title: string; v6: boolean; offloads: boolean }>([
  { title: 'IPv4', v6: false, offloads: true },
  { title: 'IPv4 without offloads', v6: false, offloads: false },
  { title: 'IPv6', v6: true, offloads: true },
])('past a firewall that drops every copy, $title', async ({ v6, offloads }) => {
  await using lab = await createLab({ offloads });
  await lab.exec('online', 'nft', [NO_COPIES]);
  const outcome = await copyLoad(lab, PARTS, {
    x: v6 ? `80-[${lab.ip6('target')}]:80` : `80-${lab.ip4('target')}:80`,
    c: v6 ? 'fd00:88::/112' : '10.88.0.0/24',
    filter: null,
    tcpcopy: ['-o', 'eth0'],
    to: { host: v6 ? lab.ip6('online') : lab.ip4('online') },
  });
  expectIdentical(outcome, REQUESTS);
  expect(outcome.said).toMatch(/info Packets for \S+ leave through 'eth0' to (..:){5}../);
  expect(outcome.said).not.toContain('refused by the kernel');
  expect(outcome.said).not.toContain('no next hop');
});

test.each(['IPv4', 'IPv6'])('past a full table of connection tracking, %s', async (family) => {
  await using lab = await createLab();
  await addExit(lab);
  const v6 = family === 'IPv6';
  const scene = await Scene.open(lab, {
    x: v6 ? `80-[${EXIT_TARGET6}]:80` : `80-${EXIT_TARGET4}:80`,
    c: v6 ? 'fd00:88::/112' : '10.88.0.0/24',
    filter: null,
    tcpcopy: ['-o', EXIT],
  });
  const host = v6 ? lab.ip6('online') : lab.ip4('online');
  const kept: LoadPart = {
    name: 'kept',
    kind: 'keep-alive',
    requests: 400,
    rate: 100,
    connections: 8,
  };
  await scene.load(kept, () => fillConntrack(lab), host);
  await scene.load(
    { name: 'after', kind: 'new', requests: 100, rate: 100, connections: 20 },
    undefined,
    host,
  );
  // An ordinary datagram to the same target finds no place.
  const datagram = `require('node:dgram').createSocket('udp${v6 ? 6 : 4}')
    .send('x', 9, '${v6 ? EXIT_TARGET6 : EXIT_TARGET4}', (e) => { console.log(e?.code); process.exit(); })`;
  const { stdout } = await lab.exec('online', process.execPath, ['-e', datagram]);
  expect(stdout).toBe('EPERM\n');
  const said = await scene.close(5000);
  expect(said).not.toContain('refused by the kernel');
});

test('with MAC addresses in -x, which win', async () => {
  await using lab = await createLab();
  const macOf = async (host: 'online' | 'target'): Promise<string> =>
    (await lab.exec(host, 'cat', ['/sys/class/net/eth0/address'])).stdout.trim();
  // What the kernel believes leads nowhere.
  await lab.exec('online', 'sh', [
    '-ec',
    `ip addr add 10.67.0.1/24 dev eth0; ip neigh add 10.67.0.2 lladdr 02:00:00:00:00:01 dev eth0`,
  ]);
  await lab.exec('target', 'ip', ['addr', 'add', '10.67.0.2/24', 'dev', 'eth0']);
  const outcome = await copyLoad(lab, PARTS, {
    x: `80@${await macOf('online')}-10.67.0.2:80@${await macOf('target')}`,
    c: '10.88.0.0/24',
    tcpcopy: ['-o', 'eth0'],
  });
  expectIdentical(outcome, REQUESTS);
});

/** Makes a host a router between the network of the servers and that of the target, 10.67.0.0/24. */
async function makeRouter(lab: Lab, host: 'online2' | 'target2', number: number): Promise<void> {
  await lab.exec(host, 'sh', [
    '-ec',
    `echo 1 > /proc/sys/net/ipv4/ip_forward
    for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done
    ip addr add 10.67.0.${number}/24 dev eth0
    nft 'table ip seen { chain fw { type filter hook forward priority 0;
      ip saddr 10.88.0.0/16 counter; }; }'`,
  ]);
}

async function passed(lab: Lab, host: 'online2' | 'target2'): Promise<number> {
  const { stdout } = await lab.exec(host, 'nft', ['list', 'ruleset']);
  return Number(/counter packets (\d+)/.exec(stdout)?.[1]);
}

test('by a router, and by another one when the route changes', async () => {
  await using lab = await createLab({ more: ['online2', 'target2'] });
  await makeRouter(lab, 'online2', 8);
  await makeRouter(lab, 'target2', 9);
  await lab.exec('target', 'ip', ['addr', 'add', '10.67.0.2/24', 'dev', 'eth0']);
  const route = (verb: string, by: 'online2' | 'target2'): Promise<unknown> =>
    lab.exec('online', 'ip', ['route', verb, '10.67.0.0/24', 'via', lab.ip4(by)]);
  await route('add', 'online2');
  const options: CopyOptions = { x: '80-10.67.0.2:80', c: '10.88.0.0/24', tcpcopy: ['-o', 'eth0'] };
  const scene = await Scene.open(lab, options);
  expect(scene.said).toContain(`by the router ${lab.ip4('online2')} to `);
  await scene.load({ name: 'one', kind: 'new', requests: 100, rate: 100, connections: 20 });
  expect(await passed(lab, 'online2')).toBeGreaterThan(300);
  expect(await passed(lab, 'target2')).toBe(0);
  const kept: LoadPart = {
    name: 'two',
    kind: 'keep-alive',
    requests: 400,
    rate: 100,
    connections: 8,
  };
  await scene.load(kept, async () => {
    await route('replace', 'target2');
    await scene.copying.tcpcopy.child.waitFor(
      new RegExp(`by the router ${lab.ip4('target2')} to `),
    );
  });
  await scene.load({ name: 'three', kind: 'new', requests: 100, rate: 100, connections: 20 });
  await scene.close(5000);
  expect(await passed(lab, 'target2')).toBeGreaterThan(300);
});

test('a target that has another MAC address from now on', async () => {
  await using lab = await createLab();
  const scene = await Scene.open(lab, { c: '10.88.0.0/24', tcpcopy: ['-o', 'eth0'] });
  await scene.load({ name: 'before', kind: 'new', requests: 50, rate: 50, connections: 10 });
  const mac = '02:00:00:00:00:42';
  const kept: LoadPart = {
    name: 'kept',
    kind: 'keep-alive',
    requests: 250,
    rate: 50,
    connections: 5,
  };
  await scene.load(kept, async () => {
    // As a host that takes over an address does, it tells the others.
    await lab.exec('target', 'ip', ['link', 'set', 'eth0', 'address', mac]);
    await lab.exec('online', 'ip', ['neigh', 'flush', 'to', lab.ip4('target')]);
    await scene.copying.tcpcopy.child.waitFor(new RegExp(`leave through 'eth0' to ${mac}`));
  });
  const said = await scene.close(20_000);
  expect(counted(said, 'not sent: no next hop (-o)')).toBe(0);
});

test('as another user, without any capability after the start', async () => {
  await using lab = await createLab();
  const tcpcopy = ['-o', 'eth0', '--user', 'nobody'];
  const scene = await Scene.open(lab, { c: '10.88.0.0/24', tcpcopy });
  const kept: LoadPart = {
    name: 'kept',
    kind: 'keep-alive',
    requests: 250,
    rate: 50,
    connections: 5,
  };
  await scene.load(kept, () =>
    lab.exec('online', 'ip', ['neigh', 'flush', 'to', lab.ip4('target')]),
  );
  await scene.close(10_000);
});
