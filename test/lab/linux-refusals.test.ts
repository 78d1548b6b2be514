import { execFileSync, spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

// What this process may do cannot be taken back, so others try it, under plain Node from the built files.
const root = resolve(import.meta.dirname, '../..');
const module = (name: string): string => JSON.stringify(`${root}/dist/linux/${name}.js`);

beforeAll(() => {
  execFileSync(`${root}/node_modules/.bin/tsc`, ['-b', 'src/linux'], { cwd: root });
});

/** Runs `script` behind the command words `wrapper`; returns the message of what it threw. */
function thrown(wrapper: string[], script: string): string {
  const guarded = `try { ${script}; console.log('nothing thrown'); } catch (e) { console.log(e.name + ': ' + e.message); }`;
  const [command, ...args] = [...wrapper, process.execPath, '--input-type=module', '-e'];
  const result = spawnSync(command as string, [...args, guarded], { encoding: 'utf8' });
  expect(result.stderr).toBe('');
  return result.stdout;
}

describe('without CAP_NET_RAW', () => {
  const drop = ['setpriv', '--bounding-set=-net_raw', '--inh-caps=-net_raw'];

  it('the capture says which capability is missing and how to get it', () => {
    const script = `(await import(${module('packet-socket')})).openPacketSource()`;
    expect(thrown(drop, script)).toMatch(
      /^SystemError: Cannot capture packets: socket\(AF_PACKET\) failed with EPERM .*CAP_NET_RAW is missing; run as root.*AmbientCapabilities.*setcap/,
    );
  });

  it('so does the sender', () => {
    const script = `(await import(${module('raw-sender')})).openRawSender()`;
    expect(thrown(drop, script)).toMatch(
      /^SystemError: Cannot send packets to the target: .*EPERM .*CAP_NET_RAW/,
    );
  });
});

describe('without CAP_NET_ADMIN', () => {
  it('the netfilter queue says which capability is missing', () => {
    const drop = ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin'];
    const options = '{ queue: 0, maxLength: 9, copyRange: 99, passThrough: [] }';
    const script = `(await import(${module('netfilter-queue')})).openNetfilterQueue(${options})`;
    expect(thrown(drop, script)).toMatch(
      /^SystemError: Cannot take packets from the netfilter queue 0: NFQNL_CFG_CMD_BIND failed with EPERM .*CAP_NET_ADMIN is missing; run as root/,
    );
  });
});

describe('a netfilter queue whose program loses CAP_NET_ADMIN', () => {
  it('tells that the kernel refuses its verdicts', () => {
    const script = `
      const { execSync } = await import('node:child_process');
      const { connect } = await import('node:net');
      execSync('ip link set lo up; iptables -A INPUT -p tcp --dport 9 -j NFQUEUE --queue-num 0');
      const { openNetfilterQueue } = await import(${module('netfilter-queue')});
      await new Promise((_, reject) => {
        const options = { queue: 0, maxLength: 9, copyRange: 99, passThrough: [], onError: reject };
        const queue = openNetfilterQueue(options);
        process.setuid(65534);
        queue.onReadable(() => queue.receive({ handlePacket: () => undefined }, 64));
        connect(9, '127.0.0.1').on('error', () => undefined);
      }).finally(() => setImmediate(() => process.exit()))`;
    expect(thrown(['timeout', '20', 'unshare', '--net'], script)).toMatch(
      /^SystemError: Cannot take packets from the netfilter queue 0: nfnetlink_queue failed with EPERM .*CAP_NET_ADMIN is missing/,
    );
  });
});

describe('without libpcap', () => {
  const libraries = execFileSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => /libpcap\.so\S* .*=> (\S+)/.exec(line)?.[1] ?? []);

  it('a filter expression names the package, and that plain copying needs none', () => {
    const hide = libraries.map((path) => `mount --bind /dev/null ${path} && `).join('');
    const wrapper = ['unshare', '--mount', 'sh', '-c', `${hide} exec "$@"`, 'sh'];
    const script = `(await import(${module('pcap-filter')})).compileFilter('tcp')`;
    expect(thrown(wrapper, script)).toMatch(
      /^FilterError: Cannot compile the filter 'tcp': libpcap is not installed: install the package libpcap0\.8 .*without a filter expression/,
    );
  });
});
