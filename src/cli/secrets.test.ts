import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { describeError, exitCodeOf } from './exit-codes.ts';
import { readCertificates, readKey, readPrivateKey } from './secrets.ts';

const folder = mkdtempSync(join(tmpdir(), 'tcpcopy-key-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(content: string, mode = 0o600): string {
  const path = join(folder, 'key');
  rmSync(path, { force: true });
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

const complaint = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    expect(exitCodeOf(error)).toBe(78);
    return describeError('tcpcopy', error);
  }
  throw new Error('nothing was thrown');
};

describe('a pre-shared key', () => {
  const message = Uint8Array.of(1, 2, 3);

  it('is the file without its line end, whoever wrote it', () => {
    const plain = readKey(file('0123456789abcdef')).sign(message);
    expect(readKey(file('0123456789abcdef\n')).sign(message)).toEqual(plain);
    expect(readKey(file('0123456789abcdef\r\n')).sign(message)).toEqual(plain);
    expect(readKey(file('0123456789abcdeg')).sign(message)).not.toEqual(plain);
  });

  it('must not be open to others', () => {
    expect(complaint(() => readKey(file('0123456789abcdef', 0o644)))).toMatch(
      /mode is 644.*expected 600 or 640\n {2}chmod 600/,
    );
    expect(complaint(() => readKey(file('0123456789abcdef', 0o660)))).toMatch(/mode is 660/);
    readKey(file('0123456789abcdef', 0o640));
  });

  it('must be long enough, and a file', () => {
    expect(complaint(() => readKey(file('short\n')))).toMatch(/holds 5 octets.*openssl rand/s);
    expect(complaint(() => readKey(file('x'.repeat(5000))))).toMatch(/holds 5000 octets/);
    expect(complaint(() => readKey(join(folder, 'none')))).toMatch(/no such file/i);
    expect(complaint(() => readKey(folder))).toMatch(/directory/i);
  });
});

describe('certificates and their keys', () => {
  it('must be PEM', () => {
    expect(complaint(() => readCertificates(file('hello'), '--tls-ca'))).toMatch(
      /--tls-ca .*expected a certificate in PEM form/,
    );
    expect(complaint(() => readPrivateKey(file('hello'), '--tls-key'))).toMatch(
      /expected a private key/,
    );
  });
});
