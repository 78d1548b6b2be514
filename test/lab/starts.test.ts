// Bad starts: each says what failed and what to do, and has a non-zero exit status.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  commandEnvironment,
  interceptArgs,
  launchProgram,
  type ProgramName,
  startProgram,
  tcpcopyArgs,
  typed,
} from '../../lab/programs.ts';
import { createLab, type Lab } from '../../lab/topology.ts';
import type { CommandResult } from '../../lab/child.ts';

const HOST = { tcpcopy: 'online', intercept: 'assistant' } as const;
/** A start that fails must be over by then, milliseconds. */
const PATIENCE = 40_000;

let lab: Lab;
beforeAll(async () => {
  lab = await createLab();
  await startProgram(lab, 'intercept', interceptArgs());
});
afterAll(async () => {
  await lab[Symbol.asyncDispose]();
});

/** Runs a command line in a shell of the program's host; `prefix` comes before it. */
function start(name: ProgramName, args: readonly string[], prefix = ''): Promise<CommandResult> {
  const line = `${prefix} exec ${typed(name, args)}`;
  const options = { env: commandEnvironment(lab), mayFail: true, timeout: PATIENCE };
  return lab.exec(HOST[name], 'sh', ['-c', line], options);
}

/** It ended by itself, with a status, and told a person why on stderr. */
function expectRefusal(result: CommandResult, ...says: RegExp[]): void {
  expect(result.signal, 'ends by itself').toBeNull();
  expect(result.code).not.toBe(0);
  for (const pattern of says) expect(result.stderr).toMatch(pattern);
  expect(result.stderr, 'no stack trace').not.toMatch(/\n\s+at .+:\d+:\d+/);
  expect(result.stderr).not.toMatch(/: ready/);
}

/** Takes libpcap away from a command: its files become empty ones in the host's own mount space. */
const WITHOUT_LIBPCAP =
  "for f in $(ldconfig -p | sed -n 's/.*libpcap.* => //p'); do mount --bind /dev/null $f; done;";

describe('arguments', () => {
  const s = ['-s', '10.66.0.3'];
  test.each<{ title: string; args: readonly string[]; says: readonly RegExp[] }>([
    { title: 'no -x', args: s, says: [/-x/] },
    { title: 'no -s', args: ['-x', '80-10.66.0.2:80'], says: [/-s/] },
    { title: 'an -x without "-"', args: ['-x', '80:10.66.0.2', ...s], says: [/-x/, /80:10\.66/] },
    { title: 'a bad address', args: ['-x', '80-10.66.0.300:80', ...s], says: [/10\.66\.0\.300/] },
    {
      title: 'a bad -c',
      args: ['-x', '80-10.66.0.2:80', ...s, '-c', '10.1.2'],
      says: [/10\.1\.2/],
    },
    { title: 'port 0', args: ['-x', '80-10.66.0.2:0', ...s], says: [/\b0\b/, /port/] },
    { title: 'port 70000', args: ['-x', '70000-10.66.0.2:80', ...s], says: [/70000/, /port/] },
    { title: '-r 150', args: ['-x', '80-10.66.0.2:80', ...s, '-r', '150'], says: [/150/, /100/] },
    { title: 'unknown option', args: ['-x', '80-10.66.0.2:80', ...s, '-Z'], says: [/-Z/] },
  ])('tcpcopy: $title', async ({ args, says }) => {
    expectRefusal(await start('tcpcopy', args), ...says);
  });

  test('intercept: an empty -F, and an option that is refused', async () => {
    expectRefusal(await start('intercept', ['-i', 'eth0', '-F', '']), /-F/);
    expectRefusal(
      await start('intercept', ['-i', 'eth0', '-t', '5']),
      /-t \(--timeout\): .*refuses/,
    );
  });
});

