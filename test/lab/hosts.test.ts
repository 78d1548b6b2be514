// The lab itself: if these fail, no other result of the lab means anything.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Child, run, sleep } from '../../lab/child.ts';
import { compareServers, startHttpServer, startLoad } from '../../lab/http.ts';
import { createLab } from '../../lab/topology.ts';

const forgedConnect = (from: string, to: string): string => `
  const socket = require('node:net').connect({ host: '${to}', port: 80, localAddress: '${from}' });
  socket.on('connect', () => { console.log('connected'); process.exit(); });
  socket.on('error', (error) => { console.log(error.code); process.exit(); });
  setTimeout(() => { console.log('silence'); process.exit(); }, 1500);`;

describe('the hosts of the lab', () => {
  test('clients reach the online server over IPv4 and IPv6', async () => {
    await using lab = await createLab({ clientAddresses: 3 });
    const online = await startHttpServer(lab, 'online');
    const part = { kind: 'new', requests: 30, rate: 0, connections: 5 } as const;
    const four = { ...part, name: 'four', addresses: lab.clientAddresses() };
    expect((await startLoad(lab, [four]).result).answered).toBe(30);
    const six = startLoad(lab, [{ ...part, name: 'six' }], { host: lab.ip6('online') });
    expect((await six.result).answered).toBe(30);
    const peers = (await online.records()).map((r) => r.peer.slice(0, r.peer.lastIndexOf(':')));
    const fours = peers.filter((address) => !address.startsWith('fd00:77::'));
    expect(fours).toHaveLength(30);
    expect(new Set(fours)).toEqual(new Set(lab.clientAddresses()));
  });

  test.each([
    { family: 'IPv4', address: '10.88.0.9', prefix: 32, field: 'InAddrErrors' },
    { family: 'IPv6', address: 'fd00:88::9', prefix: 128, field: 'Ip6InAddrErrors' },
  ])('a response to a copied client ends at the assistant, $family', async (row) => {
    await using lab = await createLab();
    await startHttpServer(lab, 'target');
    const six = row.family === 'IPv6';
    const to = six ? lab.ip6('target') : lab.ip4('target');
    const address = `${row.address}/${row.prefix}`;
    await lab.exec('online', 'ip', ['addr', 'add', address, 'dev', 'lo']);
    const before = await swallowed();
    const connecting = lab.exec('online', process.execPath, ['-e', forgedConnect(row.address, to)]);
    expect((await connecting).stdout).toBe('silence\n');
    expect(await swallowed()).toBeGreaterThan(before);

    /** Packets that came to the assistant for somebody else. */
    async function swallowed(): Promise<number> {
      const file = six ? '/proc/net/snmp6' : '/proc/net/snmp';
      const { stdout } = await lab.exec('assistant', 'cat', [file]);
      if (six) return Number(new RegExp(`${row.field}\\s+(\\d+)`).exec(stdout)?.[1]);
      const [names = '', values = ''] = stdout.split('\n').filter((line) => line.startsWith('Ip:'));
      return Number(values.split(' ')[names.split(' ').indexOf(row.field)]);
    }
  });

  test('records that differ are told apart', async () => {
    await using lab = await createLab();
    const online = await startHttpServer(lab, 'online');
    const other = await startHttpServer(lab, 'target');
    const part = { name: 'a', kind: 'keep-alive', requests: 10, rate: 0, connections: 2 } as const;
    await startLoad(lab, [{ ...part, body: 1000 }]).result;
    const c = await compareServers(online, other);
    expect(c).toMatchObject({ online: 10, target: 0, identical: 0, lost: 10, duplicated: 0 });
  });
});

describe('the sandbox', () => {
  test.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
    'leaves nothing after %s',
    async (signal) => {
      const script = 'ip netns add left-behind && echo made && sleep 4711 & sleep 4711';
      const child = new Child('sandbox', 'sh', ['scripts/sandbox.sh', 'sh', '-c', script]);
      await child.waitFor(/made/);
      for (let i = 0; i < 100 && sleepers() < 2; i++) await sleep(20);
      expect(sleepers()).toBe(2);
      await child.stop(signal);
      for (let i = 0; i < 100 && sleepers() > 0; i++) await sleep(20);
      expect(sleepers()).toBe(0);
      expect((await run('ip', ['netns', 'list'])).stdout).not.toContain('left-behind');
    },
  );

  test('passes the exit status of its command on', async () => {
    const inside = ['scripts/sandbox.sh', 'sh', '-c', 'exit 7'];
    expect((await run('sh', inside, { mayFail: true })).code).toBe(7);
  });
});

function sleepers(): number {
  return readdirSync('/proc').filter((name) => {
    try {
      return (
        /^\d/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'latin1') === 'sleep\x004711\0'
      );
    } catch {
      return false;
    }
  }).length;
}
