import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ControlAnswer, ControlRequest } from './control-message.ts';
import { askControl, serveControl } from './control-socket.ts';
import { ExitCode } from './exit-codes.ts';

let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tcpcopy-control-'));
  path = join(folder, 'control.sock');
});
afterEach(() => rmSync(folder, { recursive: true }));

const echo = ({ command, words }: ControlRequest): Promise<ControlAnswer> =>
  Promise.resolve({ ok: command === 'yes', text: words.join('|') });

/** What comes back for octets of any kind. */
function say(octets: string | Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(path, () => socket.write(octets));
    socket.on('data', (part) => {
      text += part.toString();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}

it('carries a question and its answer, for nobody but the owner', async () => {
  const server = await serveControl(path, echo);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const long = 'x'.repeat(50_000);
  const answers = await Promise.all([
    askControl(path, { command: 'yes', words: ['a b', 'ü\n"', long] }),
    askControl(path, { command: 'no', words: [] }),
  ]);
  expect(answers).toEqual([
    { ok: true, text: `a b|ü\n"|${long}` },
    { ok: false, text: '' },
  ]);
  server.close();
  await expect(askControl(path, { command: 'yes', words: [] })).rejects.toMatchObject({
    exitCode: ExitCode.unavailable,
  });
});

it('answers what is no question with a refusal, and goes on', async () => {
  const server = await serveControl(path, echo);
  const junk = ['\n', 'status\n', '[]\n', '{"command":7}\n', '{"command":"yes","words":[1]}\n'];
  for (const octets of [...junk, 'null\n', new Uint8Array(100_000).fill(0xff)]) {
    expect(await say(octets)).toMatch(/"ok":false.*no request/);
  }
  expect(await askControl(path, { command: 'yes', words: ['on'] })).toMatchObject({ text: 'on' });
  server.close();
});

it('leaves the socket of another program alone when it ends, and refuses what Node would cut', async () => {
  const first = await serveControl(path, echo);
  rmSync(path);
  const second = await serveControl(path, echo);
  first.close();
  expect((await askControl(path, { command: 'yes', words: [] })).ok).toBe(true);
  second.close();
  const long = join(folder, 'x'.repeat(108));
  await expect(serveControl(long, echo)).rejects.toThrow(/expected 107 at the most/);
  await expect(askControl(long, { command: 'yes', words: [] })).rejects.toThrow(/expected 107/);
});

it('takes the place of a socket that nobody serves, and of nothing else', async () => {
  const first = await serveControl(path, echo);
  await expect(serveControl(path, echo)).rejects.toThrow(/another program answers there/);
  first.close();
  // As a killed process leaves it.
  const { execFileSync } = await import('node:child_process');
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  expect(() => execFileSync(process.execPath, ['-e', script])).toThrow();
  expect(statSync(path).isSocket()).toBe(true);
  const second = await serveControl(path, echo);
  expect((await askControl(path, { command: 'yes', words: [] })).ok).toBe(true);
  second.close();
  writeFileSync(path, 'precious');
  await expect(serveControl(path, echo)).rejects.toThrow(/a file that is no socket/);
  await expect(serveControl(join(folder, 'none', 'x'), echo)).rejects.toMatchObject({
    exitCode: ExitCode.config,
  });
});