describe('the network', () => {
  test('an intercept host where no intercept runs', async () => {
    const args = ['-x', '80-10.66.0.2:80', '-s', lab.ip4('target')];
    expectRefusal(await start('tcpcopy', args), /10\.66\.0\.2/, /36524/);
  });

  test('the same with -d is seen by the caller', async () => {
    const args = ['-x', '80-10.66.0.2:80', '-s', lab.ip4('target'), '-d'];
    const log = ['-l', `${lab.folder}/refused.log`];
    expectRefusal(await start('tcpcopy', [...args, ...log]), /10\.66\.0\.2/, /36524/);
  });

  test('an intercept host that does not answer at all', async () => {
    const drop =
      'table inet mute { chain in { type filter hook input priority 0; tcp dport 36524 drop; }; }';
    await lab.exec('target', 'nft', [drop]);
    const args = ['-x', '80-10.66.0.2:80', '-s', lab.ip4('target')];
    expectRefusal(await start('tcpcopy', args), /10\.66\.0\.2/, /36524/);
    await lab.exec('target', 'nft', ['delete', 'table', 'inet', 'mute']);
  });

  test.each<ProgramName>(['tcpcopy', 'intercept'])('%s: an unknown interface', async (name) => {
    const args =
      name === 'tcpcopy'
        ? [...tcpcopyArgs(lab), '-i', 'nosuch0']
        : ['-i', 'nosuch0', '-F', 'tcp', '-p', '36600'];
    expectRefusal(await start(name, args), /nosuch0/);
  });

  test('tcpcopy: -o with an unknown interface, or one that does not lead there', async () => {
    const on = (device: string) => tcpcopyArgs(lab, { tcpcopy: ['-o', device] });
    expectRefusal(await start('tcpcopy', on('nosuch0')), /nosuch0/, /eth0/);
    await lab.exec('online', 'ip', [
      'link',
      'add',
      'side0',
      'type',
      'veth',
      'peer',
      'name',
      'side1',
    ]);
    expectRefusal(await start('tcpcopy', on('side0')), /side0.*is down/, /ip link set side0 up/);
    await lab.exec('online', 'ip', ['link', 'set', 'side0', 'up']);
    expectRefusal(await start('tcpcopy', on('side0')), /10\.66\.0\.2.*side0/, /ip route get/);
    await lab.exec('online', 'ip', ['link', 'del', 'side0']);
  });

  test('intercept: a port in use', async () => {
    expectRefusal(await start('intercept', interceptArgs()), /36524/, /in use/i);
  });
});

describe('the machine', () => {
  const other = ['-p', '36601'];

  test.each<ProgramName>(['tcpcopy', 'intercept'])('%s: no privilege', async (name) => {
    const args = name === 'tcpcopy' ? tcpcopyArgs(lab) : interceptArgs({ intercept: other });
    const line = typed(name, args);
    const result = await lab.exec(
      HOST[name],
      'sh',
      ['-c', `exec setpriv --bounding-set -net_raw -- ${line}`],
      { env: commandEnvironment(lab), mayFail: true, timeout: PATIENCE },
    );
    expectRefusal(result, /CAP_NET_RAW/, /setcap|root/);
  });

  test.each<ProgramName>(['tcpcopy', 'intercept'])(
    '%s: a log that cannot be opened',
    async (name) => {
      const log = ['-l', '/nonexistent/folder/some.log'];
      const args =
        name === 'tcpcopy'
          ? tcpcopyArgs(lab, { tcpcopy: log })
          : interceptArgs({ intercept: [...other, ...log] });
      expectRefusal(await start(name, args), /\/nonexistent\/folder\/some\.log/);
    },
  );

  test.each<ProgramName>(['tcpcopy', 'intercept'])('%s: -F does not compile', async (name) => {
    const filter = 'tcp and nonsense (';
    const args =
      name === 'tcpcopy'
        ? [...tcpcopyArgs(lab), '-F', filter]
        : interceptArgs({ filter, intercept: other });
    expectRefusal(await start(name, args), /filter/, /nonsense/, /syntax/);
  });

  test.each<ProgramName>(['tcpcopy', 'intercept'])('%s: -F without libpcap', async (name) => {
    const args =
      name === 'tcpcopy'
        ? [...tcpcopyArgs(lab), '-F', 'tcp dst port 80']
        : interceptArgs({ intercept: other });
    expectRefusal(await start(name, args, WITHOUT_LIBPCAP), /libpcap/, /filter/, /install/);
  });
});

