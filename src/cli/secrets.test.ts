import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { describeError, exitCodeOf } from './exit-codes.ts';
import { readCertificates, readIdentity, readKey } from './secrets.ts';

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
    expect(complaint(() => readKey('/dev/zero'))).toMatch(/device; expected a regular file/);
    const pipe = join(folder, 'pipe');
    execFileSync('sh', ['-c', `mkfifo -m 600 '${pipe}'`]);
    expect(complaint(() => readKey(pipe))).toMatch(/a pipe .*expected a regular file/);
    expect(complaint(() => readKey(file('x'.repeat(1_100_000))))).toMatch(/holds 1100000 octets/);
  });
});

describe('certificates and their keys', () => {
  const ours = join(folder, 'ours.pem');
  const out = ['-keyout', join(folder, 'ours.key'), '-out', ours];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...kind, '-subj', '/CN=intercept', ...out], {
    stdio: 'ignore',
  });

  it('must be PEM', () => {
    expect(complaint(() => readCertificates(file('hello'), '--tls-ca'))).toMatch(
      /--tls-ca .*expected a certificate in PEM form/,
    );
    expect(complaint(() => readIdentity({ certificate: ours, key: file('hello') }))).toMatch(
      /--tls-key .*expected a private key/,
    );
  });

  it('belong together', () => {
    const files = {
      certificate: ours,
      key: file(readFileSync(join(folder, 'ours.key'), 'latin1')),
    };
    expect(readIdentity(files).certificate).toContain('BEGIN CERTIFICATE');
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const key = file(other.export({ type: 'pkcs8', format: 'pem' }) as string);
    expect(complaint(() => readIdentity({ certificate: ours, key }))).toMatch(
      /--tls-key .*is not the key of the certificate/,
    );
  });

  it('a private key must not be open to others', () => {
    const key = file(readFileSync(join(folder, 'ours.key'), 'latin1'), 0o644);
    expect(complaint(() => readIdentity({ certificate: ours, key }))).toMatch(/mode is 644/);
  });
});
