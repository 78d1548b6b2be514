import { fstatSync, openSync, readFileSync, closeSync } from 'node:fs';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { HmacSha256 } from '../linux/keyed-hash.ts';
import type { KeyedHash } from '../ports/keyed-hash.ts';
import { errnoWords } from './errno.ts';
import { ExitCode, StartError } from './exit-codes.ts';

/** Octets of a pre-shared key: fewer could be guessed, more are a mistake in the file name. */
const MIN_KEY = 16;
const MAX_KEY = 4096;
/** Permission bits by which others than the owner read or change a file. */
const OPEN_TO_OTHERS = 0o037;

const NEW_KEY = 'To make one: (umask 077; openssl rand -hex 32 > FILE), and copy it to both hosts.';

/**
 * The pre-shared key in a file: all of it but the line end.
 * @throws StartError
 */
export function readKey(file: string): KeyedHash {
  const { content, mode } = readPrivate(file, '--key-file');
  let { length } = content;
  while (length > 0 && (content[length - 1] === 0x0a || content[length - 1] === 0x0d)) length--;
  if ((mode & OPEN_TO_OTHERS) !== 0) {
    const found = (mode & 0o777).toString(8).padStart(3, '0');
    throw new StartError(
      ExitCode.config,
      `Cannot use --key-file ${file}: its mode is ${found}, so that others can read or change it; expected 600 or 640`,
      `chmod 600 ${file}`,
    );
  }
  if (length < MIN_KEY || length > MAX_KEY) {
    throw new StartError(
      ExitCode.config,
      `Cannot use --key-file ${file}: it holds ${length} octets; expected ${MIN_KEY} to ${MAX_KEY}`,
      NEW_KEY,
    );
  }
  const key = new HmacSha256(content.subarray(0, length));
  content.fill(0);
  return key;
}

/**
 * Certificates in PEM.
 * @throws StartError
 */
export function readCertificates(file: string, option: string): string {
  const text = readPrivate(file, option).content.toString('latin1');
  try {
    void new X509Certificate(text);
  } catch {
    throw notPem(file, option, 'a certificate', 'BEGIN CERTIFICATE');
  }
  return text;
}

/**
 * A private key in PEM, not encrypted.
 * @throws StartError
 */
export function readPrivateKey(file: string, option: string): string {
  const text = readPrivate(file, option).content.toString('latin1');
  try {
    createPrivateKey(text);
  } catch {
    throw notPem(file, option, 'a private key without a passphrase', 'BEGIN PRIVATE KEY');
  }
  return text;
}

function readPrivate(file: string, option: string): { content: Buffer; mode: number } {
  let fd: number | undefined;
  try {
    fd = openSync(file, 'r');
    return { content: readFileSync(fd), mode: fstatSync(fd).mode };
  } catch (error) {
    throw new StartError(
      ExitCode.config,
      `Cannot read ${option} ${file}: ${errnoWords(error)}`,
      option === '--key-file' ? NEW_KEY : '',
    );
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

const notPem = (file: string, option: string, what: string, line: string): StartError =>
  new StartError(
    ExitCode.config,
    `Cannot use ${option} ${file}: expected ${what} in PEM form (a line "-----${line}-----")`,
  );
