// Responses that a rule of the firewall on the assistant host queues, in place of a capture. That host forwards here: what is not
// dropped goes on to the client.
import { expect, test } from 'vitest';
import { sleep } from '../../lab/child.ts';
import { drained, startHttpServer, startLoad } from '../../lab/http.ts';
import type { LoadPart } from '../../lab/load-plan.ts';
import { launchProgram, startCopying, startProgram } from '../../lab/programs.ts';
import { createLab, type Lab } from '../../lab/topology.ts';
import { copyLoad, expectAllEnded, expectIdentical } from './support.ts';

const QUEUED = { filter: null, i: null } as const;
const LOAD: readonly LoadPart[] = [
  { name: 'k', kind: 'keep-alive', requests: 400, rate: 400, connections: 8, response: 20_000 },
  { name: 'n', kind: 'new', requests: 200, rate: 200, connections: 20 },
];

/** Lets the assistant forward to the clients, and queue what comes from the target. */
async function queueResponses(lab: Lab, six: boolean, protocol: readonly string[] = []) {
  const [command, from, clients] = six
    ? ['ip6tables', lab.ip6('target'), 'fd00:77::/64']
    : ['iptables', lab.ip4('target'), '10.77.0.0/16'];
  const forwarding = six ? 'net.ipv6.conf.all.forwarding=1' : 'net.ipv4.ip_forward=1';
  await lab.exec('assistant', 'sysctl', ['-qw', forwarding]);
  await lab.exec('assistant', 'ip', ['route', 'add', clients, 'dev', 'eth0']);
  const rule = ['-A', 'FORWARD', '-s', from, ...protocol, '-j', 'NFQUEUE', '--queue-num', '0'];
  await lab.exec('assistant', command, rule);
}

/** What becomes of a connection that the client itself makes to the target, whose answer goes through the assistant. */
async function connect(lab: Lab, from: string, to: string): Promise<string> {
  const script = `
    const socket = require('node:net').connect({ host: '${to}', port: 80, localAddress: '${from}' });
    socket.on('connect', () => { console.log('connected'); process.exit(); });
    socket.on('error', (error) => { console.log(error.code); process.exit(); });
    setTimeout(() => { console.log('silence'); process.exit(); }, 1500);`;
  return (await lab.exec('client', process.execPath, ['-e', script])).stdout.trim();
}

/** What a datagram to a port of the target gets that nobody has: an ICMP message, through the assistant. */
async function callNobody(lab: Lab, to: string): Promise<string> {
  const script = `
    const socket = require('node:dgram').createSocket('${to.includes(':') ? 'udp6' : 'udp4'}');
    socket.on('error', (error) => { console.log(error.code); process.exit(); });
    socket.connect(9, '${to}', () => socket.send('x'));
    setTimeout(() => { console.log('silence'); process.exit(); }, 1500);`;
  return (await lab.exec('client', process.execPath, ['-e', script])).stdout.trim();
}

/** Counts the segments that the target sends to an address of the client host, there. */
async function watchClient(lab: Lab, six: boolean, to: string): Promise<() => Promise<number>> {
  const family = six ? 'ip6' : 'ip';
  const from = six ? lab.ip6('target') : lab.ip4('target');
  await lab.exec('client', 'nft', [
    `table inet watch { chain in { type filter hook prerouting priority -300;
      meta l4proto tcp ${family} saddr ${from} ${family} daddr ${to} counter; }; }`,
  ]);
  return async () => {
    const { stdout } = await lab.exec('client', 'nft', ['list', 'table', 'inet', 'watch']);
    return Number(/counter packets (\d+)/.exec(stdout)?.[1]);
  };
}

