import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { libc } from './libc.ts';
import { PidFileError, writePidFile } from './pid-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'pid-file-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('pid file', () => {
  it('holds the process id and goes when closed', () => {
    const path = join(folder, 'a.pid');
    const file = writePidFile(path, 'tcpcopy');
    expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
    expect(file.stale).toBeUndefined();
    file.close();
    file.close();
    expect(existsSync(path)).toBe(false);
  });

  it('is refused to a second instance', () => {
    const path = join(folder, 'b.pid');
    const file = writePidFile(path, 'tcpcopy');
    const again = (): unknown => writePidFile(path, 'tcpcopy');
    expect(again).toThrow(PidFileError);
    expect(again).toThrow(`process ${process.pid} runs with it`);
    expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
    file.close();
    writePidFile(path, 'tcpcopy').close();
  });

  it('replaces what a dead process or another program left', () => {
    const path = join(folder, 'c.pid');
    for (const left of [999_999_999, 1]) {
      writeFileSync(path, `${left}\nlonger than a process id`.slice(0, `${left}\n`.length));
      const file = writePidFile(path, 'tcpcopy');
      expect(file.stale).toBe(left);
      expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
      file.close();
    }
  });

  it('is refused while a program of that name, which takes no lock, is alive', async () => {
    const script = join(folder, 'tcpcopy.js');
    writeFileSync(script, 'setInterval(() => {}, 1000)');
    const child = spawn(process.execPath, [script]);
    const path = join(folder, 'd.pid');
    writeFileSync(path, `${child.pid}\n`);
    await once(child, 'spawn');
    while (!readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').includes('tcpcopy')) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(() => writePidFile(path, 'tcpcopy')).toThrow(`process ${child.pid} runs with it`);
    writePidFile(path, 'intercept').close();
    child.kill();
    await once(child, 'exit');
  });

  it('is held under its name, when the one before removes it at that moment', () => {
    const path = join(folder, 'e.pid');
    const flock = libc.flock;
    const spy = vi.spyOn(libc, 'flock').mockImplementationOnce((fd, operation) => {
      unlinkSync(path);
      return flock(fd, operation);
    });
    const file = writePidFile(path, 'tcpcopy');
    expect(spy).toHaveBeenCalledTimes(2);
    spy.mockRestore();
    expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
    expect(() => writePidFile(path, 'tcpcopy')).toThrow('runs with it');
    file.close();
    expect(existsSync(path)).toBe(false);
  });

  it('of another instance is not removed', () => {
    const path = join(folder, 'f.pid');
    const first = writePidFile(path, 'tcpcopy');
    unlinkSync(path);
    const second = writePidFile(path, 'tcpcopy');
    first.close();
    expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
    second.close();
    expect(existsSync(path)).toBe(false);
  });

  it('leaves alone what is no pid file', () => {
    const path = join(folder, 'precious');
    for (const text of ['a key\n', '12 apples', `${'1'.repeat(40)}\n`]) {
      writeFileSync(path, text);
      expect(() => writePidFile(path, 'tcpcopy')).toThrow(/something else.*name another with -P/);
      expect(readFileSync(path, 'utf8')).toBe(text);
    }
    expect(() => writePidFile('/dev/null', 'tcpcopy')).toThrow(/a pipe or a device/);
    expect(existsSync('/dev/null')).toBe(true);
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    expect(() => writePidFile(join(folder, 'pipe'), 'tcpcopy')).toThrow(/a pipe or a device/);
    expect(existsSync(join(folder, 'pipe'))).toBe(true);
    symlinkSync(path, join(folder, 'link'));
    expect(() => writePidFile(join(folder, 'link'), 'tcpcopy')).toThrow(/ELOOP/);
    expect(existsSync(path)).toBe(true);
  });

  it('says why the file cannot be opened', () => {
    expect(() => writePidFile(join(folder, 'none/x.pid'), 'tcpcopy')).toThrow(/ENOENT.*with -P/);
  });
});
