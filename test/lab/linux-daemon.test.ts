import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from './linux-rig.ts';

// Daemons run under plain Node, so this needs the built files.
const folder = mkdtempSync(join(tmpdir(), 'daemon-'));
const dist = resolve(import.meta.dirname, '../../dist/linux');
const script = join(folder, 'program.mjs');

beforeAll(() => {
  execFileSync(resolve(import.meta.dirname, '../../node_modules/.bin/tsc'), ['-b', 'src/linux']);
  writeFileSync(
    script,
    `import { daemonReady, isDaemonChild, startDaemon } from ${JSON.stringify(`${dist}/daemon.js`)};
     import { writePidFile } from ${JSON.stringify(`${dist}/pid-file.js`)};
     if (!isDaemonChild()) process.exit(await startDaemon());
     const [mode, pidFile] = process.argv.slice(2);
     if (mode === 'fail') { console.error('Cannot do it: for a reason'); process.exit(7); }
     if (mode === 'quit') process.exit(0);
     if (mode === 'die') process.kill(process.pid, 'SIGKILL');
     writePidFile(pidFile, 'program');
     await new Promise((resolve) => setTimeout(resolve, 100));
     console.log('before');
     process.on('SIGTERM', () => process.exit(0));
     daemonReady();
     console.log('after');
     setInterval(() => {}, 1000);`,
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

const run = (...args: string[]): ReturnType<typeof spawnSync> =>
  spawnSync(process.execPath, [script, ...args], { encoding: 'utf8', timeout: 20_000 });

describe('daemon', () => {
  it('is up when the parent exits with 0, and has let go of the terminal and the directory', async () => {
    const pidFile = join(folder, 'pid');
    // spawnSync returns only when nobody holds the pipes any more.
    const { status, stdout, stderr } = run('serve', pidFile);
    expect([status, stdout, stderr]).toEqual([0, 'before\n', '']);
    const pid = Number(readFileSync(pidFile, 'utf8'));
    try {
      for (const fd of [0, 1, 2]) expect(readlinkSync(`/proc/${pid}/fd/${fd}`)).toBe('/dev/null');
      expect(readlinkSync(`/proc/${pid}/cwd`)).toBe('/');
      const [, session] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
      expect(Number(session?.split(' ')[3])).toBe(pid);
      expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).toContain('TCPCOPY_DAEMON_CHANNEL');
    } finally {
      process.kill(pid, 'SIGTERM');
    }
    await until(() => !existsSync(pidFile), 'the pid file goes with the daemon');
  });

  it.each([
    ['fail', 7, 'Cannot do it: for a reason\n'],
    ['quit', 1, ''],
    ['die', 128 + 9, ''],
  ])('hands the caller what became of a start that %ss', (mode, expected, message) => {
    const { status, stderr } = run(mode);
    expect([status, stderr]).toEqual([expected, message]);
  });
});