test.each([{ six: false }, { six: true }])(
  'row 106: what goes to an address of -x is let through, what is not is dropped and sent to tcpcopy, IPv6: $six',
  async ({ six }) => {
    await using lab = await createLab({ clientAddresses: 2 });
    const address = (index: number): string =>
      six ? lab.ip6('client', index) : lab.ip4('client', index);
    const target = six ? lab.ip6('target') : lab.ip4('target');
    await queueResponses(lab, six);
    const arrived = await watchClient(lab, six, address(1));
    const parts = LOAD.map((part) => ({ ...part, addresses: [address(1)] }));
    const outcome = await copyLoad(lab, parts, {
      ...QUEUED,
      ...(six && { x: `80-[${target}]:80`, to: { host: lab.ip6('online') } }),
      intercept: ['-x', address(2)],
      beforeStop: async () => {
        expect(await arrived()).toBe(0);
        expect(await connect(lab, address(2), target)).toBe('connected');
        expect(await connect(lab, address(1), target)).toBe('silence');
        expect(await callNobody(lab, target)).toBe('ECONNREFUSED');
        expect(await arrived()).toBe(0);
      },
    });
    expectIdentical(outcome, 600);
    expectAllEnded(outcome, 208);
    expect(outcome.said).toMatch(/^responses captured: [1-9]\d{2,}$/m);
    expect(outcome.said).toMatch(/^let through, to an address of -x: [1-9]/m);
    expect(outcome.said).toMatch(/^let through, not readable as TCP: [1-9]/m);
    expect(outcome.said).not.toContain('dropped unseen');
  },
);

test('a host that does not forward queues what arrives before it is routed', async () => {
  await using lab = await createLab();
  const rule = ['-t', 'mangle', '-A', 'PREROUTING', '-p', 'tcp', '-s', lab.ip4('target')];
  await lab.exec('assistant', 'iptables', [...rule, '-d', '10.88.0.0/16', '-j', 'NFQUEUE']);
  const outcome = await copyLoad(lab, LOAD, {
    ...QUEUED,
    c: '10.88.0.0/24',
    intercept: ['--queue', '0'],
  });
  expectIdentical(outcome, 600);
  expectAllEnded(outcome, 208);
});

test('what does not fit into the queue is dropped, told, and sent again by the target', async () => {
  await using lab = await createLab();
  await queueResponses(lab, false);
  const online = await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  const { tcpcopy, intercept } = await startCopying(lab, { ...QUEUED, intercept: ['-q', '50'] });
  const load = startLoad(lab, LOAD);
  await sleep(500);
  intercept.child.process.kill('SIGSTOP');
  await sleep(500);
  intercept.child.process.kill('SIGCONT');
  expect((await load.result).answered).toBe(600);
  await drained(target, 600);
  await tcpcopy.stop();
  await intercept.stop();
  const said = `${tcpcopy.text()}${intercept.text()}`;
  expect((await target.records()).length, said).toBe((await online.records()).length);
  expect(intercept.text()).toMatch(
    /\d packets dropped unseen, the queue of the firewall was full: -q/,
  );
  expect(intercept.text()).toMatch(/^dropped unseen, the queue of the firewall was full: [1-9]/m);
});

test('a queue that another program has is refused, and free when that ends', async () => {
  await using lab = await createLab();
  const first = await startProgram(lab, 'intercept', ['--queue', '7']);
  const second = launchProgram(lab, 'intercept', ['--queue', '7', '-p', '4000']);
  expect((await second.child.ended).code, second.text()).toBe(71);
  expect(second.text()).toContain('another program has this queue');
  await first.stop();
  await (await startProgram(lab, 'intercept', ['--queue', '7'])).stop();
});

test('a target that queues its own packets is warned, and yet loses nothing', async () => {
  await using lab = await createLab();
  const rule = ['-A', 'OUTPUT', '-p', 'tcp', '--sport', '80', '-d', '10.77.0.0/16'];
  await lab.exec('target', 'iptables', [...rule, '-j', 'NFQUEUE', '--queue-num', '0']);
  const online = await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  const intercept = await startProgram(lab, 'intercept', ['--queue', '0'], 'target');
  const x = `80-${lab.ip4('target')}:80`;
  const tcpcopy = await startProgram(lab, 'tcpcopy', ['-x', x, '-s', lab.ip4('target')]);
  expect((await startLoad(lab, LOAD).result).answered).toBe(600);
  await drained(target, 600);
  await tcpcopy.stop();
  await intercept.stop();
  const said = `${tcpcopy.text()}${intercept.text()}`;
  expect((await target.records()).length, said).toBe((await online.records()).length);
  expect(intercept.text()).toMatch(
    /warn The rule of the firewall queues packets that this very host makes/,
  );
});