describe('good starts', () => {
  test('with options that have no effect, which is said', async () => {
    const idle = ['-n', '16', '-s', '65536', '-p', '4000', '-i', 'eth0'];
    const intercept = await startProgram(lab, 'intercept', idle);
    const tcpcopy = await startProgram(lab, 'tcpcopy', [...tcpcopyArgs(lab), '-U', '4']);
    expect(tcpcopy.text()).toMatch(/warn -U \(--session-block\) has no effect: memory/);
    expect(intercept.text()).toMatch(/warn -n \(--batch\) has no effect: .*\n.*warn -s \(--delay/);
    for (const program of [tcpcopy, intercept]) expect((await program.stop()).code).toBe(0);
  });

  test.each<ProgramName>(['tcpcopy', 'intercept'])(
    '%s goes on when nobody reads its output, and ends in order',
    async (name) => {
      const log = join(lab.folder, `${name}.log`);
      const args = name === 'tcpcopy' ? tcpcopyArgs(lab) : [...interceptArgs(), '-p', '4001'];
      const { child } = launchProgram(lab, name, [...args, '-l', log]);
      child.process.stderr?.destroy();
      child.process.stdout?.destroy();
      const logged = (): string => (existsSync(log) ? readFileSync(log, 'utf8') : '');
      await expect.poll(logged, { timeout: 15_000 }).toContain('info ready');
      process.kill(child.pid, 'SIGUSR2');
      await expect.poll(logged, { timeout: 15_000 }).toMatch(/info (packets|responses) captured/);
      expect(await child.stop('SIGTERM'), logged()).toEqual({ code: 0, signal: null });
    },
  );

  test.each<ProgramName>(['tcpcopy', 'intercept'])(
    '%s: signals that come before anything is loaded neither end it nor open a debugger',
    async (name) => {
      // Raises each as soon as it is listened to. With --check nothing of the program itself listens.
      const raise = `process.on('newListener', (event) => {
        if (event.startsWith('SIG')) setImmediate(() => {
          process.kill(process.pid, event);
          console.error('raised', event);
        });
      });`;
      const args = name === 'tcpcopy' ? tcpcopyArgs(lab) : interceptArgs();
      const loader = `data:text/javascript;base64,${Buffer.from(raise).toString('base64')}`;
      const result = await start(name, [...args, '--check'], `NODE_OPTIONS='--import=${loader}'`);
      expect(result.code, result.stderr).toBe(0);
      for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2']) {
        expect(result.stderr).toContain(`raised ${signal}`);
      }
      expect(result.stderr).not.toContain('Debugger');
      expect(result.stdout).toMatch(/^log-level = "info"/m);
    },
  );

  test('plain copying needs no libpcap', async () => {
    const env = commandEnvironment(lab);
    const line = `${WITHOUT_LIBPCAP} exec ${typed('tcpcopy', tcpcopyArgs(lab))}`;
    const child = lab.spawn('online', 'tcpcopy without libpcap', 'sh', ['-c', line], { env });
    await child.waitFor(/tcpcopy: ready/);
    expect(await child.stop()).toEqual({ code: 0, signal: null });
  });

  test.each<ProgramName>(['tcpcopy', 'intercept'])('%s -h and -v', async (name) => {
    for (const option of ['-h', '-v']) {
      const result = launchProgram(lab, name, [option]);
      expect((await result.child.ended).code).toBe(0);
      expect(result.child.stdout).toContain(name);
    }
  });
});
